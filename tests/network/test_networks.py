"""Each network by every engine, against loops in NumPy that know nothing of the tables."""

import numpy as np
import pytest

from tests.conftest import in_double, make_texture
from texsynth import weights
from texsynth.compat import chainer
from texsynth.losses import GramLoss
from texsynth.network.architecture import NETWORKS
from texsynth.network.vgg import VGGFeatures
from texsynth.network.winograd.features import WinogradFeatures
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.whole import Objective

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def naive(tensors, mean, image, blocks, pooling):
    """All activations of an ``(H, W, 3)`` image, RGB, in float64: nine products a convolution."""
    found = {}
    h = image[:, :, ::-1].transpose(2, 0, 1).astype(float) - mean.reshape(3, 1, 1)
    for block, count in enumerate(blocks, 1):
        for index in range(1, count + 1):
            W, b = (each.astype(float) for each in tensors[f"conv{block}_{index}"])
            rows, columns = h.shape[1:]
            padded = np.pad(h, ((0, 0), (1, 1), (1, 1)))
            total = np.zeros((len(W), rows, columns)) + b[:, None, None]
            for y in range(3):
                for x in range(3):
                    part = padded[:, y : y + rows, x : x + columns]
                    total += np.tensordot(W[:, :, y, x], part, 1)
            h = found[f"conv{block}_{index}"] = np.maximum(total, 0)
        rows, columns = (side // 2 for side in h.shape[1:])
        quarters = h[:, : 2 * rows, : 2 * columns].reshape(len(h), rows, 2, columns, 2)
        h = quarters.mean((2, 4)) if pooling == "average" else quarters.max((2, 4))
        found[f"pool{block}"] = h
    return found


def respond(features, image):
    """All activations, and the gradient for the image of the sum of their means of squares."""
    variable = chainer.Variable(image.astype(np.float32).transpose(2, 0, 1)[None].copy())
    activations = features(variable)
    found = {name: x.array[0].copy() for name, x in activations.items()}
    sum(chainer.functions.mean(x**2) for x in activations.values()).backward()
    return found, variable.grad


@pytest.mark.parametrize("engine", [VGGFeatures, WinogradFeatures])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_all_layers_of_vgg19_by_loops(random_vgg19, engine, pooling):
    names = list(NETWORKS["vgg19"])
    image = make_texture(37, 32)
    expected = naive(random_vgg19.tensors, random_vgg19.mean, image, BLOCKS["vgg19"], pooling)
    assert list(expected) == names
    found, gradient = respond(engine(random_vgg19, names, pooling), image)
    for name in names:
        scale = abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], atol=3e-5 * scale, err_msg=name)
    exact = VGGFeatures(in_double(random_vgg19), names, pooling)
    variable = chainer.Variable(image.astype(float).transpose(2, 0, 1)[None].copy())
    sum(chainer.functions.mean(x**2) for x in exact(variable).values()).backward()
    off = np.linalg.norm(gradient - variable.grad) / np.linalg.norm(variable.grad)
    assert off < 2e-3


@pytest.mark.gpu
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_vgg19_on_a_gpu(gpu, random_vgg19, pooling):
    from texsynth.network.cuda.features import CudaFeatures

    names, image = ["conv3_4", "pool3", "conv4_4"], make_texture(18, 21)
    expected = naive(random_vgg19.tensors, random_vgg19.mean, image, BLOCKS["vgg19"], pooling)
    gpu.use()
    features = CudaFeatures(random_vgg19, names, pooling)
    batch = image.astype(np.float32).transpose(2, 0, 1)[None].copy()
    for name, x in features(chainer.Variable(gpu.send(batch))).items():
        found = chainer.get_device("@numpy").send(x.array)[0]
        np.testing.assert_allclose(found, expected[name], atol=3e-5 * expected[name].max())


def test_blocks_of_vgg19_are_the_whole(random_vgg19):
    """They reach farther than VGG16's: with windows of those the gradient would be another."""
    exact = in_double(random_vgg19)
    features, losses = VGGFeatures(exact, ["pool3"]), [GramLoss({"pool3": 1.0})]
    exemplar, pixels = (
        np.random.default_rng(seed).uniform(0, 255, (1, 3, *size))
        for seed, size in enumerate(((24, 32), (40, 120)))
    )
    results = []
    for objective in (
        Objective(features, losses, exemplar),
        BlockObjective(features, losses, exemplar, block=40),
    ):
        image = chainer.Parameter(pixels.copy())
        results.append((float(objective(image)), image.grad))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-12)
    np.testing.assert_allclose(results[1][1], results[0][1], atol=1e-11 * abs(results[0][1]).max())


@pytest.fixture(scope="session")
def normalised():
    """The normalised VGG19 that is published, fetched on first use."""
    return weights.load(weights.find_or_fetch("vgg19-normalised"), "vgg19-normalised")


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_the_normalised_network_by_loops(normalised, pooling):
    image = make_texture(64, 48)
    expected = naive(normalised.tensors, normalised.mean, image, BLOCKS["vgg19"], pooling)
    found, _ = respond(WinogradFeatures(normalised, list(expected), pooling), image)
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, atol=3e-5 * x.max(), err_msg=name)
