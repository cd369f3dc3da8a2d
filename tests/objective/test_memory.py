"""What memory a synthesis takes: sums by hand, and estimates against real processes."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from texsynth.losses import IMAGE, LOSSES, GramLoss, RangePenalty
from texsynth.losses.gram import ShiftedGramLoss
from texsynth.network import architecture, device
from texsynth.network.winograd.kernels import backward_kernels, forward_kernels
from texsynth.objective import block_choice, memory
from texsynth.objective.held_memory import Held, held_bytes
from texsynth.objective.loss_memory import losses_bytes

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")


def test_history_by_hand():
    """A pair is two images; an image, three channels of four bytes."""
    assert memory.history_bytes((100, 200), 5) - memory.history_bytes((100, 200), 4) == 480000


def test_kernels_in_bfloat16_take_half():
    """Of what the engine keeps of them, 6x6 points twice; all else is the same."""
    kernels = 9 * 4 * (3 * 64 + 64 * 64)
    whole, half = (memory.process_bytes(f"winograd{p}", ("conv1_2",)) for p in ("", "-bf16"))
    assert whole - half == 4 * kernels
    assert memory.block_bytes("winograd", DEFAULT, (64, 64)) == memory.block_bytes(
        "winograd-bf16", DEFAULT, (64, 64)
    )
    assert block_choice.choose(1e9, (1024, 1024), DEFAULT, "winograd-bf16").keep is not None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kernels_are_as_large_as_they_are_counted(precision):
    """Those that the engine makes of one layer, for both ways."""
    kernels = np.zeros((64, 32, 3, 3), np.float32)
    made = [each(kernels, precision) for each in (forward_kernels, backward_kernels)]
    model = memory.model("winograd", device.select(-1), precision)
    assert sum(each.nbytes for each in made) == memory._KERNELS[model] * kernels.nbytes


def test_what_is_held_by_hand():
    """A plane is a value a pixel; a mask, at conv1_1 and pool1, one and a quarter beside."""
    layers, canvas, exemplar = ("conv1_1", "pool1"), (100, 200), (50, 40)
    held = held_bytes(Held(planes=3), layers, canvas, exemplar)
    assert held == 3 * 4 * 100 * 200
    assert held_bytes(Held(masks=2), layers, canvas, exemplar) == 2 * 2.25 * 4 * 100 * 200
    assert held_bytes(Held(exemplar_masks=1), layers, canvas, exemplar) == 2.25 * 4 * 50 * 40
    assert held_bytes(Held(targets=3), layers, canvas, exemplar) == 3 * 2 * 2 * 64**2 * 4
    assert held_bytes(Held(parts=5), layers, canvas, exemplar) == 64 * 4 * 100 * 200
    assert held_bytes(Held(), layers, canvas, exemplar) == 0
    assert held_bytes(Held(planes=1, parts=2), (), canvas, exemplar) == 4 * 100 * 200


def test_engine_bytes_by_hand():
    """conv1_1 and its gradient, conv1_2 as a bit each, pool1 and its gradient, seven windows."""
    one = memory.block_bytes("winograd", ("conv1_1", "pool1"), (100, 101))
    two = memory.block_bytes("winograd", ("conv1_1", "pool1"), (100, 100))
    per_pixel = 2 * 256 + 256 / 32 + 2 * 64 + 7 * 12
    assert one - two == pytest.approx(100 * per_pixel, abs=1)


def test_kept_bytes_by_hand():
    """pool3 and pool4, four bytes a value, and a bit for each value of the convolutions."""
    assert memory.kept_bytes(DEFAULT, None, (64, 64)) == 0
    per_pixel = 4 * 512 / 256 + 3 * 512 / 8 / 64
    assert memory.kept_bytes(DEFAULT, "conv4_1", (64, 80)) == 64 * 80 * per_pixel
    per_pixel += 4 * 256 / 64 + 3 * 256 / 8 / 16
    assert memory.kept_bytes(DEFAULT, "conv3_1", (64, 80)) == 64 * 80 * per_pixel
    assert memory.kept_bytes(("pool4",), "conv3_1", (64, 80)) == 64 * 80 * (per_pixel - 16)


@pytest.mark.parametrize(
    ("engine", "xp", "model"),
    [
        ("plain", np, "plain"),
        ("winograd", np, "winograd"),
        ("winograd", np, "winograd-bf16"),
        ("plain", "cupy", "plain-gpu"),
        ("cuda", "cupy", "cuda"),
    ],
)
def test_an_engine_is_counted_by_where_it_computes(engine, xp, model):
    precision = "bf16" if model.endswith("bf16") else "fp32"
    assert memory.model(engine, SimpleNamespace(xp=xp), precision) == model


def test_a_gpu_has_no_room_for_the_interpreter():
    """It lies in another memory: there are kernels, once or transformed for both ways."""
    kernels = 9 * 4 * (3 * 64 + 64 * 64)
    assert memory.process_bytes("plain-gpu", ("conv1_2",)) == kernels
    twice_transformed = 2 * 36 * 4 * 64 * 64
    assert memory.process_bytes("cuda", ("conv1_2",)) == 2 * (32 << 20) + twice_transformed


@pytest.mark.parametrize("engine", ["cuda", "plain-gpu"])
def test_on_a_gpu_pixels_alone_need_no_network(engine):
    assert memory.process_bytes(engine, ()) == 0
    assert memory.whole_bytes(engine, (), (64, 64)) < 60e6


def test_what_a_margin_leaves_is_counted():
    """What is read of a layer has a buffer and a gradient of its own; whole, the latter alone."""
    layers, size = ("conv1_1",), (100, 200)
    whole, inner = (memory.block_bytes("cuda", layers, size, (m, m)) for m in (0, 10))
    buffers, values = (64 + 64 + 28) * 4 * 100 * 200, 64 * 4
    assert whole == pytest.approx(buffers + values * 100 * 200, abs=5000)
    assert inner == pytest.approx(buffers + 2 * values * 80 * 180, abs=5000)


@pytest.mark.parametrize(
    ("layers", "margin", "waiting"), [({"pool1": 1}, 0, 64), ({"pool1": 1, "pool2": 1}, 0, 96)]
)
def test_gradients_that_wait_by_hand(layers, margin, waiting):
    """Four bytes a value of the layers read; a layer's second one is added to its first."""
    size, image = (100, 200), 3 * 4
    one = losses_bytes([GramLoss(layers), RangePenalty(1)], size)
    assert one == (image + waiting) * 100 * 200
    two = losses_bytes([GramLoss(layers), GramLoss(layers), RangePenalty(1)], size)
    assert two == (image + 2 * waiting + 64) * 100 * 200


def test_a_margin_makes_a_copy_of_each_gradient():
    """One after another, into what is as large as the layer."""
    size, losses = (100, 200), [GramLoss({"pool1": 1, "pool2": 1})]
    image = 3 * 4
    assert losses_bytes(losses, size, margin=(8, 20)) == (image + 96) * 100 * 200 + 64 * 84 * 160


def test_parts_of_a_shift_by_hand():
    """Two of each are kept where they are copies, and all have a gradient; three layers beside."""
    size = (64, 200)  # of pool5 2 by 6 positions: one shift fits down, two across
    down, across = [1 * 6], [2 * 5, 2 * 4]
    values = 2 * sum(across) + 2 * sum(down + across) + 3 * 2 * 6
    taken = losses_bytes([ShiftedGramLoss({"pool5": 1})], size)
    assert taken == 4 * 512 * values + 3 * 4 * 64 * 200


PEAK = """
    import pathlib, re, sys
    import numpy as np
    from texsynth import weights
    from texsynth.network import device, engine
    from texsynth.objective.block_objective import BlockObjective
    from texsynth.compat import chainer
    from texsynth.losses import GramLoss, RangePenalty

    def resident(field):
        text = pathlib.Path("/proc/self/status").read_text()
        return int(re.search(field + r":\\s+(\\d+)", text)[1]) * 1024

    name, path, side, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(",")
    cpu = device.select(-1)
    loaded = weights.load(path)
    features = engine.make_features(engine.choose(name, cpu), loaded, layers, "average", cpu)
    exemplar = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    losses = [GramLoss(dict.fromkeys(layers, 1.0)), RangePenalty(1e-4)]
    objective = BlockObjective(features, losses, exemplar)
    objective(chainer.Parameter(exemplar))  # the kernels of the way back are made by the first one
    before = resident("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    objective(chainer.Parameter(np.ones((1, 3, side, side), np.float32)))
    print(before, resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="Linux tells")
@pytest.mark.parametrize("layers", [("conv1_1", "pool2"), DEFAULT])
@pytest.mark.parametrize("name", ["winograd", "plain"])
def test_estimates_of_a_block_are_what_processes_take(name, layers, random_weights_file):
    """The peak of one evaluation, and what was there before, to an eighth or 40 MB."""
    arguments = [name, str(random_weights_file), "400", ",".join(layers)]
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PEAK), *arguments],
        env=os.environ | {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before, block = map(int, output.split())
    estimated = memory.block_bytes(name, layers, (400, 400))
    assert block == pytest.approx(estimated, rel=0.125, abs=40e6)
    assert before <= memory.process_bytes(name, layers) * 1.1


def test_vgg19_takes_more():
    """By the two convolutions that it has beyond VGG16 as far as pool4."""
    size, vgg19 = (256, 256), architecture.VGG19
    kernels = 9 * 4 * (256 * 256 + 512 * 512)  # conv3_4 and conv4_4
    for engine, copies in (("plain", 1), ("winograd", 8)):
        more = memory.process_bytes(engine, DEFAULT, vgg19) - memory.process_bytes(engine, DEFAULT)
        assert more == copies * kernels
    transformed = memory.process_bytes("cuda", DEFAULT, vgg19) - memory.process_bytes(
        "cuda", DEFAULT
    )
    assert transformed == 2 * 4 * kernels
    more = memory.block_bytes("plain", DEFAULT, size, table=vgg19)
    more -= memory.block_bytes("plain", DEFAULT, size)
    assert more == 4 * (256 / 4**2 + 512 / 8**2) * 256**2
    choices = [block_choice.choose(2e9, (2048, 2048), DEFAULT, "winograd", table=t) for t in TABLES]
    assert choices[0].work < choices[1].work


TABLES = (architecture.VGG16, architecture.VGG19)


PEAKS = """
    import gc, json, sys
    from tests import hostcuda

    hostcuda.install()
    import cupy
    import numpy as np
    from tests.conftest import make_random_weights
    from texsynth import optimizers
    from texsynth.losses import IMAGE, LOSSES, RangePenalty
    from texsynth.network import device, engine
    from texsynth.objective import captured, whole

    weights, gpu = make_random_weights(), device.select(0)
    gpu.use()

    pool = cupy.get_default_memory_pool()

    class InUse(cupy.cuda.MemoryHook):
        name, most = "in use", 0

        def malloc_postprocess(self, **sizes):
            self.most = max(self.most, pool.used_bytes())

    def peaks(name, terms, side, margin, exemplar):
        gc.collect()  # Chainer's links hold one another
        pool.free_all_blocks()
        hostcuda.reset()
        before = hostcuda.counters()["bytes"]
        kinds = [LOSSES[term] for term in terms]
        losses = [kind(dict.fromkeys(kind.default_layers, 1.0)) for kind in kinds]
        layers = sorted({layer for loss in losses for layer in loss.layers} - {IMAGE})
        losses.append(RangePenalty(1e-4))
        features = engine.make_features(name, weights, layers, "average", gpu)
        is_recorded = name == "cuda" and captured.can_capture(losses)
        kind = captured.CapturedObjective if is_recorded else whole.Objective
        exemplar = cupy.zeros((1, 3, exemplar, exemplar), np.float32)
        objective = kind(features, losses, exemplar, (0, 0), (margin, margin))
        image = optimizers.Image(np.zeros((1, 3, side, side), np.float32))
        image.to_device(gpu)
        optimizer = optimizers.make("lbfgs", 4.0, xp=cupy)
        optimizer.setup(image)
        with InUse() as in_use:
            for _ in range(2):
                optimizer.update(objective, image.pixels)
        return in_use.most, hostcuda.counters()["peak_bytes"] - before

    with hostcuda.nothing_computed():
        print(json.dumps([peaks(*case) for case in json.loads(sys.argv[1])]))
"""


def peaks(cases):
    """Returns what arrays took at most, and what CuPy had of the GPU: of evaluations and L-BFGS.

    Nothing of them is computed. A case is an engine, names of losses, the image's side and margin,
    and the exemplar's side.
    """
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PEAKS), json.dumps(cases)],
        env=os.environ | {"HOSTCUDA_POISON": "0"},  # no memory is touched
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(output)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "within", "in_reserve"), [("cuda", 0.03, 0), ("plain", 0.1, 0.25)]
)
def test_estimates_of_a_synthesis_are_what_a_gpu_gives(name, within, in_reserve, hostcuda):
    """CuPy keeps in reserve what fits nothing later, and hands it back when memory is short."""
    sizes = (332, 16), (1024, 0)
    model = {"cuda": "cuda", "plain": "plain-gpu"}[name]
    found = peaks([(name, ["gram"], *size, 300) for size in sizes])
    for (side, margin), (in_use, given) in zip(sizes, found, strict=True):
        estimated = memory.whole_bytes(model, DEFAULT, (side, side), (margin, margin))
        assert in_use == pytest.approx(estimated, rel=within), side
        assert given <= (1 + within + in_reserve) * estimated, side


@pytest.mark.gpu
def test_estimates_of_losses_are_what_a_gpu_gives(hostcuda):
    """Of all that go through Chainer's graph: alone, and some together."""
    sums = [[name] for name in LOSSES if name != "gram"]
    sums += [["gram", name] for name in ("shifted-gram", "autocorrelation", "wasserstein")]
    sizes = (332, 16, 300), (1024, 0, 512)
    cases = [("cuda", terms, *size) for terms in sums for size in sizes]
    for case, (in_use, given) in zip(cases, peaks(cases), strict=True):
        _, terms, side, margin, exemplar = case
        losses = [LOSSES[term](dict.fromkeys(LOSSES[term].default_layers, 1.0)) for term in terms]
        layers = sorted({layer for loss in losses for layer in loss.layers} - {IMAGE})
        losses.append(RangePenalty(1e-4))
        sizes = (side, side), (margin, margin), losses, (exemplar, exemplar)
        estimated = memory.whole_bytes("cuda", layers, *sizes)
        # Not in own colours and units, which take two images more each, and the units a plane.
        estimated -= (4 * 12 + 4) * side**2
        assert in_use == pytest.approx(estimated, rel=0.06), case
        assert given <= 1.3 * estimated, case


def test_own_colours_and_units_take_two_images_each_and_a_plane_as_long_as_they_are_used():
    small, large = (memory.history_bytes((side, side), 0) / side**2 for side in (2048, 2049))
    assert small - large == 4 * 12 + 4
