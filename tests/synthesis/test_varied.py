from types import SimpleNamespace

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from texsynth import Source, Workshop, images, make_variation
from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.synthesis import varied
from texsynth.synthesis.gradients import gradient, steps_along
from texsynth.synthesis.varied import Varied

pytestmark = pytest.mark.usefixtures("weights_read_once")
SIDE = 48
SETTINGS = {
    "preset": "natural",
    "size": SIDE,
    "precision": "fp32",
    "iterations": 2,
    "layers": ["conv1_1", "pool1"],
    "levels": 2,
    "output_size": (SIDE, SIDE),
}


@pytest.fixture
def exemplars():
    return make_texture(SIDE, SIDE), make_texture(SIDE, SIDE, seed=1)


def left_half():
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[:, : SIDE // 2] = 1
    return mask


def test_parts_of_a_gradient_are_a_partition_of_unity():
    field = np.random.default_rng(0).uniform(size=(5, 7)).astype(np.float32)
    field[0, 0], field[-1, -1] = 0, 1
    parts, weights = steps_along(field)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-5)
    share = sum(part[1] * weight for part, weight in zip(parts, weights, strict=True))
    np.testing.assert_allclose(share, field, atol=1e-5)


@pytest.mark.parametrize("field", [[0.5], [[2.0]], [[float("nan")]], np.zeros((0, 3))])
def test_what_is_no_gradient_is_one_line(field):
    with pytest.raises(ConfigError, match="a gradient must be a "):
        steps_along(field)


def test_in_one_part_it_is_the_mixture(config, exemplars):
    """All weights are 1, and so all sums are those without."""
    sources = [Source(each) for each in exemplars]
    settings = config(margin=8)  # a mixture wraps if it is not told to
    study = Varied(Workshop(settings), sources, [(0.3, 0.7)], np.ones((1, 8, 8)))
    found = make_variation(study, 0)
    expected = texsynth.mix(exemplars, (0.3, 0.7), settings)
    assert found.history[0][0] == pytest.approx(expected.history[0][0], rel=1e-3)
    assert np.abs(found.image.astype(int) - expected.image).mean() < 2


@pytest.mark.parametrize("preset", ["natural", "auto", "gatys"])
def test_a_gradient_has_one_texture_here_and_another_there(config, preset):
    dark, light = (make_texture(SIDE, SIDE) // 4 + shift for shift in (0, 190))
    settings = config(preset=preset, levels=1 if preset == "gatys" else 2, iterations=8)
    image = make_variation(gradient(Workshop(settings), dark, light, "x"), 0).image.mean(axis=2)
    left, middle, right = (image[:, part].mean() for part in np.s_[:8, 20:28, -8:])
    assert left + 20 < middle < right - 20


def test_a_gradient_takes_no_preset_of_what_repeats(config):
    tiles = np.zeros((SIDE, SIDE, 3), np.uint8)
    tiles[::8], tiles[:, ::8] = 255, 255
    study = gradient(Workshop(config(preset="auto")), tiles, tiles, "x")
    assert (study.scheme.name, study.scheme.why) == (
        "natural",
        "the texture changes over the image",
    )


@pytest.mark.parametrize("losses", [None, ["gram", "contrast-gram"]])
def test_even_contrast_is_left_out_unless_asked_for(config, exemplars, losses):
    sources = [Source(each) for each in exemplars]
    parts, weights = [(1, 0), (0, 1)], np.ones((2, 8, 8))
    study = Varied(Workshop(config(losses=losses)), sources, parts, weights)
    kinds = [type(loss).__name__ for loss in study.losses]
    assert ("ContrastGramLoss" in kinds) == (losses is not None)


def test_asked_for_it_wants_the_even_contrast_of_each_exemplar(config, exemplars):
    """Of one exemplar everywhere, itself at even contrast is without loss."""
    settings = config(losses=["gram", "contrast-gram"], preset="gatys", levels=1)
    study = Varied(Workshop(settings), [Source(exemplars[0])], [(1,)], np.ones((1, 8, 8)))
    image = chainer.Parameter(images.to_batch(exemplars[0]))
    assert study.objective(1)(image) == pytest.approx(0, abs=1e-6)


def test_a_map_and_an_axis_are_the_same(config, exemplars):
    ramp = np.tile(np.linspace(0, 1, 256), (256, 1))
    first, second = (
        make_variation(gradient(Workshop(config()), *exemplars, field), 0).image
        for field in ("y", ramp.T)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("tile", [None, "xy"])
def test_regions_have_the_textures_that_are_wanted(config, tile):
    dark, light = (make_texture(SIDE, SIDE) // 4 + shift for shift in (0, 190))
    regions = np.array([["dark", "light"]]).repeat(SIDE // 2, axis=1).repeat(SIDE, axis=0)
    settings = config(iterations=8, tile=tile)
    result = texsynth.paint({"dark": dark, "light": light}, regions, settings)
    image = result.image.mean(axis=2)
    assert image[:, 4:20].mean() < 60 and image[:, -20:-4].mean() > 190
    # The border is neither blurred nor doubled.
    across = image.mean(axis=0)
    inner = slice(2, 22) if tile else slice(0, 22)  # where it tiles, a border is at the edge too
    assert (across[inner] < 90).all() and (across[::-1][inner] > 160).all()
    assert set(result.errors) == {"conv1_1", "pool1", "pool2", "pool3", "pool4"}


def test_a_gradient_and_regions_look_as_they_did(config, exemplars, golden):
    along = make_variation(gradient(Workshop(config()), *exemplars, "x"), 0)
    golden("gradient.png", along.image)
    regions = np.arange(3).repeat(16)[:, None].repeat(SIDE, axis=1)
    textures = {0: exemplars[0], 1: exemplars[1], 2: Source(exemplars[0], left_half())}
    golden("regions.png", texsynth.paint(textures, regions, config()).image)


def test_a_part_of_an_exemplar_is_all_that_counts(config, exemplars):
    """What lies beside the part may be anything, as far as the network sees."""
    settings = config(losses=["gram"], layers=["conv1_1"], levels=1)
    mask = left_half()
    other = exemplars[0].copy()
    other[:, SIDE // 2 + 2 :] = 255
    regions = np.zeros((SIDE, SIDE), int)
    found = [
        texsynth.paint({0: Source(each, mask)}, regions, settings, init=exemplars[1])
        for each in (exemplars[0], other)
    ]
    np.testing.assert_array_equal(found[0].image, found[1].image)


def test_statistics_of_blocks_are_those_of_the_whole(config, exemplars):
    settings = config(losses=["gram", "centred-gram"], levels=1, output_size=(80, 80))
    sources, weights = [Source(exemplars[0], left_half()), Source(exemplars[1])], np.eye(2)
    field = np.repeat(np.repeat(weights[:, None], 80, 1), 40, 2)
    image = images.to_batch(make_texture(80, 80, seed=3))
    found = []
    for blocks in ({}, {"block": 32, "keep": None}):
        study = Varied(Workshop(settings), sources, weights.tolist(), field)
        study.adopt({"pairs": study.pairs, **blocks})
        objective = study.objective(1)
        canvas = images.mirrored(image, study.plan[0].canvas_size)
        pixels = chainer.Parameter(canvas)
        found.append((float(objective(pixels)), pixels.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    scale = np.abs(found[0][1]).max()
    np.testing.assert_allclose(found[0][1], found[1][1], atol=2e-3 * scale)


def test_a_texture_of_which_there_is_too_little_is_named(config, exemplars):
    mask = np.zeros((SIDE, SIDE))
    mask[:2, :2] = 1
    source = Source(exemplars[0], mask, "the part #ff0000 of stone.png")
    with pytest.raises(ConfigError, match=r"^the part #ff0000 of stone\.png is too little: layer"):
        texsynth.paint({0: source}, np.zeros((SIDE, SIDE), int), config())


@pytest.mark.parametrize(
    ("regions", "settings", "told"),
    [
        (np.ones((4, 4), int), {}, "regions have labels without a texture: 1"),
        (np.ones(4, int), {}, "regions must be a (height, width) array of labels, not (4,)"),
        (
            np.zeros((4, 4), int),
            {"match_colours": True},
            "colours cannot be matched where the texture varies over the image",
        ),
        (
            np.zeros((4, 4), int),
            {"losses": ["wasserstein"]},
            "loss wasserstein counts all positions of an image alike, and cannot be had of a part",
        ),
    ],
)
def test_what_cannot_be_is_one_line(config, exemplars, regions, settings, told):
    with pytest.raises(ConfigError) as raised:
        texsynth.paint({0: exemplars[0]}, regions, config(**settings))
    assert str(raised.value) == told


def test_several_processes_cannot_share_it(config, exemplars):
    workshop = Workshop(config(), team=SimpleNamespace(size=2, neighbours=1))
    with pytest.raises(ConfigError, match="several processes cannot share a texture that varies"):
        Varied(workshop, [Source(exemplars[0])], [(1,)], np.ones((1, 8, 8)))


def test_the_output_has_the_size_of_the_regions(config, exemplars):
    found = texsynth.paint(
        {7: exemplars[0]}, np.full((40, 56), 7), config(output_size=None, levels=1)
    )
    assert found.image.shape == (40, 56, 3)


def test_positions_that_see_nothing_else_count_most():
    mask = np.zeros((1, 1, 32, 32), np.float32)
    mask[..., :16] = 1
    shares = varied.masks.shares(mask, ["pool2"])["pool2"][0, 0, 4]
    counting = shares**varied._SHARPNESS
    assert counting[0] == 1 and counting[-1] == 0
    assert (counting <= shares + 1e-6).all() and 0 < counting[3] < shares[3] < 1
