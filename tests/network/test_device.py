import sys
import types
import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from texsynth import Config
from texsynth.errors import DeviceError
from texsynth.network import device


def test_minus_one_is_the_cpu():
    assert device.select(-1).xp is np


def test_without_cupy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match=r"GPU 0: CuPy cannot be .*cupy-cuda12x\[ctk\]"):
        device.select(0)


def fake_cupy(get_device_count):
    runtime = types.SimpleNamespace(getDeviceCount=get_device_count)
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime))


def test_without_a_driver_it_says_so(monkeypatch):
    def no_driver():
        raise RuntimeError("CUDA driver version is insufficient")

    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(no_driver))
    with pytest.raises(DeviceError, match=r"GPU 0: no usable GPU .*driver version"):
        device.select(0)


def test_a_number_too_high_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(lambda: 3))
    with pytest.raises(DeviceError, match=r"GPU 3: this machine has 3 GPU\(s\), numbered from 0"):
        device.select(3)


def test_a_cupy_that_does_not_fit_the_machine_says_why(tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text("raise RuntimeError('libcudart.so.12 is too old')")
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceError, match=r"CuPy cannot .* \(libcudart.so.12 is too old\)"):
        device.select(0)


@pytest.fixture
def one_gpu(monkeypatch):
    """``one_gpu(get_device)``: the machine has a GPU, and this is how Chainer makes its device."""

    def make(get_device):
        chainer = types.SimpleNamespace(
            get_device=get_device, using_device=lambda device: nullcontext()
        )
        monkeypatch.setattr(device, "chainer", chainer)
        monkeypatch.setitem(sys.modules, "cupy", fake_cupy(lambda: 1))

    return make


def test_a_gpu_that_cannot_compute_is_told_before_the_work(one_gpu):
    def ones(*arguments, **options):
        raise OSError("libcublas.so.12: cannot open shared object file")

    one_gpu(lambda name: types.SimpleNamespace(xp=types.SimpleNamespace(ones=ones)))
    with pytest.raises(DeviceError, match=r"GPU 0: no usable GPU \(libcublas.so.12: cannot open"):
        device.select(0)


def test_chainers_advice_to_install_cudnn_is_not_shown(one_gpu):
    def get_device(name):
        warnings.warn("cuDNN is not enabled.\nPlease reinstall CuPy", stacklevel=1)
        return types.SimpleNamespace(name=name, xp=np)

    one_gpu(get_device)
    assert device.select(0).name == "@cupy:0"


@pytest.mark.gpu
def test_gpu_and_cpu_agree(gpu, random_weights_file):
    """Few steps: rounding grows from step to step."""
    images, losses = [], []
    for number in (-1, 0):
        config = Config(
            size=64,
            iterations=5,
            levels=1,
            precision="fp32",
            weights=str(random_weights_file),
            gpu=number,
        )
        result = texsynth.synthesize(make_texture(64, 64), config)
        images.append(result.image.astype(int))
        losses.append(result.history[0])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert np.abs(images[0] - images[1]).mean() < 1


@pytest.mark.gpu
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_gradient_on_gpu_and_cpu_agree(gpu, random_weights, pooling):
    from texsynth.compat import chainer
    from texsynth.losses import GramLoss, RangePenalty
    from texsynth.network.vgg import VGGFeatures
    from texsynth.objective.whole import Objective

    layers = Config().layers
    exemplar = np.random.default_rng(0).uniform(0, 255, (1, 3, 70, 65)).astype(np.float32)
    start = np.random.default_rng(1).uniform(-9, 260, (1, 3, 50, 81)).astype(np.float32)
    gradients = []
    for target in (device.select(-1), gpu):
        target.use()
        features = VGGFeatures(random_weights, layers, pooling)
        features.to_device(target)
        losses = [GramLoss(layers), RangePenalty(1e-4)]
        image = chainer.Parameter(target.send(start))
        Objective(features, losses, target.send(exemplar))(image)
        gradients.append(chainer.get_device("@numpy").send(image.grad).ravel().astype(float))
    cpu, other = gradients
    cosine = cpu @ other / np.linalg.norm(cpu) / np.linalg.norm(other)
    assert cosine >= 0.9999


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_gpu_same_seed_same_loss(gpu, random_weights_file, optimizer):
    config = Config(
        size=64, iterations=3, optimizer=optimizer, weights=str(random_weights_file), gpu=0
    )
    first, again = (texsynth.synthesize(make_texture(64, 64), config) for _ in range(2))
    np.testing.assert_allclose(first.history[-1], again.history[-1], rtol=1e-4)
