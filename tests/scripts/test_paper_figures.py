import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import paper_figures
from paper import models as paper_models
from paper.models import LAYERS, Model, ReducedGramLoss, all_layers, parameters

from texsynth import Config, images, weights
from texsynth.network.vgg import VGGFeatures


@pytest.fixture
def activations():
    generator = np.random.default_rng(0)
    return {
        "conv1_1": generator.standard_normal((1, 5, 6, 7)) + 0.5,
        "pool1": generator.standard_normal((1, 4, 3, 5)),
    }


@pytest.fixture
def candidate():
    generator = np.random.default_rng(1)
    return {
        "conv1_1": generator.standard_normal((1, 5, 4, 9)),
        "pool1": generator.standard_normal((1, 4, 2, 4)),
    }


def naive_gram(rows):
    """Mean over positions of the products of channels, one at a time."""
    return np.array([[np.mean(a * b) for b in rows] for a in rows])


def naive_loss(reduce, candidate, exemplar):
    """Projects the activations themselves, then takes Gram matrices."""
    total = 0
    for name, x in exemplar.items():
        wanted = naive_gram(reduce(name, x))
        got = naive_gram(reduce(name, candidate[name]))
        total += ((got - wanted) ** 2).sum() / (wanted**2).sum()
    return total


def measured(loss, candidate, exemplar):
    return float(loss.measure(candidate, loss.target(exemplar)).array)


def test_parameters_by_hand():
    # k(k+1)/2 each: 64 -> 2080, 128 -> 8256, 256 -> 32896, 512 -> 131328
    assert parameters(LAYERS) == 2 * 2080 + 8256 + 32896 + 131328 == 176_640
    assert parameters(LAYERS[:3]) == 2 * 2080 + 8256
    assert parameters(LAYERS, 20) == 5 * 210
    assert parameters(LAYERS, 100) == 2 * 2080 + 3 * 5050  # two layers have only 64 channels
    whole = parameters(all_layers("vgg16"))
    assert whole == 3 * 2080 + 3 * 8256 + 4 * 32896 + 4 * 131328 == 687_904


def test_parameters_are_the_papers_with_its_network():
    """Figure 3, row A: ~1k, ~10k, ~177k and ~852k."""
    models = paper_models.figure_3("vgg19-normalised")["principal\ncomponents"]
    counts = [parameters(model.layers, model.count) for model in models]
    assert counts == [1050, 10_400, 176_640, 852_128]
    assert [f"{count / 1000:.0f}k" for count in counts] == ["1k", "10k", "177k", "852k"]


@pytest.mark.parametrize(("network", "count"), [("vgg16", 14), ("vgg19-normalised", 16)])
def test_all_layers_end_with_pool4(network, count):
    names = all_layers(network)
    assert len(names) == count and names[-1] == "pool4" and names[0] == "conv1_1"


def test_random_weights_of_vgg19():
    made = paper_models.random_weights(0, "vgg19-normalised")
    assert made.network == "vgg19" and len(made.tensors) == 16


def test_loss_of_first_channels_agrees_with_a_naive_one(activations, candidate):
    loss = ReducedGramLoss(("conv1_1", "pool1"), 3, paper_models.first_channels)
    expected = naive_loss(lambda name, x: x[0].reshape(len(x[0]), -1)[:3], candidate, activations)
    assert measured(loss, candidate, activations) == pytest.approx(expected, rel=1e-10)


def test_loss_of_principal_components_agrees_with_a_naive_one(activations, candidate):
    bases = {}
    for name, x in activations.items():  # singular vectors of the activations themselves
        vectors, _, _ = np.linalg.svd(x[0].reshape(len(x[0]), -1))
        bases[name] = vectors[:, :2]

    def reduce(name, x):
        return bases[name].T @ x[0].reshape(len(x[0]), -1)

    loss = ReducedGramLoss(("conv1_1", "pool1"), 2, paper_models.principal_components)
    expected = naive_loss(reduce, candidate, activations)
    assert measured(loss, candidate, activations) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("choose", [paper_models.first_channels, paper_models.principal_components])
def test_keeping_everything_is_the_gram_loss(choose, activations, candidate):
    loss = ReducedGramLoss(("conv1_1", "pool1"), 99, choose)
    expected = naive_loss(lambda name, x: x[0].reshape(len(x[0]), -1), candidate, activations)
    assert measured(loss, candidate, activations) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("choose", [paper_models.first_channels, paper_models.principal_components])
def test_gradient_agrees_with_differences(choose, activations, candidate, check_gradient):
    loss = ReducedGramLoss(("conv1_1",), 2, choose)
    target = loss.target(activations)
    check_gradient(lambda x: loss.measure({"conv1_1": x}, target), candidate["conv1_1"])


def test_principal_components_keep_most_of_the_gram_matrix(activations):
    x = activations["conv1_1"][0].reshape(5, -1)
    matrix = naive_gram(x)[None]
    basis = paper_models.principal_components(matrix, 2)[0]
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    kept = np.linalg.norm(basis.T @ matrix[0] @ basis)
    for seed in range(20):
        other, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 2)))
        assert np.linalg.norm(other.T @ matrix[0] @ other) <= kept


def test_random_weights_keep_the_size_of_activations():
    loaded = paper_models.random_weights(3)
    W, b = loaded.tensors["conv4_2"]
    assert W.dtype == np.float32 and W.shape == (512, 512, 3, 3)
    assert W.std() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert not b.any()
    assert loaded.checksum() == paper_models.random_weights(3).checksum()
    assert loaded.checksum() != paper_models.random_weights(4).checksum()


def test_grid_has_its_pictures_where_they_belong():
    red, green, blue = (np.full((40, 40, 3), c, np.uint8) for c in np.diag([255, 255, 255]))
    rows = [("one\nrow", [(None, red), (None, green)]), ("two", [("caption", blue)])]
    grid = paper_figures.draw_grid(rows)
    corners = [np.argwhere((grid == picture[0, 0]).all(axis=2)) for picture in (red, green, blue)]
    (top, left), (same_top, right), (low, same_left) = (c.min(axis=0) for c in corners)
    assert (top, left) == (same_top, same_left)
    assert right == left + 40 + paper_figures.GAP
    assert low > top + 40 + paper_figures.GAP  # the caption takes its place
    for where, picture in zip(corners, (red, green, blue), strict=True):
        assert len(where) == 1600
        y, x = where.min(axis=0)
        assert (grid[y : y + 40, x : x + 40] == picture).all()
    labels = grid[:, :left]
    assert (labels[top : top + 40] < 128).any() and (labels[low : low + 40] < 128).any()
    assert (grid[low - 14 : low, left:] < 128).any()
    assert (grid[-paper_figures.GAP :] == 255).all() and (
        grid[:, -paper_figures.GAP :] == 255
    ).all()


def test_the_middle_square_is_read(tmp_path):
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    square = paper_figures.read_square(tmp_path / "wide.png", 32)
    assert square.shape == (32, 32, 3) and (square == 200).all()


def run(*arguments):
    return CliRunner().invoke(paper_figures.main, [str(a) for a in arguments])


@pytest.fixture
def exemplar_file(texture, tmp_path):
    Image.fromarray(texture).save(tmp_path / "blobs.png")
    return tmp_path / "blobs.png"


class FakeStudio:
    """Gives for each texture a picture that tells what was asked for."""

    models_of_figure_3 = paper_models.figure_3("vgg16")

    def texture(self, name, exemplar, model):
        return name, model


def test_figure_2_has_a_row_for_each_depth_and_the_originals_last():
    exemplars = {"a": "picture of a", "b": "picture of b"}
    rows = paper_figures.figure_2(FakeStudio(), exemplars)
    assert [label.split("\n")[0] for label, _ in rows] == [
        *("conv1_1", "+ pool1", "+ pool2", "+ pool3", "+ pool4", "original")
    ]
    for depth, (label, pictures) in enumerate(rows[:-1], 1):
        assert [picture for _, picture in pictures] == [(n, Model(LAYERS[:depth])) for n in "ab"]
        assert f"({parameters(LAYERS[:depth]):,})" in label
    assert [picture for _, picture in rows[-1][1]] == ["picture of a", "picture of b"]


def test_figure_3_is_of_the_first_exemplar():
    rows = paper_figures.figure_3(FakeStudio(), {"a": "picture of a", "b": "picture of b"})
    pictures = [picture for _, row in rows for _, picture in row]
    assert {picture[0] for picture in pictures[:-1]} == {"a"}
    assert pictures[-1] == "picture of a"
    captions = [[caption for caption, _ in row] for _, row in rows[:-1]]
    assert captions[0] == [
        f"{count} parameters" for count in ("1,050", "10,400", "176,640", "687,904")
    ]
    assert captions[1] == captions[0][:2]
    models = [[model for _, (_, model) in row] for _, row in rows[:-1]]
    assert [model.choose for model in models[1]] == [paper_models.first_channels] * 2
    assert [model.pooling for model in models[2]] == ["average", "max"]
    assert [model.random for model in models[3]] == [False, True]


@pytest.mark.slow
def test_figure_2_of_two_exemplars(texture, exemplar_file, random_weights_file, tmp_path):
    Image.fromarray(texture[::-1]).save(tmp_path / "other.png")
    options = ("--figure", "2", "--size", "32", "--iterations", "2", "--out", tmp_path / "out")
    result = run(exemplar_file, tmp_path / "other.png", *options, "--weights", random_weights_file)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["figure2.json", "figure2.png"]
    account = json.loads((tmp_path / "out" / "figure2.json").read_text())["textures"]
    assert [entry["exemplar"] for entry in account] == ["blobs", "other"] * 5
    assert [len(entry["layers"]) for entry in account] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [entry["parameters"] for entry in account[::2]] == [
        parameters(LAYERS[:depth]) for depth in (1, 2, 3, 4, 5)
    ]
    assert all(set(LAYERS) <= set(entry["errors"]) for entry in account)
    assert all(entry["evaluations"] >= 2 for entry in account)
    with Image.open(tmp_path / "out" / "figure2.png") as figure:
        assert figure.height == 6 * (32 + paper_figures.GAP) + paper_figures.GAP


@pytest.mark.slow
def test_figure_3_makes_each_texture_once(exemplar_file, random_weights_file, tmp_path):
    options = ("--figure", "3", "--size", "32", "--iterations", "1", "--out", tmp_path)
    result = run(exemplar_file, *options, "--weights", random_weights_file)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "figure3.json").read_text())
    assert (content["size"], content["iterations"], content["seed"]) == (32, 1, 0)
    account = content["textures"]
    assert [entry["parameters"] for entry in account] == [
        *(1050, 10_400, 176_640, 687_904),
        *(1050, 10_400),
        *(176_640, 176_640),
    ]
    assert [entry["choose"] for entry in account[:6]] == [
        *("principal_components", "principal_components", None, None),
        *("first_channels", "first_channels"),
    ]
    assert account[6]["pooling"] == "max" and account[7]["random"]
    assert account[7]["loss"] > 0
    assert (tmp_path / "figure3.png").stat().st_size > 0


def test_a_texture_matches_its_model_and_is_made_once(random_weights_file, texture):
    config = Config(preset="gatys", size=48, iterations=60, weights=random_weights_file)
    exemplar = texture[:48, :48]
    studio = paper_figures.Studio(config, random_weights_file)
    model = Model(("conv1_1",), 3, paper_models.first_channels)
    made = studio.texture("blobs", exemplar, model)
    assert studio.texture("blobs", exemplar, model) is made
    (entry,) = studio.account
    assert entry["parameters"] == 6 and entry["loss"] < 1e-6
    network = VGGFeatures(weights.load(random_weights_file), ["conv1_1"])
    grams = [
        naive_gram(network(images.to_batch(pixels))["conv1_1"].array[0, :3].reshape(3, -1))
        for pixels in (made, exemplar)
    ]
    assert np.linalg.norm(grams[0] - grams[1]) < 0.02 * np.linalg.norm(grams[1])
    assert entry["errors"]["pool1"] > 0.05  # of which nothing was asked


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nonsuch.png"], 1, "no such file"),
        (["--figure", "4"], 2, "figure"),
        (["--size", "8"], 2, "size"),
        (["--weights", "nonsuch.npz"], 1, "nonsuch.npz"),
    ],
)
def test_wrong_arguments_end_in_one_line(arguments, code, told, tmp_path):
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == code
    assert told in result.output.splitlines()[-1]
    assert not (tmp_path / "out" / "figure2.png").exists()


def test_two_exemplars_of_one_name_are_refused(exemplar_file, random_weights_file, tmp_path):
    (tmp_path / "sub").mkdir()
    copy = tmp_path / "sub" / exemplar_file.name
    copy.write_bytes(exemplar_file.read_bytes())
    result = run(exemplar_file, copy, "--weights", random_weights_file, "--out", tmp_path)
    assert result.exit_code == 2
    assert "different names" in result.output
