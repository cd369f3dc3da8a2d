"""What PyTorch takes for the same evaluation."""

import numpy as np

from gpu.network import read_weights
from gpu.scale import LAYERS


def pytorch(options):
    """The same evaluation by PyTorch, as it comes and compiled, in milliseconds."""
    try:
        import torch
    except ImportError:
        yield "left out", "PyTorch is not installed"
        return
    vgg = read_weights(options)
    torch.backends.cudnn.benchmark = True
    all_sizes = options["scale"].sizes
    for compiled, sizes in ((False, all_sizes[:5]), (True, all_sizes[2:3])):
        for tf32 in (True, False):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            found = []
            for size in sizes:
                found.append(f"{size}: {_torch_milliseconds(torch, vgg, size, compiled):.3f}")
                kind = "compiled, reduce-overhead" if compiled else "eager"
                yield f"{kind}, {'tf32' if tf32 else 'fp32'}", ", ".join(found)


def _torch_milliseconds(torch, vgg, size, compiled):
    device = torch.device("cuda")
    mean = torch.from_numpy(vgg.mean).reshape(1, 3, 1, 1).to(device)
    tensors = {
        name: tuple(torch.from_numpy(x).to(device) for x in pair)
        for name, pair in vgg.tensors.items()
    }
    path = list(vgg.table)[: list(vgg.table).index(LAYERS[-1]) + 1]

    def grams(image):
        h, found = image.flip(1) - mean, []
        for name in path:
            if name in tensors:
                h = torch.relu(torch.nn.functional.conv2d(h, *tensors[name], padding=1))
            else:
                h = torch.nn.functional.avg_pool2d(h, 2)
            if name in LAYERS:
                flat = h.flatten(2)[0]
                found.append(flat @ flat.T / flat.shape[1])
        return found

    exemplar, image = (torch.rand(1, 3, size, size, device=device) * 255 for _ in range(2))
    targets = [gram.detach() for gram in grams(exemplar)]
    image.requires_grad_()

    def loss(image):
        pairs = zip(grams(image), targets, strict=True)
        return sum(((g - t) ** 2).sum() / (t**2).sum() for g, t in pairs)

    measured = torch.compile(loss, mode="reduce-overhead") if compiled else loss

    def evaluate():
        image.grad = None
        measured(image).backward()

    found = []
    for _ in range(18):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        evaluate()
        last.record()
        last.synchronize()
        found.append(first.elapsed_time(last))
    return float(np.median(found[3:]))
