import dataclasses

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import images
from texsynth.config import PRESETS, Config
from texsynth.statistics import regularity
from texsynth.synthesis import presets
from texsynth.terms import Term


def regular(width=150, height=130, period=(17, 23)):
    """Blobs on a slanted lattice, under uneven light, with noise."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    blobs = np.cos(2 * np.pi * (x + 0.1 * y) / period[0]) * np.cos(2 * np.pi * y / period[1])
    grey = (100 + 40 * blobs + 5 * generator.standard_normal(blobs.shape)) * (0.7 + 0.6 * x / width)
    return np.clip(np.repeat(grey[..., None], 3, axis=2), 0, 255)


def batch(pixels):
    return images.to_batch(np.asarray(pixels, np.float32))


def test_a_lattice_is_regular_and_its_lag_is_found():
    repeat = regularity.measure(batch(regular()))
    assert repeat.strength > 0.6
    x, y = repeat.lag
    assert np.hypot(x, y) < 20  # the nearest of many as good
    # Phases of both waves return at the lag, within a pixel.
    for phase, period in ((x + 0.1 * y, 17), (y, 23)):
        assert abs(phase / period * 2 - round(phase / period * 2)) < 2.5 / period


@pytest.mark.parametrize("period", [6, 26])
def test_a_repeat_along_one_axis_is_found(period):
    """However short it is, but for the grain of the image."""
    rows = np.tile(make_texture(150, period), (130 // period, 1, 1))
    for pixels, lag in ((rows, [0, period]), (rows.transpose(1, 0, 2), [period, 0])):
        repeat = regularity.measure(batch(pixels))
        assert 0.25 < repeat.strength <= 1
        assert np.abs(repeat.lag).tolist() == lag


def test_a_repeat_of_one_colour_is_found():
    pixels = np.full((130, 150, 3), 128.0)
    pixels[..., 1] = regular()[..., 1]
    assert regularity.measure(batch(pixels)).strength > 0.6


def test_lags_are_pixels_of_the_exemplar_however_large():
    small = batch(regular())
    large = images.resize(small, (600, 520))
    lags = [regularity.measure(x).lag for x in (small, large)]
    np.testing.assert_allclose(np.array(lags[0]) * 4, lags[1], atol=6)


def test_blobs_at_random_are_not_regular():
    for seed in range(3):
        assert regularity.measure(batch(make_texture(160, 130, seed))).strength < 0.25


def test_grain_along_one_axis_is_not_regular():
    """It correlates far out, but never falls and rises again."""
    generator = np.random.default_rng(0)
    grain = np.repeat(generator.uniform(50, 200, (150, 1, 1)), 200, axis=1)
    grain = grain + 5 * generator.standard_normal((150, 200, 3))
    assert regularity.measure(batch(np.clip(grain, 0, 255))).strength < 0.25


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 3), (17, 1000)])
def test_any_shape_and_a_constant_have_a_strength(shape):
    flat = regularity.measure(batch(np.full((*shape, 3), 77.0)))
    assert flat == regularity.Regularity(0.0, (0, 0))


def test_auto_takes_regular_or_natural_and_says_why():
    scheme = presets.choose(Config(), batch(regular()))
    assert scheme.name == "regular"
    assert scheme.why.startswith("the exemplar repeats at a shift of ")
    scheme = presets.choose(Config(), batch(make_texture(160, 130)))
    assert scheme.name == "natural"
    assert scheme.why.startswith("nothing in the exemplar repeats (correlation ")


@pytest.mark.parametrize(("strength", "name"), [(0.29, "natural"), (0.3, "regular")])
def test_auto_takes_regular_from_a_correlation_of_0_3(monkeypatch, strength, name):
    repeat = regularity.Regularity(strength, (3, 4))
    monkeypatch.setattr(regularity, "measure", lambda exemplar: repeat)
    assert presets.choose(Config(), batch(regular())).name == name


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "auto"])
def test_a_preset_that_was_asked_for_is_taken_whatever_the_exemplar(name):
    scheme = presets.choose(Config(preset=name), batch(regular()))
    assert (scheme.name, scheme.why) == (name, "")


def test_gatys_is_the_paper_as_it_stands():
    scheme = presets.choose(Config(preset="gatys"), batch(regular()))
    assert scheme.losses == (Term("gram"),)
    assert (scheme.start, scheme.levels, scheme.margin) == ("noise", 1, 0)
    assert (scheme.pad, scheme.trim) == (0, 0)
    assert not scheme.detail
    assert presets.choose(Config(), batch(regular())).iterations < scheme.iterations


def test_paper_is_the_paper_to_the_letter():
    """Section 3.1 and the authors' notebook, which matches colours at the end."""
    config = Config(preset="paper")
    scheme = presets.choose(config, batch(regular()))
    assert config.network == "vgg19-normalised"
    assert (config.optimizer, config.pooling) == ("lbfgs", "average")
    assert set(config.layers) == {"conv1_1", "pool1", "pool2", "pool3", "pool4"}
    assert set(config.layers.values()) == {1.0}
    assert scheme.losses == (Term("paper-gram"),)
    assert (scheme.iterations, scheme.start, scheme.levels) == (2000, "noise", 1)
    assert (scheme.margin, scheme.pad, scheme.trim, scheme.detail) == (0, 0, 0, False)
    assert scheme.match_colours


def test_paper_differs_from_gatys_in_network_loss_steps_and_colours():
    paper, gatys = (presets.choose(Config(preset=name), None) for name in ("paper", "gatys"))
    fields = dataclasses.asdict(paper)
    different = {key for key, value in dataclasses.asdict(gatys).items() if fields[key] != value}
    assert different == {"name", "losses", "iterations", "match_colours"}


def test_natural_and_regular_are_what_was_found_best():
    natural, regular_ = (
        presets.choose(Config(preset=name), None) for name in ("natural", "regular")
    )
    faint = Term("contrast-gram", 30), Term("scaled-gram", 0.1), Term("band-power", 0.03)
    together = Term("correspondence", 0.1)
    assert (natural.name, natural.start) == ("natural", "phase")
    assert natural.losses == (Term("gram"), *faint, together)
    assert regular_.losses == (Term("gram"), *faint, Term("autocorrelation"), together)
    assert (regular_.name, regular_.start) == ("regular", "noise")
    assert (natural.frame, regular_.frame) == (0, 8)
    assert (natural.wraps, regular_.wraps) == (True, False)
    for scheme in (natural, regular_):
        assert (scheme.levels, scheme.margin, scheme.pad, scheme.trim * 256) == (None, 16, 32, 8)
        assert scheme.detail and scheme.own_units


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"preset": "natural"}, 12),
        ({"preset": "regular"}, 15),
        ({"preset": "gatys"}, 45),
        ({"preset": "natural", "iterations": 10}, 3),  # no step is lost
        ({"preset": "natural", "iterations": 1}, 1),
    ],
)
def test_quick_takes_a_quarter_of_the_steps_and_changes_nothing_else(settings, steps):
    quick = presets.choose(Config(quick=True, **settings), None)
    assert quick == dataclasses.replace(presets.choose(Config(**settings), None), iterations=steps)
    assert presets.steps(Config(quick=True, **settings), settings["preset"]) == steps


def test_quick_textures_of_statistics_take_a_quarter_too():
    assert presets.choose_for_statistics(Config(quick=True)).iterations == 45


def test_a_margin_that_is_asked_for_takes_the_place_of_wrapping():
    for margin in (0, 16):
        scheme = presets.choose(Config(preset="natural", margin=margin), None)
        assert (scheme.wraps, scheme.margin) == (False, margin)


@pytest.mark.parametrize(
    "asked", [{"layers": {"pool4": 1.0}}, {"losses": (Term("gram", 1.0, {"pool4": 1.0}),)}]
)
def test_layers_that_are_asked_for_are_taken_at_all_levels(asked):
    for others in ({}, {"losses": (Term("gram"),)}):
        assert presets.choose(Config(preset="natural", **others), None).least_positions == 6
    assert presets.choose(Config(preset="natural", **asked), None).least_positions == 0
    assert presets.choose(Config(preset="gatys"), None).least_positions == 0


def test_what_changes_over_the_image_does_not_wrap():
    for preset in ("auto", "natural"):
        scheme = presets.choose_for_change(Config(preset=preset), batch(regular()))
        assert (scheme.name, scheme.wraps, scheme.margin) == ("natural", False, 16)


def test_settings_go_before_the_preset():
    asked = {"losses": (Term("wasserstein"),), "start": "phase", "levels": 2, "margin": 0}
    asked |= {"iterations": 7, "match_colours": True}
    scheme = presets.choose(Config(preset="regular", **asked), batch(regular()))
    assert {key: getattr(scheme, key) for key in asked} == asked
