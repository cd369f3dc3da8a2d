"""What is tried on a GPU: each stage yields names, and what is told of them."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gpu.beside import pytorch
from gpu.network import network_options, read_weights
from gpu.scale import LAYERS, PRECISIONS

ROOT = Path(__file__).resolve().parents[2]


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
    # Of their files alone: others import libraries that a machine with a GPU may be without.
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in path.read_text()]
    chosen = ["-m", "gpu", "-o", "addopts=", *_PYTEST, *map(str, sorted(files))]
    command = [sys.executable, "-m", "pytest", "-q", *chosen]
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
        command += ["--gpu", "0", *network_options(options)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if "evaluations" in line or "rror" in line]
    told += [line for line in done.stderr.splitlines() if "same" in line]
    seconds = time.perf_counter() - began
    return done.returncode, seconds, "; ".join(told) or f"exit code {done.returncode}"


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
    from texsynth import optimizers
    from texsynth.losses import GramLoss, RangePenalty
    from texsynth.network import device
    from texsynth.network import engine as engines
    from texsynth.objective.captured import CapturedObjective
    from texsynth.objective.whole import Objective

    gpu = device.select(0)
    gpu.use()
    vgg = read_weights(options)
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
    from texsynth.network import architecture
    from texsynth.objective import memory as plan

    objective, image = _objective(options, "cuda", "fp32", size, margin)
    optimizer = optimizers.make("lbfgs", 4.0, xp=cupy)
    optimizer.setup(image)
    for _ in range(2):
        optimizer.update(objective, image.pixels)
    taken = cupy.get_default_memory_pool().total_bytes()
    table = architecture.NETWORKS[options["network"]]
    edges = margin, margin
    planned = plan.whole_bytes("cuda", LAYERS, image.pixels.shape[2:], edges, table=table)
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
    from texsynth.compat import chainer
    from texsynth.losses import IMAGE, LOSSES
    from texsynth.network import device
    from texsynth.network import engine as engines
    from texsynth.objective.whole import Objective

    gpu = device.select(0)
    gpu.use()
    vgg = read_weights(options)
    tensors = {key: tuple(x.astype(dtype) for x in pair) for key, pair in vgg.tensors.items()}
    vgg = type(vgg)(tensors, vgg.mean.astype(dtype), vgg.network)
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
