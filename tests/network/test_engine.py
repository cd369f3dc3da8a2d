"""The Winograd engine against the plain path, and the choice among the engines."""

import re
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from threadpoolctl import threadpool_info, threadpool_limits

import texsynth
from tests.conftest import make_texture
from texsynth import Config, images
from texsynth.compat import chainer
from texsynth.errors import EngineChoiceError, EngineError
from texsynth.losses import GramLoss, RangePenalty
from texsynth.network import cuda, device, engine
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.whole import Objective

SAMPLES = Path(__file__).parents[2] / "samples"
CPU = device.select(-1)
DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")


def evaluate(name, weights, layers, pooling, exemplar, start):
    """Returns loss and gradient of an engine."""
    features = engine.make_features(name, weights, layers, pooling, CPU)
    losses = [GramLoss(dict.fromkeys(layers, 1.0)), RangePenalty(1e-4)]
    objective = Objective(features, losses, exemplar)
    candidate = chainer.Parameter(start.copy())
    loss = objective(candidate)
    return loss, candidate.grad.astype(float)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    ("layers", "exemplar_size", "size"),
    [
        (DEFAULT, (64, 64), (64, 64)),
        (DEFAULT, (50, 33), (47, 65)),
        (DEFAULT, (16, 17), (19, 16)),
        (("conv1_1",), (7, 5), (3, 4)),
        (("conv1_2", "conv2_2", "pool2"), (21, 30), (30, 21)),
        (("conv3_3", "pool5", "conv5_1"), (40, 33), (32, 47)),
    ],
)
def test_loss_and_gradient_agree(random_weights, layers, pooling, exemplar_size, size):
    exemplar = images.to_batch(make_texture(*exemplar_size))
    start = images.to_batch(make_texture(*size, seed=1)) * 1.2 - 20
    plain, winograd = (
        evaluate(name, random_weights, layers, pooling, exemplar, start)
        for name in ("plain", "winograd")
    )
    assert winograd[0] == pytest.approx(plain[0], rel=1e-5)
    norms = np.linalg.norm(plain[1]) * np.linalg.norm(winograd[1])
    assert (plain[1] * winograd[1]).sum() / norms >= 0.99999
    assert np.linalg.norm(winograd[1]) == pytest.approx(np.linalg.norm(plain[1]), rel=1e-3)


def test_activations_agree_for_a_batch(random_weights):
    batch = np.concatenate([images.to_batch(make_texture(35, 26, seed)) for seed in (1, 2)])
    layers = ("conv1_1", "pool1", "conv2_1", "conv3_2", "pool3")
    plain, winograd = (
        engine.make_features(name, random_weights, layers, "average", CPU)(chainer.Variable(batch))
        for name in ("plain", "winograd")
    )
    assert set(plain) == set(winograd)
    for name in layers:
        expected = plain[name].array
        np.testing.assert_allclose(
            winograd[name].array, expected, atol=2e-5 * np.abs(expected).max(), err_msg=name
        )


def test_auto_takes_winograd_on_the_cpu():
    assert engine.choose("auto", CPU) == "winograd"
    assert engine.choose("plain", CPU) == "plain"


def test_without_numba_auto_is_plain_and_says_why(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "numba", None)
    with caplog.at_level("WARNING", "texsynth"):
        assert engine.choose("auto", CPU) == "plain"
    assert (
        "engine winograd is passed over for the slower plain: Numba cannot be used" in caplog.text
    )
    with pytest.raises(EngineError, match="engine winograd cannot be used: Numba cannot be used"):
        engine.choose("winograd", CPU)


def test_without_its_threads_auto_is_plain(monkeypatch):
    def no_layer(*arguments):
        raise ValueError("No threading layer could be loaded")

    monkeypatch.setattr("texsynth.network.winograd.features.gram_sum", no_layer)
    assert engine.choose("auto", CPU) == "plain"
    with pytest.raises(EngineError, match="No threading layer could be loaded"):
        engine.choose("winograd", CPU)


def test_blas_has_one_thread_beside_the_engine_and_its_own_again_afterwards():
    def blas():
        return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

    before = blas()
    with engine.threads("winograd"):
        assert set(blas()) == {1}
    assert blas() == before


def test_without_its_compiler_auto_is_plain(monkeypatch):
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    assert engine.choose("auto", CPU) == "plain"
    with pytest.raises(EngineError, match="NUMBA_DISABLE_JIT is set"):
        engine.choose("winograd", CPU)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 0.01)])
def test_quality_does_not_depend_on_the_engine(real_weights, precision, within):
    """Rounding sends the two to different textures; both must be equally good ones.

    On the average of three: one texture's smallest error, at conv1_1, differs by up to 18 % between
    the engines, either way, and by as much between seeds; that of three by 3 % in float32.
    """
    if engine.precision_of("winograd", "auto") != "bf16" and precision == "bf16":
        pytest.skip("this processor has no products of bfloat16")
    exemplar = images.read(SAMPLES / "gravel.png")

    def synthesized(name, rounding, seed):
        settings = {"size": 96, "iterations": 50, "levels": 1, "weights": str(real_weights)}
        return texsynth.synthesize(
            exemplar, Config(engine=name, precision=rounding, seed=seed, **settings)
        )

    plain, winograd = (
        [synthesized(name, rounding, seed) for seed in range(3)]
        for name, rounding in (("plain", "fp32"), ("winograd", precision))
    )
    assert [plain[0].engine, winograd[0].engine] == ["plain", "winograd"]
    for one, other in zip(plain, winograd, strict=True):
        assert other.history[0][0] == pytest.approx(one.history[0][0], rel=within)
    for layer in DEFAULT:
        expected, found = (np.mean([x.errors[layer] for x in each]) for each in (plain, winograd))
        assert found == pytest.approx(expected, rel=0.1)


def test_blas_gets_its_threads_back_when_the_last_run_ends():
    def blas_threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        first, second = engine.threads("winograd"), engine.threads("winograd")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_beside_the_plain_engine_blas_keeps_its_threads():
    def blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert before and set(before) != {1}
        with engine.threads("plain"):
            assert blas_threads() == before


@pytest.fixture
def gpu_with(monkeypatch):
    """``gpu_with(trial)``: a GPU on which that is what the trial of the fast engine does."""

    def make(trial, name="@cupy:0"):
        monkeypatch.setattr(cuda, "trial", types.SimpleNamespace(run=trial), raising=False)
        return types.SimpleNamespace(name=name, xp=types.ModuleType("cupy"))

    monkeypatch.setattr(engine, "_tried", {})
    return make


def test_on_a_gpu_auto_takes_the_fast_engine_after_a_trial(gpu_with):
    tried = []
    gpu = gpu_with(lambda *arguments: tried.append(arguments))
    assert engine.choose("auto", gpu) == engine.choose("cuda", gpu) == "cuda"
    assert engine.choose("plain", gpu) == "plain"
    assert tried == [(gpu, "fp32")]  # once
    with pytest.raises(EngineChoiceError, match="winograd cannot be used: it runs only on the CPU"):
        engine.choose("winograd", gpu)


def test_each_device_and_precision_has_its_own_trial(gpu_with):
    tried = []
    gpus = [gpu_with(lambda *arguments: tried.append(arguments), f"@cupy:{n}") for n in (0, 1)]
    for _ in range(2):
        for gpu in gpus:
            for precision in ("fp32", "tf32"):
                assert engine.choose("auto", gpu, precision) == "cuda"
    assert tried == [(gpu, precision) for gpu in gpus for precision in ("fp32", "tf32")]


def test_where_the_trial_fails_auto_is_plain_and_says_why(gpu_with, caplog):
    tried = []

    def fail(*arguments):
        tried.append(arguments)
        raise OSError("libcublas.so.13: cannot open")

    gpu = gpu_with(fail)
    with caplog.at_level("WARNING", "texsynth"):
        assert engine.choose("auto", gpu) == "plain"
    why = r"its trial failed \(libcublas.so.13: cannot open\)"
    assert re.search(f"engine cuda is passed over for the slower plain: {why}", caplog.text)
    with pytest.raises(EngineError, match=f"engine cuda cannot be used: {why}"):
        engine.choose("cuda", gpu)
    assert len(tried) == 1


def test_on_the_cpu_the_engine_of_a_gpu_is_refused():
    with pytest.raises(EngineChoiceError, match=r"engine cuda cannot be .* a GPU \(--gpu 0\)"):
        engine.choose("cuda", CPU)


@pytest.mark.parametrize(
    ("name", "chosen"), [("auto", "winograd"), ("winograd", "winograd"), ("plain", "plain")]
)
def test_the_cpu_has_one_precision(name, chosen):
    with pytest.raises(
        EngineChoiceError, match=f"precision tf32 needs engine cuda on a GPU, not engine {chosen}"
    ):
        engine.choose(name, CPU, "tf32")


def test_plain_code_has_one_precision_on_a_gpu_too(gpu_with):
    with pytest.raises(
        EngineChoiceError, match="precision tf32 needs engine cuda on a GPU, not engine plain"
    ):
        engine.choose("plain", gpu_with(lambda *arguments: None), "tf32")

    def fail(*arguments):
        raise RuntimeError("too old")

    with pytest.raises(
        EngineError, match="precision tf32 needs engine cuda on a GPU, not engine plain"
    ) as raised:
        engine.choose("auto", gpu_with(fail), "tf32")
    assert type(raised.value) is EngineError  # another machine could


def test_the_fast_network_is_made_on_its_device(monkeypatch):
    used = []
    module = types.SimpleNamespace(CudaFeatures=lambda *arguments: (*used, *arguments))
    monkeypatch.setitem(sys.modules, "texsynth.network.cuda.features", module)
    monkeypatch.setattr(chainer, "using_device", lambda to: used.append(to) or nullcontext())
    made = engine.make_features("cuda", "weights", ["pool1"], "max", "a GPU", "tf32")
    assert made == ("a GPU", "weights", ["pool1"], "max", "tf32")


def test_the_plain_network_goes_to_the_device(random_weights, monkeypatch):
    devices = []
    monkeypatch.setattr(VGGFeatures, "to_device", lambda features, to: devices.append(to))
    engine.make_features("plain", random_weights, ["conv1_1"], "average", "a GPU")
    assert devices == ["a GPU"]


@pytest.mark.parametrize("name", ["plain", "winograd"])
def test_pixels_alone_need_no_weights(name):
    features = engine.make_features(name, None, (), "average", CPU)
    assert features(chainer.Variable(np.zeros((1, 3, 4, 4))), wrap=(False, False)) == {}


def test_processes_share_the_threads_of_the_machine(monkeypatch):
    asked = []
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr("numba.set_num_threads", asked.append)
    monkeypatch.setattr("texsynth.machine.processors", lambda: 16)
    for processes in (1, 3, 9):  # alone, it has them all already
        engine.share_processor("winograd", processes)
    engine.share_processor("plain", 3)
    assert asked == [2, 1]
    monkeypatch.setattr("texsynth.machine.processors", lambda: 4)  # by a control group's limit
    engine.share_processor("winograd", 2)
    assert asked[2:] == [2]


@pytest.mark.parametrize(("allowed", "threads"), [(1, 1), (2, 2), (64, 2)])
def test_blas_has_the_threads_that_a_control_group_allows(monkeypatch, allowed, threads):
    def blas():
        pools = threadpoolctl.ThreadpoolController().select(user_api="blas").info()
        return {pool["num_threads"] for pool in pools}

    monkeypatch.setattr("texsynth.machine.processors", lambda: allowed)
    limited = engine._BlasThreads(lambda: engine.machine.processors())
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = blas()
        with limited:
            assert blas() == {threads}
        assert blas() == before


@pytest.mark.parametrize("between", ["the same size", "another size", "wrapping", "rest"])
@pytest.mark.parametrize("name", ["plain", "winograd"])
def test_a_gradient_is_that_of_its_own_forward_or_an_error(random_weights, name, between):
    """Whatever was evaluated in between, by the same network."""
    layers = ("conv1_1", "pool1", "conv2_1")
    features = engine.make_features(name, random_weights, layers, "average", CPU)

    def evaluated(seed, size=(24, 32), wrap=(False, False)):
        image = chainer.Variable(images.to_batch(make_texture(*size, seed)))
        activations = features(image, wrap)
        return image, sum(chainer.functions.sum(x * x) for x in activations.values())

    image, loss = evaluated(1)
    loss.backward()
    wanted = image.grad
    image, loss = evaluated(1)
    other = None
    if between == "rest":
        features.rest()
    else:
        other = evaluated(
            2,
            (16, 24) if between == "another size" else (24, 32),
            (between == "wrapping",) * 2,
        )[1]
    if name == "plain":
        loss.backward()
        np.testing.assert_array_equal(image.grad, wanted)
    else:
        with pytest.raises(RuntimeError, match=r"backward (must follow its own|needs a) forward"):
            loss.backward()
    if other is not None:
        other.backward()  # that of the last is there
