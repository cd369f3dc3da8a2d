import gc
import itertools
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from texsynth import Checkpoints, images, metrics, optimizers, weights
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ConfigError, DivergenceError, ImageError, WeightsError
from texsynth.losses import IMAGE, GramLoss
from texsynth.metrics.seam import seam_scores
from texsynth.network import architecture, engine
from texsynth.network import device as device_module
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import block_choice, composing, memory
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.team import Alone
from texsynth.objective.whole import Objective
from texsynth.synthesis import level_losses, workshop
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.result import STOPPED
from texsynth.synthesis.workshop import Workshop
from texsynth.terms import LOSSES, Term

pytestmark = pytest.mark.usefixtures("weights_read_once")
SETTINGS = {
    "size": 32,
    "iterations": 3,
    "layers": {"conv1_1": 1, "pool1": 1, "pool2": 1},
}


@pytest.fixture
def exemplar():
    return make_texture(32, 24)


def test_result_tells_everything(config, exemplar):
    result = texsynth.synthesize(exemplar, config())
    assert result.image.shape == exemplar.shape and result.image.dtype == np.uint8
    np.testing.assert_array_equal(result.exemplar, exemplar)
    assert set(result.errors) == {"conv1_1", "pool1", "pool2", "pool3", "pool4"}
    assert [len(losses) for losses in result.history] == [3]
    assert result.reason == "all 3 steps of the last level were taken"
    assert result.evaluations >= 4
    assert result.seconds > 0


def test_compiling_is_told_and_no_time_includes_it(config, exemplar, compiled, monkeypatch, caplog):
    steps, left = LevelRun.steps, []

    def compiling(self):
        for loss in steps(self):
            compiled.seconds += 5000 if len(self.losses) == 1 else 0.5
            yield loss

    monkeypatch.setattr(LevelRun, "steps", compiling)
    with caplog.at_level("INFO", "texsynth"):
        result = texsynth.synthesize(
            exemplar,
            config(engine="plain"),
            callback=lambda progress: left.append(progress.seconds_left),
        )
    assert 0 < result.seconds < 2500 and max(left) < 2500
    told = [each for each in caplog.messages if "compiling" in each]
    assert told == ["compiling took 83 min; times are told without it"]


def test_the_loss_falls_and_so_do_the_errors(config, exemplar):
    short = texsynth.synthesize(exemplar, config(preset="gatys", iterations=1))
    long = texsynth.synthesize(exemplar, config(preset="gatys", iterations=40))
    losses = long.history[0]
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < 0.02 * losses[0]
    for layer in config().layers:
        assert long.errors[layer] < 0.5 * short.errors[layer]


def test_errors_are_those_of_the_8_bit_image(config, exemplar, random_weights):
    """Gram matrices computed here, layer by layer, are the oracle."""
    from texsynth.compat import chainer

    F = chainer.functions
    result = texsynth.synthesize(exemplar, config())

    def gram(pixels):
        bgr = pixels.astype(np.float32).transpose(2, 0, 1)[None, ::-1]
        W, b = random_weights.tensors["conv1_1"]
        h = F.relu(F.convolution_2d(bgr - random_weights.mean.reshape(1, 3, 1, 1), W, b, pad=1))
        flat = h.array.reshape(64, -1).astype(np.float64)
        return flat @ flat.T

    target = gram(exemplar)
    expected = np.linalg.norm(gram(result.image) - target) / np.linalg.norm(target)
    assert result.errors["conv1_1"] == pytest.approx(expected, rel=1e-4)


def test_same_seed_same_image_and_another_seed_another(config, exemplar):
    first, again, other = (
        texsynth.synthesize(exemplar, config(seed=seed)).image for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_output_size_is_free_of_the_exemplars(config, exemplar):
    result = texsynth.synthesize(exemplar, config(output_size=(21, 45)))
    assert result.image.shape == (45, 21, 3)
    assert result.exemplar.shape == exemplar.shape


def test_size_scales_the_exemplar_first(config):
    result = texsynth.synthesize(make_texture(60, 30), config(size=40))
    assert result.exemplar.shape == result.image.shape == (20, 40, 3)


def test_drifts_are_taken_out_of_the_exemplar_at_its_size(config):
    drifting = np.uint8(make_texture(60, 60) * np.linspace(0.4, 1, 60)[:, None])
    result = texsynth.synthesize(drifting, config(size=40, flatten=12))
    wanted = images.without_drift(images.fit(images.to_batch(drifting), (40, 40)), 12)
    np.testing.assert_array_equal(result.exemplar, images.to_pixels(wanted))
    plain = texsynth.synthesize(drifting, config(size=40))
    assert (plain.image != result.image).any()
    again = texsynth.synthesize(result.exemplar, config(size=40))
    assert np.abs(again.image.astype(int) - result.image).mean() < 3  # it was rounded between


def test_init_is_where_it_starts(config, exemplar):
    """The exemplar itself has loss zero, and nothing remains to be done."""
    result = texsynth.synthesize(exemplar, config(preset="gatys"), init=exemplar)
    np.testing.assert_array_equal(result.image, exemplar)
    assert result.reason == "the gradient is zero"


def test_init_of_another_size_is_resized(config, exemplar):
    result = texsynth.synthesize(exemplar, config(), init=make_texture(7, 9))
    assert result.image.shape == exemplar.shape


def test_init_lies_within_the_frame_and_is_mirrored_beyond(config, exemplar):
    study = Workshop(config(preset="regular", levels=2)).study(exemplar)
    level, init = study.plan[0], images.to_batch(make_texture(50, 40))
    begun = study.begun_from(init)
    assert begun.shape[:1:-1] == level.framed_size and level.frame == (8, 8)
    within = images.resize(init, level.output_size)
    np.testing.assert_array_equal(images.centre(begun, level.output_size), within)
    np.testing.assert_array_equal(begun[:, :, 8:-8, :8], within[..., 7::-1])
    np.testing.assert_array_equal(study.begun(1, begun), begun)


def test_levels_go_from_coarse_to_fine(config, exemplar):
    seen = []
    settings = config(levels=2, margin=0)
    result = texsynth.synthesize(
        exemplar, settings, callback=lambda p: seen.append((p.level, p.step, p.size))
    )
    assert seen[0] == (1, 1, (16, 12)) and seen[6] == (2, 1, (32, 24))
    assert [len(losses) for losses in result.history] == [6, 3]


def test_progress_counts_up_to_one(config, exemplar):
    seen = []
    texsynth.synthesize(exemplar, config(preset="gatys", levels=2), callback=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    # A quarter of the pixels, twice as many steps at the coarse level.
    assert fractions[5] == pytest.approx(1 / 3)
    assert seen[-1].pixels().shape == exemplar.shape
    assert seen[0].levels == 2 and seen[0].steps == 6
    evaluations = [progress.evaluations for progress in seen]
    assert evaluations == sorted(evaluations)


@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_callback_can_stop_it_and_gets_the_image_at_full_size(config, exemplar, stop_at):
    seen = []

    def stop(progress):
        seen.append(progress)
        return len(seen) == stop_at

    result = texsynth.synthesize(exemplar, config(levels=2), callback=stop)
    assert len(seen) == stop_at
    assert result.image.shape == exemplar.shape
    assert result.reason == STOPPED


@pytest.mark.parametrize("preset", ["natural", "gatys"])
@pytest.mark.parametrize("levels", [None, 2])
def test_with_no_steps_the_texture_is_what_it_starts_from(config, exemplar, preset, levels):
    start = np.random.default_rng(0).random(exemplar.shape) * 255
    asked = config(iterations=0, preset=preset, levels=levels)
    result = texsynth.synthesize(exemplar, asked, init=start)
    np.testing.assert_array_equal(result.values, start)
    np.testing.assert_array_equal(result.image, np.rint(start))
    assert (result.history, result.evaluations) == ([[]], 0)
    assert result.reason == "no steps were asked for" and result.is_finished


def test_with_no_steps_and_no_image_it_is_noise(config, exemplar):
    result = texsynth.synthesize(exemplar, config(iterations=0))
    assert result.image.shape == exemplar.shape and result.image.std() > 5


def test_values_are_the_image_unrounded(config, exemplar):
    result = texsynth.synthesize(exemplar, config(iterations=2))
    assert result.values.dtype == np.float32
    assert 0 <= result.values.min() < result.values.max() <= 255
    np.testing.assert_array_equal(np.rint(result.values), result.image)
    assert not np.array_equal(result.values, result.image)


def test_an_exemplar_is_measured_at_full_depth(config, exemplar):
    between = exemplar + np.random.default_rng(0).uniform(-0.4, 0.4, exemplar.shape)
    between = np.clip(between, 0, 255)
    plain, deep = (texsynth.synthesize(each, config(iterations=2)) for each in (exemplar, between))
    assert plain.history != deep.history
    np.testing.assert_array_equal(plain.exemplar, deep.exemplar)


def test_pixels_stay_within_the_range(config):
    """Without the penalty, an exemplar of black and white drives pixels far out."""
    exemplar = np.where(make_texture(32, 32) > 128, 255, 0).astype(np.uint8)

    def excess(range_weight):
        settings = config(preset="gatys", iterations=30, range_weight=range_weight)
        last = []
        texsynth.synthesize(exemplar, settings, callback=last.append)
        x = last[-1]._run.pixels()
        return np.abs(x - np.clip(x, 0, 255)).mean()

    assert excess(1e-4) < 0.3 * excess(0.0)


def test_pooling_and_layers_change_the_result(config, exemplar):
    images = [
        texsynth.synthesize(exemplar, config(**settings)).image
        for settings in ({}, {"pooling": "max"}, {"layers": {"conv1_1": 1}})
    ]
    assert (images[0] != images[1]).any() and (images[0] != images[2]).any()


def test_adam_lowers_the_loss(config, exemplar):
    result = texsynth.synthesize(exemplar, config(optimizer="adam", iterations=40))
    assert result.history[0][-1] < 0.3 * result.history[0][0]


@pytest.mark.parametrize(
    "pixels", [np.zeros((32, 32, 3)), np.full((32, 32, 3), 255), np.full((32, 32, 3), 77)]
)
def test_plain_exemplars_end_in_an_image(config, pixels):
    result = texsynth.synthesize(pixels, config(iterations=10))
    assert result.image.shape == (32, 32, 3)


def test_too_small_for_the_deepest_layer(config):
    with pytest.raises(ConfigError, match="exemplar of 4x3 px is too small"):
        texsynth.synthesize(make_texture(4, 3), config(size=0))


def test_bad_arrays_and_weights_are_refused(config, exemplar):
    with pytest.raises(ImageError, match=r"must be a .height, width, 3. array"):
        texsynth.synthesize(exemplar[..., 0], config())
    with pytest.raises(ImageError, match=r"must be a .height, width, 3. array"):
        texsynth.synthesize(exemplar, config(), init=exemplar[0])
    with pytest.raises(WeightsError, match=r"no such weights file: nowhere.npz"):
        texsynth.synthesize(exemplar, config(weights="nowhere.npz"))


def test_the_library_prints_nothing(config, exemplar, capfd):
    texsynth.synthesize(exemplar, config())
    assert capfd.readouterr() == ("", "")


GOLDEN = {
    "gatys": {},
    "adam": {"optimizer": "adam"},
    "max_pooling": {"pooling": "max"},
    "two_levels": {"levels": 2},
    "output_size": {"output_size": (40, 20)},
    "layers": {"layers": {"conv1_2": 1, "conv2_1": 0.1}},
    "seed": {"seed": 7},
    "natural": {"preset": "natural", "levels": 2},
    "regular": {"preset": "regular", "levels": 2},
    "margin": {"margin": 6},
    "phase": {"start": "phase"},
    "match_colours": {"match_colours": True},
    "paper": {"preset": "paper", "network": "vgg16", "iterations": 3},
    "vgg19": {"network": "vgg19"},
    "components": {"components": 8},
    "flatten": {"flatten": 8},
    "quick": {"preset": "natural", "levels": 2, "iterations": 11, "quick": True},
}
GOLDEN |= {
    loss: {"losses": (Term("gram"), Term(loss, 0.3, None if kind.on_pixels else {"pool1": 1}))}
    for loss, kind in LOSSES.items()
    if loss != "gram"
}
GOLDEN["correspondence"]["levels"] = 2  # it takes part at the coarser one


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_image(name, config, exemplar, golden, random_vgg19_file):
    # Without rounding to bfloat16, which some processors have and others have not.
    settings = {"preset": "gatys", "precision": "fp32", **GOLDEN[name]}
    if settings.get("network") == "vgg19":
        settings |= {"weights": str(random_vgg19_file), "layers": {"conv1_1": 1, "conv3_4": 1}}
    golden(f"{name}.png", texsynth.synthesize(exemplar, config(**settings)).image)


def test_golden_image_of_statistics_alone(config, exemplar, golden):
    """Of the average of two exemplars."""
    several = [texsynth.measure(each, config()) for each in (exemplar, exemplar[::-1, ::2] // 2)]
    settings = config(preset="gatys", precision="fp32")
    texture = texsynth.synthesize(texsynth.Statistics.average(several), settings)
    golden("statistics.png", texture.image)


def test_the_network_is_what_the_settings_say(config, exemplar, random_vgg19_file):
    settings = {"network": "vgg19", "weights": str(random_vgg19_file)}
    result = texsynth.synthesize(exemplar, config(**settings, layers={"conv3_4": 1}))
    assert "conv3_4" in result.errors
    assert result.weights_sha256 == weights.load(random_vgg19_file, "vgg19").checksum()
    with pytest.raises(WeightsError, match=r"has conv3_4, .*is it VGG19 \(--network vgg19\)"):
        texsynth.synthesize(exemplar, config(**settings | {"network": "vgg16"}))


def test_memory_is_planned_for_the_network(config, exemplar, random_vgg19_file):
    needed = memory.whole_bytes("winograd", ["pool3"], (272, 304), table=architecture.VGG19)
    assert needed > memory.whole_bytes("winograd", ["pool3"], (272, 304))
    settings = {"network": "vgg19", "weights": str(random_vgg19_file), "layers": {"pool3": 1}}
    settings |= {"engine": "winograd", "preset": "gatys", "output_size": (304, 272)}
    settings |= {"precision": "fp32"}
    for budget, is_in_blocks in ((needed, False), (needed - 1, True)):
        study = Workshop(config(**settings, memory=budget)).study(exemplar)
        assert study.is_in_blocks == is_in_blocks


def test_golden_image_from_an_image(config, exemplar, golden):
    settings = config(preset="gatys", precision="fp32")
    result = texsynth.synthesize(exemplar, settings, init=make_texture(32, 24, seed=5))
    golden("init.png", result.image)


def test_the_precision_that_was_computed_with_is_told(config, exemplar):
    for name, wanted, told in (
        ("plain", "auto", "fp32"),
        ("winograd", "fp32", "fp32"),
        ("winograd", "auto", engine.precision_of("winograd", "auto")),
    ):
        result = texsynth.synthesize(exemplar, config(engine=name, precision=wanted))
        assert result.environment["precision"] == told
        assert result.account()["texsynth:precision"] == told


@pytest.mark.parametrize(("precision", "noise"), [("fp32", 0.0), ("bf16", 1e-3)])
def test_the_optimizer_allows_for_what_rounding_does(
    config, exemplar, monkeypatch, precision, noise
):
    told, make = [], optimizers.make
    monkeypatch.setattr(optimizers, "make", lambda *asked: told.append(asked[-1]) or make(*asked))
    workshop = Workshop(config(engine="plain", levels=1, preset="gatys"))
    workshop.precision = precision  # whatever this processor has
    make_variation(workshop.study(exemplar), 0)
    assert told == [noise]


@pytest.mark.parametrize(("side", "by"), [(159, "plain"), (160, "winograd")])
def test_what_is_large_enough_is_measured_by_the_fast_engine(config, monkeypatch, side, by):
    told = []
    monkeypatch.setattr(metrics, "gram_errors", lambda *asked: told.append(asked[-2]) or {})
    settings = {"size": 0, "levels": 1, "preset": "gatys", "engine": "winograd", "iterations": 1}
    texsynth.synthesize(make_texture(side, 160), config(**settings, output_size=(160, side)))
    assert told == [by]


def test_noise_start_has_the_output_size_of_the_coarsest_level(config, exemplar, monkeypatch):
    sizes = []
    noise = images.noise
    monkeypatch.setattr(
        images, "noise", lambda size, *rest: sizes.append(size) or noise(size, *rest)
    )
    texsynth.synthesize(exemplar, config(preset="gatys", levels=2, output_size=(64, 40)))
    assert sizes == [(32, 20)]


def test_the_start_is_left_alone(config, exemplar):
    start = make_texture(32, 24, seed=4)
    before = start.copy()
    texsynth.synthesize(exemplar, config(), init=start)
    np.testing.assert_array_equal(start, before)


def test_defaults_are_taken_without_a_config(monkeypatch):
    asked = []
    monkeypatch.setattr(device_module, "select", lambda gpu: asked.append(gpu) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        texsynth.synthesize(make_texture(8, 8))
    assert asked == [-1]


def test_divergence_is_an_error(config, exemplar):
    with pytest.raises(DivergenceError, match=r"not finite, .* after \d+ evaluations; try smaller"):
        texsynth.synthesize(exemplar, config(optimizer="adam", learning_rate=1e38, iterations=2))


def test_margins_are_made_at_each_level_and_cut_away(config, exemplar):
    seen = []

    def look(progress):
        assert progress.pixels().shape[1::-1] == progress.size
        seen.append((progress.size, progress._run.pixels().shape[:1:-1]))

    result = texsynth.synthesize(exemplar, config(levels=2, margin=8), callback=look)
    width, height = exemplar.shape[1::-1]
    assert result.image.shape == exemplar.shape
    assert seen[0] == ((width // 2, height // 2), (width // 2 + 8, height // 2 + 8))
    assert seen[-1] == ((width, height), (width + 16, height + 16))


def test_the_callers_losses_are_of_their_layers_at_each_level(config, exemplar):
    settings = config(preset="natural", layers=DEFAULT_LAYERS, levels=2, size=128)
    for losses, expected in ((None, 4), ([GramLoss(dict.fromkeys(DEFAULT_LAYERS, 1.0))], 5)):
        study = Workshop(settings, losses).study(exemplar[:24, :24])
        assert len(level_losses.at_level(study.losses, study.plan, 1)[0].layers) == expected


@pytest.mark.parametrize("components", [None, 8])
def test_a_texture_of_the_default_layers_through_levels(components, config, exemplar):
    """That of the first level is of fewer layers, by a network that shares the other's kernels."""
    settings = config(
        preset="natural", layers=DEFAULT_LAYERS, levels=2, size=128, components=components
    )
    workshop = Workshop(settings)
    result = make_variation(workshop.study(exemplar[:24, :24]), 0)
    assert [len(losses) for losses in result.history] == [6, 3]
    assert all(losses[-1] < losses[0] for losses in result.history)
    assert set(result.errors) >= {"conv1_1"}
    depths = {max(layers) for layers in workshop._features if layers}
    assert depths == {"pool2", "pool3", "pool4"}  # even contrast, the first level, full size
    if workshop.engine == "winograd":
        made = [features for layers, features in workshop._features.items() if layers]
        stages = [features._network._stages[1] for features in made]
        assert len(stages) == 3
        assert len({id(stage.forward_weights) for stage in stages}) == 1
        assert len({id(stage.backward_weights) for stage in stages}) == 1


@pytest.mark.parametrize("size", [(96, 96), (83, 90)])
def test_what_wraps_is_made_without_edges_at_each_level_and_cut_in_the_end(size, config, exemplar):
    seen = []

    def look(progress):
        assert progress.pixels().shape[1::-1] == progress.size
        seen.append(progress._run.pixels())

    settings = config(preset="natural", levels=2, output_size=size, iterations=12)
    result = texsynth.synthesize(exemplar, settings, callback=look)
    assert (seen[0].shape[2:], seen[-1].shape[2:]) == ((48, 48), (96, 96))
    whole = images.to_pixels(seen[-1])
    left, top = ((96 - side) // 2 for side in size)
    np.testing.assert_array_equal(result.image, whole[top : top + size[1], left : left + size[0]])
    is_whole = size == (96, 96)
    assert (max(seam_scores(result.image).values()) < 2) == is_whole  # what is cut does not tile


def test_losses_of_the_caller_take_the_place_of_the_configured(config, exemplar):
    class Mean:
        layers = (IMAGE,)

        def target(self, activations):
            return chainer.as_array(activations[IMAGE]).mean()

        def measure(self, activations, target):
            return (chainer.functions.mean(activations[IMAGE]) - target - 40) ** 2

    result = texsynth.synthesize(exemplar, config(preset="gatys"), losses=[Mean()])
    assert result.image.mean() == pytest.approx(exemplar.mean() + 40, abs=1)
    assert result.history[-1][-1] < 1e-3


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "correspondence"])
def test_every_loss_can_be_the_only_one_and_falls(loss, config, exemplar):
    term = Term(loss, 1.0, None if LOSSES[loss].on_pixels else {"pool1": 1.0})
    result = texsynth.synthesize(exemplar, config(losses=(term,), iterations=6))
    assert result.history[-1][-1] < 0.8 * result.history[-1][0]


def test_correspondence_takes_part_at_the_coarser_level_only(config, exemplar):
    study = Workshop(
        config(levels=2, losses=(Term("gram"), Term("correspondence", 0.5, {"pool2": 1.0})))
    ).study(exemplar)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 24, 32)).astype(np.float32)
    send = study.workshop.device.send
    with_it = study.objective(1), study.objective(2)
    study.losses = [loss for loss in study.losses if not level_losses.is_coarse(loss)]
    study._objectives.clear()
    without = study.objective(1), study.objective(2)
    values = [
        float(objective(chainer.Variable(send(images.resize(image, level.canvas_size)))))
        for objectives in (with_it, without)
        for objective, level in zip(objectives, study.plan, strict=True)
    ]
    assert values[0] > values[2] + 0.1  # about 2 times .5 if nothing corresponds
    assert values[1] == values[3]


def test_what_is_large_is_optimised_in_usual_colours(config, exemplar):
    """For two images more would count then."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 5)).astype(np.float32)
    for side, is_usual in ((2048, False), (2064, True)):
        settings = config(preset="natural", output_size=(side, side), levels=1)
        found = Workshop(settings).study(exemplar).colours.coordinates(image)
        assert (found is image) == is_usual


def test_correspondence_alone_or_at_one_level_is_refused(config, exemplar):
    term = Term("correspondence")
    with pytest.raises(ConfigError, match="loss correspondence needs another beside it"):
        texsynth.synthesize(exemplar, config(losses=(term,)))
    with pytest.raises(ConfigError, match="loss correspondence takes part at levels that are"):
        texsynth.synthesize(exemplar, config(losses=(Term("gram"), term), levels=1))


@pytest.mark.parametrize("size", [(48, 36), (90, 41)])
def test_phase_start_of_any_size(size, config, exemplar):
    result = texsynth.synthesize(exemplar, config(start="phase", output_size=size))
    assert result.image.shape[1::-1] == size
    assert result.scheme.start == "phase"


@pytest.mark.slow
def test_little_memory_makes_blocks_and_the_same_image(config, exemplar, caplog):
    """What fits is told; the image is that of the whole, to what few steps make of rounding."""
    caplog.set_level("INFO")
    settings = {"preset": "natural", "output_size": (272, 240), "levels": 1, "precision": "fp32"}
    layers = {"conv1_1": 1, "pool1": 1}
    whole = texsynth.synthesize(exemplar, config(layers=layers, **settings))
    assert "memory" not in caplog.text
    needed = memory.whole_bytes("winograd", ["conv1_1", "pool1"], (272, 304))
    needed += composing.image_bytes((272, 304))
    in_blocks = texsynth.synthesize(
        exemplar, config(layers=layers, memory=int(needed * 0.8), **settings)
    )
    assert re.search(r"memory: \d+ MB of \d+ MB: \d+ blocks of", caplog.text)
    assert re.search(r"time: about \d+ s per evaluation at full size, \d+ s in total", caplog.text)
    assert np.abs(whole.image.astype(int) - in_blocks.image).max() <= 2
    np.testing.assert_allclose(whole.history[-1], in_blocks.history[-1], rtol=1e-3)


def test_a_loss_that_needs_the_whole_image_is_refused_in_blocks(config, exemplar):
    needed = memory.whole_bytes("winograd", ["conv1_1", "pool1", "pool2"], (272, 304))
    settings = {"preset": "regular", "output_size": (272, 240), "memory": int(needed * 0.9)}
    message = r"loss autocorrelation needs .*; the whole image needs \d+ MB .*--preset natural"
    with pytest.raises(ConfigError, match=message):
        texsynth.synthesize(exemplar, config(**settings))


@pytest.mark.slow
def test_a_large_exemplar_counts_too(config, caplog):
    caplog.set_level("INFO")
    settings = {"preset": "natural", "output_size": (32, 32), "levels": 1, "memory": "420MB"}
    texsynth.synthesize(make_texture(400, 400), config(size=0, iterations=1, **settings))
    assert "blocks of" in caplog.text


def test_too_little_memory_says_how_much_is_needed(config, exemplar):
    with pytest.raises(ConfigError, match=r"memory must be at least .* for .*, not 1 MB$"):
        texsynth.synthesize(exemplar, config(preset="natural", memory="1MB"))


def test_out_of_memory_halves_the_blocks_and_goes_on(random_weights, exemplar, caplog):
    features, failures = VGGFeatures(random_weights, ["conv1_1"]), [MemoryError, MemoryError]

    def failing(image, wrap=(False, False)):
        if chainer.config.enable_backprop and failures:
            raise failures.pop()
        return features(image, wrap)

    failing.table = features.table
    batch = images.to_batch(exemplar)
    objective = BlockObjective(failing, [GramLoss({"conv1_1": 1.0})], batch, block=256)
    candidate = chainer.Parameter(np.full((1, 3, 80, 70), 99, np.float32))
    assert objective(candidate) > 0
    assert candidate.grad.shape == candidate.shape
    assert "halving the blocks to 64 px" in caplog.text


IN_BLOCKS = {"preset": "natural", "losses": "gram", "levels": 1, "iterations": 1}
IN_BLOCKS["output_size"] = (272, 240)


def free_memory(monkeypatch, share):
    """Lets so much of what the whole of ``IN_BLOCKS`` takes be free; returns how much that is."""
    layers = ["conv1_1", "pool1", "pool2"]
    free = int(share * memory.whole_bytes("plain", layers, (272, 304)))
    monkeypatch.setattr(block_choice, "available", lambda device: free)
    return free


@pytest.mark.parametrize(("share", "is_in_blocks"), [(1.3, False), (1.2, True)])
def test_a_fifth_of_what_is_free_is_left(share, is_in_blocks, config, exemplar, monkeypatch):
    free_memory(monkeypatch, share)
    study = Workshop(config(engine="plain", margin=16, **IN_BLOCKS)).study(exemplar)
    assert study.is_in_blocks == is_in_blocks


def test_where_memory_is_short_it_is_measured_in_it_too(config, exemplar, monkeypatch):
    """In small blocks, after what evaluations held was let go of, at a level's end and here."""
    told, rest = [], BlockObjective.rest
    monkeypatch.setattr(metrics, "gram_errors", lambda *asked: told.append(asked[-1]) or {})
    monkeypatch.setattr(BlockObjective, "rest", lambda self: told.append("rest") or rest(self))
    settings = {"engine": "plain", "preset": "natural", "losses": "gram", "levels": 1}
    study = Workshop(config(**settings)).study(exemplar)
    make_variation(study, 0)
    study.adopt({"pairs": 5, "block": 32, "keep": None})
    make_variation(study, 0)
    assert told == [512, "rest", "rest", 256]


def test_blocks_of_what_tiles_are_planned_as_it_wraps(config, exemplar, monkeypatch, caplog):
    """Their windows go on at the edges."""
    caplog.set_level("INFO")
    free = free_memory(monkeypatch, 1.0)
    Workshop(config(engine="plain", tile="xy", **IN_BLOCKS)).study(exemplar)
    layers = ["conv1_1", "pool1", "pool2"]
    wrapped, plain = (
        block_choice.choose(0.8 * free, (240, 272), layers, "plain", wrap).description
        for wrap in ((True, True), (False, False))
    )
    assert wrapped in caplog.text and plain not in caplog.text


def test_networks_are_there_before_the_clock_starts(config, exemplar):
    settings = {"engine": "plain", "preset": "natural", "levels": 1, "layers": ["conv1_1"]}
    study = Workshop(config(**settings)).study(exemplar)
    study.make_network()
    made = set(study.workshop._features)
    assert len(made) == 2  # that of the image, and that of its even contrast
    study.objective(1)
    assert {layers for layers in study.workshop._features if layers} == made


def test_another_plan_of_memory_makes_other_objectives(config, exemplar):
    study = Workshop(config(engine="plain", preset="natural", levels=1)).study(exemplar)
    assert study.objective(1).block is None and study.objective(1) is study.objective(1)
    study.adopt({"pairs": 5, "block": 32, "keep": None})
    assert (study.pairs, study.objective(1).block) == (5, 32)
    assert study.memory_plan == {"pairs": 5, "block": 32, "keep": None}


def test_the_pace_is_that_of_loss_and_gradient(config, monkeypatch):
    """A clock that ticks once a look: a pass forward, 0.42 of it all, took a second."""
    monkeypatch.setattr(workshop.time, "perf_counter", itertools.count().__next__)
    pace = Workshop(config(engine="plain")).pace(["conv1_1"])
    assert pace == pytest.approx(1 / 0.42 / 256**2)


def test_time_in_all_counts_every_level(config, exemplar, monkeypatch, caplog):
    """Three steps at full size, and six at a quarter of its pixels."""
    caplog.set_level("INFO")
    free_memory(monkeypatch, 0.9)
    monkeypatch.setattr(Workshop, "pace", lambda self, layers: 5e-4)
    settings = {**IN_BLOCKS, "iterations": 3, "levels": 2, "margin": 16}
    Workshop(config(engine="plain", **settings)).study(exemplar)
    told = re.search(r"about (\d+) s per evaluation at full size, (\d+) min in total", caplog.text)
    once, total = map(int, told.groups())
    assert total == pytest.approx((3 + 6 / 4) * once / 60, abs=0.6)
    assert total >= 2


def test_processes_of_one_machine_share_its_processor(config, monkeypatch):
    shared = []
    monkeypatch.setattr(engine, "share_processor", lambda *told: shared.append(told))
    Workshop(config(engine="plain"), team=SimpleNamespace(size=4, neighbours=2))
    assert shared == [("plain", 2)]


def test_processes_refuse_what_cannot_be_shared_whatever_its_size(config, exemplar):
    """Even where the texture is too small to be shared out, and before there is a network."""
    shared = Workshop(config(preset="regular"), team=SimpleNamespace(size=2, neighbours=2))
    with pytest.raises(ConfigError, match="loss autocorrelation needs the whole image at once"):
        shared.study(exemplar)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, None])
def test_another_process_can_stop_it_before_each_evaluation_and_after_each_step(
    config, exemplar, stop_at
):
    """And all are asked whether the state is saved: one that is not leaves the others waiting."""
    asked = []

    class Beside(Alone):
        def any(self, flag):
            asked.append(flag)
            return len(asked) == stop_at

    result = texsynth.synthesize(exemplar, config(preset="gatys"), team=Beside())
    assert (result.reason == STOPPED) == (stop_at is not None)
    assert len(asked) == (result.evaluations + 3 if stop_at is None else stop_at) + 1


@pytest.mark.parametrize("stop_at", [1, 2])
def test_one_answer_ends_it_even_while_the_time_is_tried(config, exemplar, stop_at):
    """There is a trial of each of the two levels before the first step."""
    answers = iter([number == stop_at for number in range(1, 1000)])
    settings = config(preset="gatys", levels=2, iterations=40)
    result = texsynth.synthesize(exemplar, settings, stop=lambda: next(answers))
    assert (result.reason, result.history, result.evaluations) == (STOPPED, [[]], 0)
    assert result.image.shape == exemplar.shape


def test_stopped_at_a_coarse_level_what_tiles_is_enlarged_as_it_wraps(config, exemplar):
    seen = []

    def stop(progress):
        seen.append(progress._run.pixels())
        return True

    result = texsynth.synthesize(
        exemplar, config(preset="gatys", tile="xy", levels=2), callback=stop
    )
    assert seen[0].shape[2:] == (12, 16)
    wrapped, plain = (images.resize(seen[0], (32, 24), wrap) for wrap in ((True, True), (0, 0)))
    np.testing.assert_array_equal(result.image, images.to_pixels(wrapped))
    assert (result.image != images.to_pixels(plain)).any()


def test_a_level_that_is_done_holds_no_memory(config, exemplar):
    """Of the optimizer, twenty pairs of images; not even until the collector comes by itself."""
    gc.collect()
    alive = []

    def look(progress):
        # By type: a dead weak proxy that is among them answers nothing else.
        found = (issubclass(type(each), optimizers.LBFGS) for each in gc.get_objects())
        alive.append(sum(found))

    gc.disable()
    try:
        settings = config(preset="gatys", levels=3, iterations=1)
        texsynth.synthesize(exemplar, settings, callback=look)
    finally:
        gc.enable()
    assert alive == [1] * 8


def test_what_comes_to_nothing_at_a_later_level_ends_in_the_image_so_far(
    config, exemplar, monkeypatch
):
    evaluate = Objective.__call__

    def failing(self, pixels):
        loss = evaluate(self, pixels)
        return math.nan if pixels.shape[2:] == (24, 32) else loss

    monkeypatch.setattr(Objective, "__call__", failing)
    result = texsynth.synthesize(exemplar, config(preset="gatys", levels=2))
    assert result.reason == "the loss of the start is not finite"
    assert [len(losses) for losses in result.history] == [6, 0]
    assert result.image.shape == exemplar.shape and result.image.std() > 10


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "gatys"},
        {"preset": "natural", "levels": 2},
        {"preset": "regular", "levels": 1},
        {"preset": "gatys", "optimizer": "adam"},
        {"preset": "gatys", "match_colours": True},
    ],
    ids=str,
)
def test_a_grey_exemplar_gives_a_grey_texture(settings, config, exemplar):
    grey = np.repeat(exemplar[..., :1], 3, axis=2)
    image = texsynth.synthesize(grey, config(iterations=20, **settings)).image.astype(int)
    assert np.ptp(image, axis=2).max() == 0
    assert image.std() > 0.5 * grey.std()


def test_a_grey_exemplar_may_start_from_colours(config, exemplar):
    grey = np.repeat(exemplar[..., :1], 3, axis=2)
    image = texsynth.synthesize(grey, config(preset="gatys"), init=exemplar).image.astype(int)
    assert np.ptp(image, axis=2).max() == 0


def test_grey_is_gone_on_with(config, exemplar, tmp_path):
    grey = np.repeat(exemplar[..., :1], 3, axis=2)
    settings = config(iterations=8, preset="natural", levels=2)
    whole = texsynth.synthesize(grey, settings)
    path = tmp_path / "run.ckpt"
    texsynth.synthesize(
        grey,
        settings,
        checkpoints=Checkpoints(path, every=1),
        callback=lambda progress: progress.level == 2 and progress.step == 3,
    )
    resumed = texsynth.synthesize(grey, settings, checkpoints=Checkpoints(resume=path))
    np.testing.assert_array_equal(resumed.image, whole.image)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"size": 0, "output_size": (128, 64)}, "32x24 px says little of what lies far apart"),
        ({"size": 160}, r"32x24 px is enlarged 5\.0 times"),
        ({"size": 0, "output_size": (64, 64)}, None),
    ],
)
def test_it_is_said_when_an_exemplar_is_too_small(settings, told, config, exemplar, caplog):
    Workshop(config(preset="gatys", **settings)).study(exemplar)
    assert bool(re.search(told or "exemplar of", caplog.text)) == bool(told)
