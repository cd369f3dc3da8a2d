"""Times one evaluation, loss and gradient for the image, by texsynth's engines and by others.

With ``--job``, times the whole default command instead, in two checkouts; with ``--masks``, Gram
matrices of positions that count by a weight.

Every way runs in a process of its own, with the same network, loss, exemplar and image. The ways
take turns, so that a machine whose speed drifts drifts for all of them alike; medians and the
median of the ratios of neighbouring runs are printed.
"""

import contextlib
import importlib.util
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
from benchmarks import job, masks

LAYERS = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
DOUBLE_LIMIT = 512  # the float64 gradient, to compare with, is computed up to this size


def plain_way(weights, exemplar, image):
    """The objective with the plain engine."""
    return engine_way("plain", weights, exemplar, image)


def winograd_way(weights, exemplar, image):
    """The objective with the Winograd engine."""
    return engine_way("winograd", weights, exemplar, image)


def rounding_way(weights, exemplar, image):
    """The objective with the Winograd engine and products of bfloat16."""
    return engine_way("winograd", weights, exemplar, image, "bf16")


def engine_way(name, weights, exemplar, image, precision="fp32"):
    """The objective with one of the engines."""
    from texsynth.compat import chainer
    from texsynth.losses import GramLoss
    from texsynth.network import device, engine
    from texsynth.objective.whole import Objective

    features = engine.make_features(name, weights, LAYERS, "average", device.select(-1), precision)
    objective = Objective(features, [GramLoss(dict.fromkeys(LAYERS, 1.0))], exemplar)
    candidate = chainer.Parameter(image)

    def evaluate():
        with engine.threads(name):
            objective(candidate)
        return candidate.grad

    return evaluate


def chainer_way(weights, exemplar, image):
    """Chainer's own functions with the weights as raw arrays, so that no gradient is theirs."""
    from texsynth.compat import chainer

    F = chainer.functions

    def grams(x):
        h, found = x[:, ::-1] - weights.mean.astype(x.dtype).reshape(1, 3, 1, 1), []
        for name, (W, b) in path(weights):
            if W is None:
                h = F.average_pooling_2d(h, 2)
            else:
                h = F.relu(F.convolution_2d(h, W.astype(x.dtype), b.astype(x.dtype), pad=1))
            if name in LAYERS:
                flat = F.reshape(h, (h.shape[1], -1))
                found.append(F.matmul(flat, flat, transb=True) / flat.shape[1])
        return found

    targets = [gram.array for gram in grams(chainer.Variable(exemplar))]
    candidate = chainer.Parameter(image)

    def evaluate():
        candidate.cleargrad()
        pairs = zip(grams(candidate), targets, strict=True)
        sum(F.sum((g - t) ** 2) / (t**2).sum() for g, t in pairs).backward()
        return candidate.grad

    return evaluate


def double_way(weights, exemplar, image):
    """Chainer's own functions in float64, to compare gradients with."""
    return chainer_way(weights, exemplar.astype(np.float64), image.astype(np.float64))


def torch_last_way(weights, exemplar, image):
    """PyTorch with the channels last in memory, which is its fastest order for float32."""
    return torch_way(weights, exemplar, image, channels_last=True)


def torch_rounding_way(weights, exemplar, image):
    """PyTorch with the channels last, and products of bfloat16 by its automatic casts."""
    return torch_way(weights, exemplar, image, channels_last=True, rounds=True)


def torch_way(weights, exemplar, image, channels_last=False, rounds=False):
    """PyTorch in eager mode on the CPU, in its default order."""
    import torch

    order = torch.channels_last if channels_last else torch.contiguous_format

    tensors = {
        name: (torch.from_numpy(W).to(memory_format=order), torch.from_numpy(b))
        for name, (W, b) in path(weights)
        if W is not None
    }
    mean = torch.from_numpy(weights.mean).reshape(1, 3, 1, 1)

    def grams(x):
        h, found = (x.flip(1) - mean).to(memory_format=order), []
        for name, (W, _) in path(weights):
            if W is None:
                h = torch.nn.functional.avg_pool2d(h, 2)
            else:
                h = torch.relu(torch.nn.functional.conv2d(h, *tensors[name], padding=1))
            if name in LAYERS:
                flat = h.flatten(2)[0]
                found.append(flat @ flat.T / flat.shape[1])
        return found

    def cast():
        return torch.autocast("cpu", torch.bfloat16) if rounds else contextlib.nullcontext()

    with torch.no_grad(), cast():
        targets = [gram.float() for gram in grams(torch.from_numpy(exemplar))]
    candidate = torch.from_numpy(image).requires_grad_()

    def evaluate():
        candidate.grad = None
        with cast():
            pairs = zip(grams(candidate), targets, strict=True)
            loss = sum(((g.float() - t) ** 2).sum() / (t**2).sum() for g, t in pairs)
        loss.backward()
        return candidate.grad.numpy()

    return evaluate


WAYS = {
    "bf16": rounding_way,
    "winograd": winograd_way,
    "plain": plain_way,
    "chainer": chainer_way,
    "torch": torch_way,
    "torch-last": torch_last_way,
    "torch-bf16": torch_rounding_way,
}


def path(weights):
    """Yields ``(layer, (W, b))`` as far as the deepest layer; ``(None, None)`` for a pooling."""
    for name in weights.table:
        yield name, weights.tensors.get(name, (None, None))
        if name == LAYERS[-1]:
            return


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""The second is the processor's time, of all threads: other work on the machine matters less."""


class Worker:
    """A way in a process of its own, which evaluates when asked to."""

    def __init__(self, way, size, network="vgg16", clock="wall"):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        arguments = way, size, network, clock, other
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        other.close()
        # One after the other: none warms up while another is timed.
        self._pipe.recv()

    def evaluate(self):
        """Returns the seconds of one evaluation."""
        self._pipe.send("evaluate")
        return self._pipe.recv()

    def finish(self):
        """Returns the gradient and the peak memory of the process in MiB."""
        self._pipe.send("finish")
        answer = self._pipe.recv()
        self._process.join()
        return answer


def _work(way, size, network, clock, pipe):
    from texsynth import weights

    now = CLOCKS[clock]
    loaded = weights.load(weights.find_or_fetch(network), network)
    exemplar, image = (
        np.random.default_rng(seed).uniform(0, 255, (1, 3, size, size)).astype(np.float32)
        for seed in (0, 1)
    )
    evaluate = way(loaded, exemplar, image)
    gradient = evaluate()  # warms up: buffers, caches, compilers
    pipe.send("ready")
    while pipe.recv() == "evaluate":
        began = now()
        gradient = evaluate()
        pipe.send(now() - began)
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    pipe.send((np.array(gradient, dtype=np.float64), peak))


@contextlib.contextmanager
def busy(count):
    """So many other processes that compute all the time."""
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        time.sleep(0.5 if count else 0)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def compare(ways, size, runs, network="vgg16", clock="wall"):
    """Returns a row for each way at one size."""
    workers = {name: Worker(way, size, network, clock) for name, way in ways.items()}
    seconds = {name: [] for name in ways}
    for _ in range(runs):
        for name, worker in workers.items():
            seconds[name].append(worker.evaluate())
    ends = {name: worker.finish() for name, worker in workers.items()}
    exact = Worker(double_way, size, network).finish()[0] if size <= DOUBLE_LIMIT else None
    base = seconds["torch" if "torch" in ways else list(ways)[-1]]
    return [
        {
            "way": name,
            "size": size,
            "seconds": statistics.median(seconds[name]),
            "ratio": statistics.median(a / b for a, b in zip(seconds[name], base, strict=True)),
            "peak_mib": ends[name][1],
            "one_minus_cosine": None if exact is None else 1 - cosine(ends[name][0], exact),
        }
        for name in ways
    ]


def cosine(a, b):
    """Returns the cosine of the angle between two arrays."""
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


@click.command()
@click.option("--sizes", default="128,256,512,1024", show_default=True, help="Sides in pixels.")
@click.option("--ways", default=",".join(WAYS), show_default=True, help="What to compare.")
@click.option("--runs", default=7, show_default=True, help="Timed evaluations of each way.")
@click.option("--network", default="vgg16", show_default=True, help="Whose weights.")
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True)
@click.option("--beside", default=0, show_default=True, help="Other processes that compute.")
@click.option(
    "--job",
    "other",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Time the default job instead, here and in this other checkout, in turn.",
)
@click.option("--masks", "by_masks", is_flag=True, help="Time weighted Gram matrices instead.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write a file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it (needs matplotlib).")
def main(sizes, ways, runs, network, clock, beside, other, by_masks, json_path, plot):
    """Print seconds per evaluation, ratio to PyTorch, memory, and gradient error."""
    if other is not None:
        with busy(beside):
            job.compare(Path(__file__).parents[1], other, runs)
        return
    if by_masks:
        for size in map(int, sizes.split(",")):
            masks.compare(size, runs)
        return
    ways = {name: WAYS[name] for name in ways.split(",")}
    if "torch" in ways and importlib.util.find_spec("torch") is None:
        ways = {name: way for name, way in ways.items() if not name.startswith("torch")}
        click.echo("PyTorch is not installed: ratios are to the last way", err=True)
    click.echo(
        f"{'size':>5} {'way':10} {'seconds':>8} {'ratio':>6} {'peak MiB':>9} {'1-cosine':>9}"
    )
    rows = []
    for size in map(int, sizes.split(",")):
        with busy(beside):
            found = compare(ways, size, runs, network, clock)
        for row in found:
            error = "" if row["one_minus_cosine"] is None else f"{row['one_minus_cosine']:9.1e}"
            click.echo(
                f"{size:5} {row['way']:10} {row['seconds']:8.3f} {row['ratio']:6.2f} "
                f"{row['peak_mib']:9.0f} {error}"
            )
            rows.append(row)
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=1) + "\n")
    if plot is not None:
        draw(rows, plot)


def draw(rows, path):
    """Draws seconds an evaluation against the side of the image, both logarithmic."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name in dict.fromkeys(row["way"] for row in rows):
        points = [(row["size"], row["seconds"]) for row in rows if row["way"] == name]
        axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    sizes = sorted({row["size"] for row in rows})
    axes.set_xticks(sizes, map(str, sizes), minor=False)
    axes.minorticks_off()
    axes.set(xlabel="side of the image (pixels)", ylabel="seconds an evaluation")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
