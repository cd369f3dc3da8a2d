"""Repairs of a photograph, with the tiny random network."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import texsynth
from tests.conftest import make_texture
from texsynth import metrics
from texsynth.errors import ConfigError
from texsynth.synthesis import holes
from texsynth.synthesis.holes import Damaged
from texsynth.synthesis.repair_study import RepairStudy
from texsynth.synthesis.repairing import repair
from texsynth.synthesis.workshop import Workshop

SHALLOW = {"layers": ["conv1_1", "pool1"], "engine": "plain", "iterations": 2}
SETTINGS = {"losses": "gram", "precision": "fp32", **SHALLOW}
pytestmark = pytest.mark.usefixtures("weights_read_once")


def disc(height, width, radius, centre=None):
    y, x = np.indices((height, width))
    top, left = centre or (height / 2, width / 2)
    return np.hypot(y - top, x - left) < radius


def check(result, photo, mask):
    """What is not masked has its own bytes; what is has others."""
    stays = np.asarray(mask) == 0
    np.testing.assert_array_equal(result.image[stays], photo[stays])
    assert (result.image[~stays] != photo[~stays]).any()


def test_a_repair_looks_as_it_did(config, golden):
    """Of pieces, with a mask that is grey at its edge, at two levels."""
    photo, radius = make_texture(72, 64), 12
    y, x = np.indices((64, 72))
    mask = np.clip((radius + 2 - np.hypot(y - 30, x - 34)) * 64, 0, 255)
    result = repair(photo, mask, config(levels=2, preset="natural", seed=1))
    golden("repair.png", result.image)


def test_what_is_grown_looks_as_it_did(config, golden):
    """So much that there are no pieces: it is made as textures are."""
    grown = repair(make_texture(48, 40), None, config(levels=2, seed=2), grow={"right": 40})
    golden("repair-grown.png", grown.image)


@pytest.mark.parametrize("preset", ["natural", "regular"])
def test_what_needs_much_of_an_image_is_not_asked_of_a_hole(config, preset):
    photo, mask = make_texture(97, 81), disc(81, 97, 15)
    own = config(preset=preset, losses=None)
    study = RepairStudy(Workshop(own), Damaged.of(photo, mask, own))
    names = {type(loss).__name__ for loss in study.losses}
    assert {"GramLoss", "ContrastGramLoss"} <= names
    assert not names & {"AutocorrelationLoss", "BandPowerLoss"}


@pytest.mark.parametrize("tile", [None, "xy"])
def test_a_repair_does_not_wrap_and_says_so(config, tile):
    """What tiles has copies around it."""
    own = config(preset="natural", tile=tile)
    photo, mask = make_texture(97, 81), disc(81, 97, 15)
    study = RepairStudy(Workshop(own), Damaged.of(photo, mask, own))
    assert not study.scheme.wraps
    assert {level.wrap for level in study.plan} == {(False, False)}


@pytest.mark.parametrize("preset", ["gatys", "natural", "regular", "paper"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_is_not_masked_stays(preset, optimizer, config):
    """Of each preset: colours of its own, matched colours, levels, detail, its own terms."""
    losses = {"natural": ["gram", "correspondence=0.1"], "paper": ["paper-gram"]}.get(preset)
    if preset == "regular":
        losses = ["gram", "autocorrelation", "correspondence=0.1"]
    own = {"network": "vgg16", "losses": losses, "preset": preset, "optimizer": optimizer}
    photo, mask = make_texture(97, 81), disc(81, 97, 15)
    result = repair(photo, mask, config(levels=2 if preset != "gatys" else 1, **own))
    check(result, photo, mask)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    blocks=arrays.arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 0, 0, 255, 90])),
    optimizer=st.sampled_from(["lbfgs", "adam"]),
    matches=st.booleans(),
    levels=st.sampled_from([1, 2]),
    tile=st.sampled_from([None, "x", "xy"]),
    is_grey=st.booleans(),
)
def test_100_random_masks(config, blocks, optimizer, matches, levels, tile, is_grey):
    """Holes anywhere, at the border too, and soft ones: what is 0 comes back to the bit."""
    photo = make_texture(33, 29)
    photo = np.repeat(photo[..., :1], 3, axis=2) if is_grey else photo
    mask = np.kron(blocks, np.ones((6, 6), np.uint8))[:29, :33]
    mask[12:18, 12:18] = 0  # something must be left
    told = config(
        optimizer=optimizer, match_colours=matches, levels=levels, tile=tile, layers=["conv1_1"]
    )
    try:
        result = repair(photo, mask, told, band=4)
    except ConfigError as error:
        assert "nothing to repair" in str(error) or "is too little" in str(error)
        return
    if tile is not None:
        made = holes.band_mask((33, 29), told.wrap, 4)[0, 0] > 0
        mask = np.where(made, 255, mask)
    stays = mask == 0
    np.testing.assert_array_equal(result.image[stays], photo[stays])


def test_soft_edges_are_blended(config):
    """Far from either, a pixel that is half masked lies half way between the photograph and it."""
    photo = make_texture(64, 64)
    hard, soft = disc(64, 64, 12), np.where(disc(64, 64, 12), 128, 0)
    made = repair(photo, hard, config(preset="gatys")).image.astype(float)
    blended = repair(photo, soft, config(preset="gatys")).image.astype(float)
    moved = [abs(image - photo)[hard].mean() for image in (made, blended)]
    assert 0 < moved[1] < 0.75 * moved[0]


@pytest.mark.parametrize("tile", ["x", "y", "xy"])
def test_a_band_is_made_and_the_middle_stays(tile, config):
    photo = make_texture(70, 61)
    result = repair(photo, None, config(tile=tile, preset="natural", levels=2), band=10)
    middle = np.s_[5 : -5 if "y" in tile else None, 5 : -5 if "x" in tile else None]
    rows = slice(5, 56) if "y" in tile else slice(None)
    columns = slice(5, 65) if "x" in tile else slice(None)
    np.testing.assert_array_equal(result.image[rows, columns], photo[rows, columns])
    assert not np.array_equal(result.image, photo)
    assert result.image[middle].shape == photo[middle].shape


def test_a_photograph_grows(config):
    photo = make_texture(50, 40)
    result = repair(photo, config=config(preset="gatys"), grow={"left": 7, "bottom": 3})
    assert result.image.shape == (43, 57, 3)
    np.testing.assert_array_equal(result.image[:40, 7:], photo)


def test_the_texture_of_another_picture(config):
    """Red where the photograph is blue: the hole turns red."""
    blue = np.full((48, 48, 3), (20, 20, 200), np.uint8)
    red = make_texture(48, 48) // 8 + np.array([200, 10, 10], np.uint8)
    mask = disc(48, 48, 12)
    given = config(preset="gatys", iterations=30)
    result = repair(blue, mask, given, source=red)
    check(result, blue, mask)
    mean = result.image[disc(48, 48, 9)].mean(axis=0)
    assert mean[0] > 150 > mean[2]


def test_the_same_seed_and_another(config):
    photo, mask = make_texture(48, 48), disc(48, 48, 12)
    first, again, other = (
        repair(photo, mask, config(preset="natural", levels=1, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again and first != other


def test_blocks_make_nearly_the_same(config):
    photo, mask = make_texture(320, 300), disc(300, 320, 30)
    told = {"preset": "gatys", "iterations": 2}
    blocks = config(**told, memory="280MB", size=0)
    assert RepairStudy(Workshop(blocks), Damaged.of(photo, mask, blocks)).is_in_blocks
    whole, blocks = (repair(photo, mask, each) for each in (config(**told), blocks))
    check(blocks, photo, mask)
    assert abs(whole.image.astype(int) - blocks.image).max() <= 2


def test_resumed_it_comes_to_the_same(config, tmp_path):
    photo, mask = make_texture(64, 64), disc(64, 64, 12)
    told = config(preset="natural", levels=2, iterations=4)
    whole = repair(photo, mask, told)
    path, steps = tmp_path / "state", []

    def stop_early(progress):
        steps.append(progress)
        return len(steps) == 9

    repair(photo, mask, told, callback=stop_early, checkpoints=texsynth.Checkpoints(path, 3))
    resumed = texsynth.Checkpoints(resume=path)
    assert np.array_equal(repair(photo, mask, told, checkpoints=resumed).image, whole.image)
    with pytest.raises(ConfigError, match="another mask"):
        repair(photo, ~mask, told, checkpoints=texsynth.Checkpoints(resume=path))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"mask": np.zeros((48, 48), bool)}, "there is nothing to repair"),
        ({}, "there is nothing to repair"),
        ({"mask": np.ones((48, 48), bool)}, "what stays of the photograph is too little"),
        ({"mask": np.zeros((47, 48), bool)}, "mask must have the photograph's size, 48x48 px"),
        ({"mask": np.full((48, 48), 256)}, "mask must have values within 0..255"),
        ({"mask": np.array(["a"])}, "mask must be a"),
        ({"mask": np.eye(48, dtype=np.uint8)}, "values of 1 of 255: white is 255"),
        ({"grow": -1}, "grow must be 0 to 16384"),
        ({"grow": 0}, "grow must be at least 1 pixel"),
        ({"grow": {"up": 3}}, "grow must name left, top, right, bottom, not 'up'"),
    ],
)
def test_what_cannot_be_repaired(told, message, config):
    with pytest.raises(ConfigError, match=message):
        repair(make_texture(48, 48), config=config(), **told)


@pytest.mark.parametrize(("band", "message"), [(1, "at least 2"), (48, "leaves nothing")])
def test_bands_that_make_no_sense(band, message, config):
    with pytest.raises(ConfigError, match=message):
        repair(make_texture(48, 48), config=config(tile="x"), band=band)


def test_a_loss_that_counts_all_positions_alike_is_refused(config):
    with pytest.raises(ConfigError, match="loss wasserstein counts all positions"):
        repair(make_texture(48, 48), disc(48, 48, 9), config(losses="wasserstein"))


def test_a_photograph_of_fractions_stays_unrounded(config):
    photo = (make_texture(48, 48) / 2 + 0.125).astype(np.float32)
    mask = disc(48, 48, 9)
    result = repair(photo, mask, config(iterations=2))
    np.testing.assert_array_equal(result.values[mask == 0], photo[mask == 0])
    assert not np.array_equal(result.values, photo)
    np.testing.assert_array_equal(result.image, np.rint(result.values))


def test_filled_by_hand():
    image = np.zeros((1, 3, 4, 4), np.float32)
    image[..., 2:] = 100
    mask = np.zeros((1, 1, 4, 4), np.float32)
    mask[..., 1:3] = 1
    found = holes.filled(image, mask)
    np.testing.assert_array_equal(found[..., 0], 0)
    np.testing.assert_array_equal(found[..., 3], 100)
    assert (found[..., 1] < found[..., 2]).all()
    assert (found[..., 1:3] > 0).all() and (found[..., 1:3] < 100).all()


@pytest.mark.parametrize("side", [1, 2, 7])
def test_filled_keeps_what_is_known(side):
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, side, 9)).astype(np.float32)
    mask = np.zeros((1, 1, side, 9), np.float32)
    mask[..., 2:5] = 1
    found = holes.filled(image, mask)
    stays = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(found[stays], image[stays])
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("text", "sides"),
    [("128", 128), ("left=64,right=32", {"left": 64, "right": 32}), ("top=1", {"top": 1})],
)
def test_sides_as_they_are_written(text, sides):
    assert holes.parse_sides(text) == sides


@pytest.mark.parametrize("text", ["", "1.5", "left", "left=", "left=1,left=2", "left=1;top=2"])
def test_sides_that_cannot_be_read(text):
    with pytest.raises(ConfigError, match="grow must look like 128"):
        holes.parse_sides(text)


def test_the_seam_of_a_photograph_goes(config):
    """A step of 100 grey levels at the wrap-around, by enough steps even of a random network."""
    photo = make_texture(64, 64).astype(float) * 0.5
    photo = np.clip(photo + np.linspace(0, 110, 64)[None, :, None], 0, 255).astype(np.uint8)
    result = repair(photo, None, config(tile="x", preset="gatys", iterations=40), band=16)
    before, after = (metrics.seam_scores(each)["x"] for each in (photo, result.image))
    assert before > 5 and abs(after) < before / 2


def test_pieces_need_few_steps_at_one_level(config):
    """What was asked for holds; and without pieces, what the preset has."""
    photo, mask = make_texture(140, 150), disc(150, 140, 12)

    def plan(fills=True, **settings):
        own = config(**{"iterations": None, "preset": "natural", **settings})
        study = RepairStudy(Workshop(own), Damaged.of(photo, mask, own), fills=fills)
        return [level.steps for level in study.plan]

    assert plan() == [12]
    assert plan(levels=2) == [24, 12]
    assert plan(iterations=30) == [30]
    assert plan(fills=False) == plan(start="noise") == [90, 45]


def test_little_is_enough_where_pieces_count_most(config):
    """Positions far from where pieces came from count little, but are there."""
    photo, mask = make_texture(128, 128), disc(128, 128, 20, (40, 40))
    own = config(layers=["pool4"], levels=2)
    study = RepairStudy(Workshop(own), Damaged.of(photo, mask, own))
    counted = study._counted_on_host(1, ("pool4",)).exemplar["pool4"]
    assert 0 < counted.sum() < counted.size / 4


def test_where_pieces_cannot_reach_or_would_repeat_all_it_is_made_as_textures_are(config):
    photo = make_texture(60, 60)
    for grow, is_filled in (({"right": 16}, True), ({"right": 60}, False), (40, False)):
        own = config(iterations=None, preset="natural")
        study = RepairStudy(Workshop(own), Damaged.of(photo, None, own, grow=grow))
        assert (study.plan[-1].steps == 12) == is_filled


def test_one_study_has_one_seed_where_pieces_fill_it(config):
    photo, mask = make_texture(60, 60), disc(60, 60, 8)
    study = RepairStudy(Workshop(config()), Damaged.of(photo, mask, config()))
    with pytest.raises(ConfigError, match="filled by the seed of the settings"):
        texsynth.make_variation(study, 1)


def test_colours_are_matched_where_it_is_made_anew_alone(config):
    """Of a bright source: what is made has its histogram, whatever stays."""
    photo, mask = make_texture(60, 60) // 4, disc(60, 60, 14)
    source = make_texture(60, 60, seed=1) // 4 + 180
    result = repair(photo, mask, config(match_colours=True), source=source)
    made = result.image[mask].astype(float)
    np.testing.assert_allclose(made.mean(axis=0), source.mean(axis=(0, 1)), atol=2)
    np.testing.assert_allclose(made.std(axis=0), source.std(axis=(0, 1)), atol=2)


def test_a_photograph_of_black_and_its_neighbour_is_one(config):
    photo = np.zeros((48, 64, 3), np.uint8)
    photo[::2] = 1
    result = repair(photo, disc(48, 64, 8), config())
    assert (result.image[disc(48, 64, 8) == 0] == photo[disc(48, 64, 8) == 0]).all()
