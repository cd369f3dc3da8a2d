import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from texsynth import Checkpoints, Mixture, Workshop, images
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ConfigError
from texsynth.objective.block_objective import BlockObjective
from texsynth.statistics import spectrum
from texsynth.synthesis import level_losses

pytestmark = pytest.mark.usefixtures("weights_read_once", "two_layers_measured")
SETTINGS = {
    "preset": "natural",
    "size": 48,
    "iterations": 2,
    "layers": ["conv1_1", "pool1"],
}


@pytest.fixture
def exemplars():
    return make_texture(48, 40), make_texture(48, 48, seed=1)


@pytest.mark.parametrize("way", ["transport", "average"])
def test_a_mixture_looks_as_it_did(config, exemplars, way, golden):
    settings = config(levels=2, output_size=(48, 40), precision="fp32")
    result = texsynth.mix(exemplars, (0.4, 0.6), settings, way=way)
    golden(f"mix-{way}.png", result.image)


def test_patches_of_both_are_wanted_only_if_asked_for(config, exemplars):
    """Of a preset's losses, correspondence is left out between exemplars."""
    asked = {None: False, ("gram", "correspondence"): True}
    for losses, is_there in asked.items():
        study = Mixture(Workshop(config(losses=losses, levels=2)), exemplars)
        kinds = [type(loss).__name__ for loss in study.losses]
        assert ("CorrespondenceLoss" in kinds) == is_there
    alone = Mixture(Workshop(config(levels=2)), exemplars, (1, 0))
    assert "CorrespondenceLoss" in [type(loss).__name__ for loss in alone.losses]


@pytest.mark.parametrize(
    ("shares", "deepest"), [((1, 1), "pool3"), ((1, 0), "pool4"), ((0, 1), "pool3")]
)
def test_layers_that_an_exemplar_has_few_positions_of_take_no_part(config, shares, deepest):
    """64 pixels of the second one, at the first level."""
    wide, narrow = make_texture(256, 256), make_texture(256, 128, seed=1)
    settings = config(size=0, layers=DEFAULT_LAYERS, levels=2, output_size=(128, 128))
    study = Mixture(Workshop(settings), [wide, narrow], shares)
    for number, expected in ((1, deepest), (2, "pool4")):
        loss = level_losses.at_level(study.losses, study.plan, number)[0]
        assert max(loss.layers) == expected


@pytest.mark.parametrize("shares", [(1, 0), (0, 1)])
@pytest.mark.parametrize("engine", ["plain", "winograd"])
def test_at_an_end_it_is_the_texture_of_that_exemplar(config, exemplars, shares, engine):
    settings = config(engine=engine, output_size=(40, 40), levels=2)
    found = texsynth.mix(exemplars, shares, settings)
    alone = texsynth.synthesize(exemplars[shares.index(1)], settings)
    np.testing.assert_array_equal(found.image, alone.image)
    assert found.history == alone.history
    assert found.errors == pytest.approx(alone.errors, rel=1e-5)


@pytest.mark.parametrize(
    ("preset", "way"), [("natural", "average"), ("regular", "transport"), ("gatys", "transport")]
)
def test_every_preset_mixes(config, exemplars, preset, way):
    settings = config(preset=preset, levels=None if preset == "gatys" else 2, output_size=(48, 48))
    result = texsynth.mix(exemplars, (0.3, 0.7), settings, way=way)
    assert result.image.shape == (48, 48, 3)
    assert result.history[-1][-1] < result.history[-1][0]
    assert set(result.errors) >= {"conv1_1", "pool1"}


def test_more_steps_come_nearer_to_the_mixed_gram_matrices(config, exemplars):
    few, many = (
        texsynth.mix(exemplars, None, config(preset="gatys", iterations=steps)) for steps in (1, 15)
    )
    assert all(many.errors[name] < few.errors[name] for name in ("conv1_1", "pool1"))


def test_three_mix_too_and_shares_are_in_proportion(config, exemplars):
    three = [*exemplars, make_texture(40, 48, seed=2)]
    first, second = (
        texsynth.mix(three, shares, config(levels=2)) for shares in ((1, 1, 2), (0.25, 0.25, 0.5))
    )
    np.testing.assert_array_equal(first.image, second.image)


def test_in_blocks_it_is_the_same(config, exemplars):
    settings = config(losses=["gram"], levels=1, output_size=(96, 96))
    whole = texsynth.mix(exemplars, None, settings)
    study = Mixture(Workshop(settings), exemplars)
    study.adopt({"pairs": study.pairs, "block": 32, "keep": None})
    assert isinstance(study.objective(1), BlockObjective)
    parts = texsynth.make_variation(study, 0)
    assert np.abs(whole.image.astype(int) - parts.image).max() <= 2


@pytest.mark.parametrize("mixes", [True, False])
def test_blocks_keep_nothing_of_a_network_that_ends_before(config, exemplars, mixes):
    """That of even contrast is shallower than the one for which was chosen what is kept."""
    losses = ["gram:pool3", "contrast-gram=30:pool1"]
    settings = config(losses=losses, levels=1, output_size=(96, 96), precision="fp32")
    whole, parts = (
        Mixture(Workshop(settings), exemplars) if mixes else Workshop(settings).study(exemplars[0])
        for _ in range(2)
    )
    parts.adopt({"pairs": parts.pairs, "block": 48, "keep": "conv2_1"})
    image = chainer.Parameter(images.noise(parts.plan[0].canvas_size, 0, np.full(3, 128.0)))
    found, expected = (float(study.objective(1)(image)) for study in (parts, whole))
    assert found == pytest.approx(expected, rel=1e-3)


def test_even_contrast_can_be_mixed_and_is_part_of_the_preset(config, exemplars):
    study = Mixture(Workshop(config(levels=2)), exemplars)
    assert "ContrastGramLoss" in [type(loss).__name__ for loss in study.losses]


def test_it_tiles(config, exemplars):
    result = texsynth.mix(exemplars, None, config(tile="xy", levels=2, output_size=(48, 48)))
    assert result.image.shape == (48, 48, 3)


def test_a_checkpoint_is_gone_on_from_and_belongs_to_its_shares(config, exemplars, tmp_path):
    path, settings = tmp_path / "mix.ckpt", config(losses=["gram"], levels=1, iterations=4)
    whole = texsynth.mix(exemplars, (1, 2), settings)
    texsynth.mix(
        exemplars,
        (1, 2),
        settings,
        callback=lambda progress: progress.step == 2,
        checkpoints=Checkpoints(path),
    )
    resumed = texsynth.mix(exemplars, (1, 2), settings, checkpoints=Checkpoints(resume=path))
    np.testing.assert_array_equal(resumed.image, whole.image)
    for shares, way in (((1, 3), "transport"), ((1, 2), "average")):
        with pytest.raises(ConfigError, match="another exemplar"):
            texsynth.mix(exemplars, shares, settings, way=way, checkpoints=Checkpoints(resume=path))


def test_the_result_shows_all_exemplars(config, exemplars):
    shown = texsynth.mix(exemplars, (1, 0), config(levels=1)).exemplar
    np.testing.assert_array_equal(shown, images.side_by_side(*exemplars))


def test_a_grey_one_and_a_coloured_one_give_colours(config, exemplars):
    grey = exemplars[0].copy()
    grey[...] = grey[..., :1]
    study = Mixture(Workshop(config()), [grey, exemplars[1]])
    assert not study.is_grey
    assert Mixture(Workshop(config()), [grey, exemplars[1]], (1, 0)).is_grey


def test_exemplars_of_two_kinds_take_the_preset_of_what_does_not_repeat(config, exemplars):
    tiles = np.zeros((48, 48, 3), np.uint8)
    tiles[::8], tiles[:, ::8] = 255, 255
    study = Mixture(Workshop(config(preset="auto", levels=1)), [tiles, exemplars[1]])
    assert study.scheme.name == "natural"
    assert study.scheme.why == "some of the exemplars repeat, and some do not"
    both = Mixture(Workshop(config(preset="auto", levels=1)), [tiles, tiles], (1, 0))
    assert both.scheme.name == "regular"


@pytest.mark.parametrize(
    ("number", "shares", "told"),
    [
        (1, None, "a mixture needs at least two exemplars, not 1"),
        (2, (1,), "2 exemplars need 2 shares, not 1"),
        (2, (0, 0), "at least one share must be above 0"),
        (2, (1, -1), "share must be a number of at least 0, not -1"),
        (2, (1, float("inf")), "share must be a number of at least 0, not inf"),
    ],
)
def test_what_is_no_mixture_is_one_line(config, exemplars, number, shares, told):
    with pytest.raises(ConfigError) as raised:
        texsynth.mix(exemplars[:number], shares, config())
    assert str(raised.value) == told


def test_a_way_or_a_loss_that_is_none_is_named(config, exemplars):
    with pytest.raises(ConfigError, match="way must be one of transport, average, not 'both'"):
        texsynth.mix(exemplars, None, config(), way="both")
    with pytest.raises(ConfigError, match="loss spectrum cannot be mixed"):
        texsynth.mix(exemplars, None, config(losses=["gram", "spectrum"]))


def batch(seed, size):
    return images.to_batch(make_texture(*size, seed=seed))


def test_a_spectrum_between_two_is_theirs_at_the_ends():
    first, second = batch(0, (40, 30)), batch(1, (40, 30))
    for shares, alone in (((1.0, 0.0), first), ((0.0, 1.0), second)):
        found = spectrum.random_phase_of([first, second], shares, (32, 24), 3)
        expected = spectrum.random_phase(alone, (32, 24), 3)
        amplitude, wanted = (np.abs(np.fft.rfft2(each)) for each in (found, expected))
        np.testing.assert_allclose(amplitude, wanted, rtol=1e-3, atol=1)


def test_of_grey_images_amplitudes_are_averaged():
    first, second = (images.without_colours(batch(seed, (32, 24))) for seed in (0, 1))
    found = spectrum.random_phase_of([first, second], (0.25, 0.75), (32, 24), 3)
    amplitudes = [np.abs(np.fft.rfft2(spectrum.spot(each, (24, 32)))) for each in (first, second)]
    between = np.abs(np.fft.rfft2(found - found.mean()))
    expected = 0.25 * amplitudes[0] + 0.75 * amplitudes[1]
    np.testing.assert_allclose(between[0, 0, 1:], expected[0, 0, 1:], rtol=1e-3, atol=1)
