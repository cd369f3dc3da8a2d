"""The networks as links, against Chainer's own, and a texture that a trainer makes."""

import numpy as np
import pytest
from PIL import Image

from texsynth import links, optimizers, weights
from texsynth.compat import chainer
from texsynth.errors import ConfigError, ImageError, WeightsError
from texsynth.images import to_batch
from texsynth.losses import ContrastGramLoss, GramLoss, RangePenalty
from texsynth.network.vgg import VGGFeatures
from texsynth.statistics.contrast import EvenContrast

SIZE = (40, 33)  # width, height


@pytest.fixture(scope="module")
def path(random_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg16.npz"
    weights.save(path, random_weights)
    return path


@pytest.fixture(scope="module")
def vgg16(path):
    return links.VGG16Features(path)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(3).integers(0, 256, (2, *SIZE[::-1], 3), np.uint8)


def test_the_weights_of_a_file_are_the_links(vgg16, random_weights, pixels):
    batch = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    names = ["conv1_1", "pool2", "conv3_3"]
    expected = VGGFeatures(random_weights, names)(chainer.Variable(batch))
    found = vgg16.extract(batch, layers=names)
    assert list(found) == names
    for name in names:
        np.testing.assert_array_equal(found[name].array, expected[name].array)


def test_images_of_all_kinds_are_the_same(vgg16, pixels):
    batch = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    given = [batch, chainer.Variable(batch), list(pixels), [Image.fromarray(x) for x in pixels]]
    first, *others = (vgg16.extract(each, ["pool1"])["pool1"].array for each in given)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_no_layer_beyond_the_deepest_is_computed(vgg16, pixels, monkeypatch):
    monkeypatch.setattr(vgg16.conv2_1, "forward", lambda *args: pytest.fail("computed"))
    assert vgg16.extract(list(pixels), ["pool1"])["pool1"].shape == (2, 64, 16, 20)


def test_a_variable_keeps_its_way_back(vgg16, pixels):
    x = chainer.Variable(pixels.transpose(0, 3, 1, 2).astype(np.float32))
    chainer.functions.sum(vgg16.extract(x, ["conv1_2"])["conv1_2"]).backward()
    assert np.abs(x.grad).max() > 0


@pytest.mark.slow  # to draw its fully connected layers takes a minute
def test_activations_are_those_of_chainers_own_link(vgg16, random_weights, pixels):
    """By max pooling; sides that no pooling halves to an odd one, where the two differ."""
    own = chainer.links.VGG16Layers(pretrained_model=None)
    for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"):
        W, b = random_weights.tensors[name]
        own[name].W.array, own[name].b.array = W, b
    batch = pixels[:, :32].transpose(0, 3, 1, 2).astype(np.float32)
    vgg16_max = links.VGG16Features(None, pooling="max")
    for name, (W, b) in random_weights.tensors.items():
        vgg16_max[name].W[...] = W[:, ::-1] if name == "conv1_1" else W
        vgg16_max[name].b[...] = b
    bgr = batch[:, ::-1] - random_weights.mean.reshape(1, 3, 1, 1)
    # As own.extract has it, which resizes to 224x224 beside it.
    expected = own(bgr, layers=["conv1_2", "pool1", "conv3_1"])
    found = vgg16_max.extract(batch, layers=list(expected))
    for name, value in expected.items():
        scale = np.abs(value.array).max()
        np.testing.assert_allclose(found[name].array, value.array, atol=1e-5 * scale)


def test_vgg19_takes_a_file_of_either_kind(random_vgg19, tmp_path):
    weights.save(tmp_path / "vgg19.npz", random_vgg19)
    link = links.VGG19Features(tmp_path / "vgg19.npz")
    assert link.network == "vgg19" and "conv5_4" in link.available_layers
    x = np.zeros((1, 3, 32, 32), np.float32)
    assert link.extract(x, ["conv3_4"])["conv3_4"].shape == (1, 256, 8, 8)


def test_random_weights_keep_the_scale_of_activations():
    np.random.seed(0)
    link = links.VGG16Features(None)
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    found = link.extract(x, ["conv1_1", "conv3_3"])
    means = [float(value.array.mean()) for value in found.values()]
    assert 0.02 < means[1] / means[0] < 50


def test_images_are_resized_when_asked(vgg16, pixels):
    found = vgg16.extract([pixels[0], pixels[1, :20]], ["pool1"], size=(24, 36))
    assert found["pool1"].shape == (2, 64, 18, 12)


@pytest.mark.parametrize(
    ("images", "layers", "error", "told"),
    [
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))], ["pool1"], ImageError, "of one size"),
        (np.zeros((8, 8, 3)), ["pool1"], ImageError, "put the one in a list"),
        (Image.new("RGB", (8, 8)), ["pool1"], ImageError, "put the one in a list"),
        ([], ["pool1"], ImageError, "there are no images"),
        (["picture.png"], ["pool1"], ImageError, "must be an array"),
        (np.zeros((1, 4, 8, 8)), ["pool1"], ImageError, r"must be \(N, 3, height, width\)"),
        (np.zeros((1, 3, 8, 8)), ["fc7"], ConfigError, "layer 'fc7' is unknown; there are conv1_1"),
        (np.zeros((1, 3, 8, 8)), ["pool4"], ConfigError, "pool4 needs sides of at least 16 px"),
        ([np.full((8, 8, 3), np.nan)], ["pool1"], ImageError, "finite values"),
    ],
)
def test_what_is_no_image_or_layer_is_told(vgg16, images, layers, error, told):
    with pytest.raises(error, match=told):
        vgg16.extract(images, layers)


def test_no_layers_are_no_activations(vgg16, pixels):
    assert vgg16.extract(list(pixels), []) == {}


def test_files_of_another_network_are_refused(path, tmp_path):
    with pytest.raises(WeightsError, match="VGG16"):
        links.VGG19Features(path)
    with pytest.raises(WeightsError, match="no such weights file"):
        links.VGG16Features(tmp_path / "none.npz")


def test_a_texture_is_optimised_and_its_terms_are_reported(vgg16, pixels):
    losses = [GramLoss({"pool1": 1.0}), GramLoss({"conv1_1": 2.0}), RangePenalty(0.1)]
    texture = links.Texture(vgg16, losses, pixels[0])
    optimizer = optimizers.LBFGS().setup(texture)
    reporter, observed = chainer.Reporter(), {}
    reporter.add_observer("main", texture)
    with reporter.scope(observed):
        first = float(texture().array)
        for _ in range(5):
            last = optimizer.update(texture)
    assert last < 0.5 * first
    assert list(observed) == ["main/loss", "main/gram", "main/gram_2", "main/range"]
    values = [float(value) for value in observed.values()]
    assert values[0] == pytest.approx(sum(values[1:]), rel=1e-5)
    assert texture.pixels.shape == pixels[0].shape and texture.pixels.dtype == np.uint8
    assert [name for name, _ in texture.namedparams()] == ["/image"]


def test_a_texture_shows_losses_of_contrast_the_image_at_even_contrast(vgg16, pixels):
    start = pixels[1]
    plain, of_contrast = GramLoss({"pool1": 1.0}), ContrastGramLoss({"pool1": 2.0})
    both = float(links.Texture(vgg16, [of_contrast, plain], pixels[0], start)().array)
    alone = float(links.Texture(vgg16, [plain], pixels[0], start)().array)
    even = [
        EvenContrast(image.shape[2:]).of(image).image for image in map(to_batch, (pixels[0], start))
    ]
    target, candidate = (vgg16(image, ["pool1"]) for image in even)
    expected = of_contrast.measure(candidate, of_contrast.target(target))
    assert both - alone == pytest.approx(float(expected.array), rel=1e-4)
