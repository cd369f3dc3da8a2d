"""Tries all that needs a GPU, in stages, the most telling first; docs/gpu.md says how to read it.

Each stage is a process of its own with a limit of time, so that one that fails or hangs takes
nothing from the others. After each, what is known so far is written: ``gpu_check.json``, and
``gpu_check.md`` for people.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
PRECISIONS = ("fp32", "tf32")


class Scale(NamedTuple):
    """How large all is that the stages try.

    Attributes:
        sizes (tuple): Sides of images whose evaluations are timed, in pixels.
        runs (int): How often each is timed.
        pebbles (tuple): Options of the command.
        adam (tuple): ``(side, steps)`` of the job for Adam.
        canvases (tuple): ``(side, margin)`` of images whose memory is measured, in pixels.
        side (int): Of images whose gradients are compared.
    """

    sizes: tuple
    runs: int
    pebbles: tuple
    adam: tuple
    canvases: tuple
    side: int


FULL = Scale(
    sizes=(64, 128, 256, 512, 1024, 2048),
    runs=15,
    pebbles=("--size", "300"),
    adam=(256, 3000),
    canvases=((300, 16), (992, 16), (2016, 16)),
    side=96,
)
SMALL = Scale(  # for a GPU that is made of the host's processor
    sizes=(16,),
    runs=1,
    pebbles=("--size", "32", "--levels", "1", "--iterations", "2"),
    adam=(16, 3),
    canvases=((48, 0), (64, 16)),
    side=16,
)


def self_test(options):
    """Imports, what the machine is, and the engine's trial."""
    import cupy

    from texsynth.compat import chainer
    from texsynth.network import device
    from texsynth.network.cuda import trial

    gpu = device.select(0)
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    yield "card", name
    yield "CuPy, Chainer, NumPy", f"{cupy.__version__}, {chainer.__version__}, {np.__version__}"
    yield "CUDA runtime, driver", f"{_version('runtime')}, {_version('driver')}"
    yield "memory", f"{cupy.cuda.runtime.memGetInfo()[1] / 1e9:.1f} GB"
    for precision in PRECISIONS:
        began = time.perf_counter()
        trial.run(gpu, precision)
        yield f"trial {precision}", f"passed in {time.perf_counter() - began:.2f} s"


def _version(kind):
    import cupy

    number = getattr(cupy.cuda.runtime, f"{kind}GetVersion")()
    return f"{number // 1000}.{number % 1000 // 10}"


def tests(options):
    """All tests that are marked gpu."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", *_PYTEST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            yield "failed", line
    yield "tests", lines[-1] if lines else done.stderr[-300:]
    if done.returncode:
        raise RuntimeError(f"pytest ended with {done.returncode}")


# Plugins that may be installed there, and warn: warnings are errors.
_PYTEST = ("-p", "no:cacheprovider", "-p", "no:benchmark")


def pebbles(options):
    """The command's own job at 300 px, cold and warm, and the same again from its record."""
    folder = Path(options["out"])
    jobs = {"cold": ["--record"], "warm": [], "tf32": ["--precision", "tf32"]}
    failed = []
    for name, more in jobs.items():
        output = ["-o", str(folder / f"{name}.png")]
        arguments = ["samples/pebbles.png", *options["scale"].pebbles, *output, *more]
        code, seconds, told = _command(options, *arguments)
        failed += [name] if code else []
        yield name, f"{seconds:.1f} s from start to end: {told}"
    arguments = "--replay", str(folder / "cold_record.json"), "-o", str(folder / "again.png")
    code, seconds, told = _command(options, *arguments, weights=False)
    failed += ["replayed"] if code else []
    yield "replayed", f"{seconds:.1f} s: {told}"
    if failed:
        raise RuntimeError(f"the command failed: {', '.join(failed)}")


def _command(options, *arguments, weights=True):
    """Runs the command; returns its exit code, the seconds that it took, and what it told."""
    command = [sys.executable, "-m", "texsynth", *arguments]
    if weights:
        command += ["--gpu", "0", *_weights(options)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if "evaluations" in line or "rror" in line]
    told += [line for line in done.stderr.splitlines() if "same" in line]
    seconds = time.perf_counter() - began
    return done.returncode, seconds, "; ".join(told) or f"exit code {done.returncode}"


def _weights(options):
    return ["--weights", options["weights"]] if options["weights"] else []


def timings(options):
    """Milliseconds of one evaluation and of one step of L-BFGS, by CUDA's clock."""
    yield "evaluation", "ms by size in pixels, loss and gradient; step of L-BFGS in brackets"
    for engine, precision in (("cuda", "fp32"), ("cuda", "tf32"), ("plain", "fp32")):
        found = []
        sizes = options["scale"].sizes
        for size in sizes if engine == "cuda" else sizes[:5]:
            found.append(_timed_job(options, engine, precision, size))
            _free()
            yield f"{engine} {precision}", ", ".join(found)


def _timed_job(options, engine, precision, size):
    import cupy

    from texsynth import optimizers

    objective, image = _objective(options, engine, precision, size)
    runs = options["scale"].runs
    evaluation = _milliseconds(lambda: objective(image.pixels), runs)
    optimizer = optimizers.make("lbfgs", 4.0, xp=cupy)
    optimizer.setup(image)
    for _ in range(22):  # until all curvature pairs are there
        optimizer.update(objective, image.pixels)
    step = _milliseconds(lambda: optimizer.update(objective, image.pixels), runs)
    return f"{size}: {evaluation:.3f} ({step:.3f})"


def _free():
    """Hands back what the last job took."""
    import gc

    import cupy

    gc.collect()
    cupy.get_default_memory_pool().free_all_blocks()


def _objective(options, engine, precision, size, margin=0):
    """An objective and an image of noise, as the default job at full size has them."""
    from texsynth import optimizers, weights
    from texsynth.losses import GramLoss, RangePenalty
    from texsynth.network import device
    from texsynth.network import engine as engines
    from texsynth.objective.captured import CapturedObjective
    from texsynth.objective.whole import Objective

    gpu = device.select(0)
    gpu.use()
    vgg = weights.load(options["weights"] or weights.find_or_fetch())
    features = engines.make_features(engine, vgg, LAYERS, "average", gpu, precision)
    kind = CapturedObjective if engine == "cuda" else Objective
    random = np.random.default_rng(0)
    side = min(size, 512)
    exemplar = random.uniform(0, 255, (1, 3, side, side)).astype(np.float32)
    losses = [GramLoss(dict.fromkeys(LAYERS, 1.0)), RangePenalty(1e-4)]
    objective = kind(features, losses, gpu.send(exemplar), margin=(margin, margin))
    canvas = size + 2 * margin
    start = random.uniform(0, 255, (1, 3, canvas, canvas)).astype(np.float32)
    return objective, optimizers.Image(gpu.send(start))


def _milliseconds(work, runs):
    """The median of several runs, by CUDA's events."""
    import cupy

    first, last, found = cupy.cuda.Event(), cupy.cuda.Event(), []
    for _ in range(3 + runs):
        first.record()
        work()
        last.record()
        last.synchronize()
        found.append(cupy.cuda.get_elapsed_time(first, last))
    return float(np.median(found[3:]))


def adam(options):
    """The article's job: 3000 steps of Adam at 256 px, in seconds."""
    import cupy

    from texsynth import optimizers

    side, steps = options["scale"].adam
    for precision in PRECISIONS:
        objective, image = _objective(options, "cuda", precision, side)
        optimizer = optimizers.make("adam", 4.0, xp=cupy)
        optimizer.setup(image)
        began = time.perf_counter()
        for _ in range(steps):
            loss = optimizer.update(objective, image.pixels)
        yield precision, f"{time.perf_counter() - began:.2f} s, loss {loss:.2e}"


def memory(options):
    """Memory that an evaluation with 20 curvature pairs takes, beside what was planned."""
    # A frame that imports these for the first time is kept by one of them, with all that it has.
    from texsynth import optimizers  # noqa: F401
    from texsynth.objective import captured, memory  # noqa: F401

    for size, margin in options["scale"].canvases:
        yield f"{size + 2 * margin} px", _taken(options, size, margin)
        _free()


def _taken(options, size, margin):
    import cupy

    from texsynth import optimizers
    from texsynth.objective import memory as plan

    objective, image = _objective(options, "cuda", "fp32", size, margin)
    optimizer = optimizers.make("lbfgs", 4.0, xp=cupy)
    optimizer.setup(image)
    for _ in range(2):
        optimizer.update(objective, image.pixels)
    taken = cupy.get_default_memory_pool().total_bytes()
    planned = plan.whole_bytes("cuda", LAYERS, image.pixels.shape[2:], (margin, margin))
    return f"{taken / 1e6:.0f} MB taken, {planned / 1e6:.0f} planned ({taken / planned:.2f})"


def accuracy(options):
    """Cosine of each loss's gradient to that in float64, and the relative error of its length."""
    from texsynth.losses import LOSSES

    for name in LOSSES:
        exact = _gradient(options, name, "plain", np.float64)
        for precision in PRECISIONS:
            found = _gradient(options, name, "cuda", np.float32, precision)
            cosine = exact @ found / np.linalg.norm(exact) / np.linalg.norm(found)
            error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
            yield f"{name} {precision}", f"1 - cosine {1 - cosine:.1e}, relative error {error:.1e}"


def _gradient(options, name, engine, dtype, precision="fp32"):
    from texsynth import weights
    from texsynth.compat import chainer
    from texsynth.losses import IMAGE, LOSSES
    from texsynth.network import device
    from texsynth.network import engine as engines
    from texsynth.objective.whole import Objective

    gpu = device.select(0)
    gpu.use()
    vgg = weights.load(options["weights"] or weights.find_or_fetch())
    tensors = {key: tuple(x.astype(dtype) for x in pair) for key, pair in vgg.tensors.items()}
    vgg = type(vgg)(tensors, vgg.mean.astype(dtype))
    loss = LOSSES[name](dict.fromkeys(LOSSES[name].default_layers, 1.0))
    layers = tuple(layer for layer in loss.layers if layer != IMAGE)
    features = engines.make_features(engine, vgg, layers, "average", gpu, precision)
    random = np.random.default_rng(0)
    side = options["scale"].side
    images = random.uniform(0, 255, (2, 1, 3, side, side)).astype(dtype)
    objective = Objective(features, [loss], gpu.send(images[0]))
    candidate = chainer.Parameter(gpu.send(images[1]))
    objective(candidate)
    return candidate.grad.get().ravel().astype(np.float64)


def pytorch(options):
    """The same evaluation by PyTorch, as it comes and compiled, in milliseconds."""
    try:
        import torch
    except ImportError:
        yield "left out", "PyTorch is not installed"
        return
    from texsynth import weights

    vgg = weights.load(options["weights"] or weights.find_or_fetch())
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
    from texsynth.network import architecture

    device = torch.device("cuda")
    mean = torch.from_numpy(vgg.mean).reshape(1, 3, 1, 1).to(device)
    tensors = {
        name: tuple(torch.from_numpy(x).to(device) for x in pair)
        for name, pair in vgg.tensors.items()
    }
    path = list(architecture.VGG16)[: list(architecture.VGG16).index(LAYERS[-1]) + 1]

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


STAGES = {  # name: (work, limit in seconds, whether it measures time)
    "self-test": (self_test, 60, False),
    "pebbles": (pebbles, 60, False),
    "timings": (timings, 45, True),
    "tests": (tests, 120, False),
    "adam": (adam, 20, True),
    "memory": (memory, 25, False),
    "accuracy": (accuracy, 40, False),
    "pytorch": (pytorch, 75, True),
}


@click.command()
@click.option("--out", default="gpu_check", help="Folder for results.", show_default=True)
@click.option("--weights", type=click.Path(exists=True), help="File of VGG16 weights.")
@click.option("--without-timings", is_flag=True, help="Leave out what measures time.")
@click.option("--only", multiple=True, type=click.Choice(list(STAGES)), help="Only these stages.")
@click.option("--without", multiple=True, type=click.Choice(list(STAGES)), help="Not these stages.")
@click.option("--small", is_flag=True, help="Tiny images and few steps: whether all runs at all.")
@click.option("--stage", hidden=True, type=click.Choice(list(STAGES)))
def main(out, weights, without_timings, only, without, small, stage):
    """Try all that needs a GPU; writes gpu_check.json and gpu_check.md into a folder."""
    out = Path(out).resolve()
    options = {
        "out": str(out),
        "weights": weights and str(Path(weights).resolve()),
        "scale": SMALL if small else FULL,
    }
    if stage:
        for name, told in STAGES[stage][0](options):
            print(json.dumps([name, told]), flush=True)
        return
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, (work, limit, is_timing) in STAGES.items():
        is_left_out = name in without or (without_timings and is_timing)
        if is_left_out or (only and name not in only):
            continue
        results[name] = {"what": work.__doc__.splitlines()[0], **_run(name, limit, options)}
        _write(out, results)
    failed = [name for name, result in results.items() if result["error"]]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _run(name, limit, options):
    """Runs a stage; returns what it told, however it ended."""
    is_small = options["scale"] is SMALL
    limit *= 5 if is_small else 1  # what is small is for what is slow
    more = [*_weights(options), *(["--small"] if is_small else [])]
    command = [sys.executable, __file__, "--stage", name, "--out", options["out"], *more]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    began, error = time.perf_counter(), ""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            env={**os.environ, "PYTHONPATH": path},
        )
        lines, told = done.stdout, done.stderr.strip().splitlines()
        if done.returncode:
            error = told[-1] if told else f"exit code {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        lines = (expired.stdout or b"").decode()
        error = f"stopped after {limit} s"
    # The last word on a thing counts: tables grow.
    told = dict(json.loads(line) for line in lines.splitlines() if line.startswith("["))
    seconds = round(time.perf_counter() - began, 1)
    print(f"{name}: {error or 'done'} in {seconds} s", *told.items(), sep="\n  ", flush=True)
    return {"told": told, "error": error, "seconds": seconds}


def _write(out, results):
    (out / "gpu_check.json").write_text(json.dumps(results, indent=1) + "\n")
    lines = ["# gpu_check", ""]
    for name, result in results.items():
        lines += [f"## {name}: {result['error'] or 'done'} ({result['seconds']} s)", ""]
        lines += [result["what"], "", "| | |", "|---|---|"]
        lines += [f"| {key} | {value} |" for key, value in result["told"].items()]
        lines.append("")
    (out / "gpu_check.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
