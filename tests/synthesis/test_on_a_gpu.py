"""Whole syntheses on a GPU by its engine: as on the CPU, the same every time, and gone on with."""

import dataclasses
import re

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from tests.synthesis.conftest import after
from texsynth import Checkpoints, Config, images, optimizers, weights
from texsynth.compat import chainer
from texsynth.errors import ConfigError, DivergenceError
from texsynth.objective import block_choice, blocks, memory
from texsynth.objective.block_objective import BlockObjective
from texsynth.optimizers import LBFGS, DeviceAdam, DeviceLBFGS
from texsynth.synthesis import sources, workshop
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.result import STOPPED
from texsynth.synthesis.workshop import Workshop

pytestmark = pytest.mark.gpu


@pytest.fixture
def config(gpu, random_weights_file):
    """``config(...)``: settings of something small."""

    def config(**settings):
        defaults = {
            "size": 16,
            "iterations": 6,
            "levels": 1,
            "preset": "gatys",
            "layers": {"conv1_1": 1, "pool1": 1},
            "weights": str(random_weights_file),
            "gpu": 0,
        }
        return Config(**{**defaults, **settings})

    return config


@pytest.fixture
def quick(monkeypatch, random_weights):
    """What takes longer than the small syntheses themselves is left out."""
    monkeypatch.setattr(sources.metrics, "gram_errors", lambda *arguments: {})
    monkeypatch.setattr(weights, "load", lambda path, network="vgg16": random_weights)


@pytest.fixture
def exemplar():
    return make_texture(18, 16)


def same(one, other):
    np.testing.assert_array_equal(one.image, other.image)
    assert one.history == other.history
    assert one.errors == other.errors
    assert one.reason == other.reason


def test_auto_is_the_engine_for_a_gpu(config, exemplar):
    result = texsynth.synthesize(exemplar, config())
    assert result.engine == "cuda"
    assert result.errors.keys() == {"conv1_1", "pool1", "pool2", "pool3"}


@pytest.mark.parametrize(("optimizer", "kind"), [("lbfgs", DeviceLBFGS), ("adam", DeviceAdam)])
def test_evaluations_are_recorded_and_steps_decided_there(config, exemplar, optimizer, kind):
    study = Workshop(config(optimizer=optimizer)).study(exemplar)
    study.workshop.device.use()
    run = LevelRun(study, 1, np.zeros((1, 3, 14, 16), np.float32))
    assert type(run._optimizer) is kind
    assert type(run._objective).__name__ == "CapturedObjective"


def test_evaluations_of_even_contrast_are_recorded_too(config, exemplar):
    study = Workshop(config(preset="natural")).study(exemplar)
    study.workshop.device.use()
    objective = study.objective(1)
    kinds = [type(each).__name__ for each in (objective._plain, objective._beside[0]._objective)]
    assert kinds == ["CapturedObjective", "CapturedObjective"]
    image = chainer.Parameter(study.workshop.device.send(make_image(study)))
    losses = [float(objective(image)) for _ in range(2)]
    assert losses[0] == losses[1] > 0


def make_image(study):
    return images.noise(study.plan[0].canvas_size, 0, np.full(3, 128.0))


def on_the_cpu(settings):
    return dataclasses.replace(settings, gpu=-1, engine="plain", precision="fp32")


def test_fifty_steps_of_adam_end_in_the_image_of_the_cpu(config, quick):
    """To a grey level: what rounds otherwise does not grow."""
    exemplar, settings = make_texture(30, 20), config(size=30, iterations=50, optimizer="adam")
    found, expected = (
        texsynth.synthesize(exemplar, each) for each in (settings, on_the_cpu(settings))
    )
    assert (found.engine, expected.engine) == ("cuda", "plain")
    off = np.abs(found.image.astype(int) - expected.image)
    assert (off <= 1).mean() > 0.999 and (off == 0).mean() > 0.9
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-3)
    assert found.evaluations == expected.evaluations


def test_twenty_steps_of_lbfgs_end_as_near_as_on_the_cpu(config):
    """After twice as many rounding has led to another image, a layer of it 4 % nearer."""
    exemplar, settings = make_texture(30, 15), config(size=30, iterations=20)
    found, expected = (
        texsynth.synthesize(exemplar, each) for each in (settings, on_the_cpu(settings))
    )
    np.testing.assert_allclose(found.history[0][:8], expected.history[0][:8], rtol=1e-3)
    assert expected.errors.keys() == {"conv1_1", "pool1", "pool2", "pool3"}
    for layer, error in expected.errors.items():
        assert found.errors[layer] == pytest.approx(error, rel=0.02)


WAYS = {
    "lbfgs": {},
    "adam": {"optimizer": "adam"},
    "tiles": {"tile": "xy", "layers": {"conv1_1": 1, "pool1": 1, "pool2": 1}},
    "margin and levels": {"levels": 2, "margin": 4, "iterations": 3},
    "maxima in tf32": {"pooling": "max", "precision": "tf32"},
    "natural": {"preset": "natural", "levels": 2, "iterations": 2, "size": 18},
    "regular": {"preset": "regular", "iterations": 2},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_first_steps_are_those_of_the_cpu_and_the_same_again(config, exemplar, quick, way):
    settings = config(**WAYS[way])
    found, again = (texsynth.synthesize(exemplar, settings) for _ in range(2))
    same(found, again)
    expected = texsynth.synthesize(exemplar, on_the_cpu(settings))
    within = 2e-2 if settings.precision == "tf32" else 2e-3
    assert len(found.history) == len(expected.history)
    for losses, others in zip(found.history, expected.history, strict=True):
        np.testing.assert_allclose(losses[:4], others[:4], rtol=within)


@pytest.mark.parametrize("way", ["lbfgs", "adam", "margin and levels"])
def test_resumed_is_bit_for_bit_the_same(config, exemplar, quick, tmp_path, way):
    settings, path = config(**WAYS[way]), tmp_path / "run.ckpt"
    whole = texsynth.synthesize(exemplar, settings)
    for stop_after in (1, 4):
        stopped = texsynth.synthesize(
            exemplar, settings, callback=after(stop_after), checkpoints=Checkpoints(path)
        )
        assert stopped.reason == STOPPED
        same(texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path)), whole)


@pytest.mark.parametrize(("optimizer", "evaluations"), [("lbfgs", (0, 3)), ("adam", (2,))])
def test_a_stop_in_the_middle_of_a_step_changes_nothing(
    config, exemplar, quick, tmp_path, optimizer, evaluations
):
    settings, path = config(optimizer=optimizer), tmp_path / "run.ckpt"
    whole = texsynth.synthesize(exemplar, settings)
    for number in evaluations:
        asked = []

        def stop(asked=asked, number=number):
            asked.append(1)
            return len(asked) > number

        stopped = texsynth.synthesize(exemplar, settings, stop=stop, checkpoints=Checkpoints(path))
        assert (stopped.reason, stopped.evaluations) == (STOPPED, number)
        same(texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path)), whole)


def test_what_an_older_release_saved_is_gone_on_with(
    config, exemplar, quick, tmp_path, monkeypatch
):
    """Its steps were decided by the host."""
    settings, path = config(), tmp_path / "run.ckpt"
    with monkeypatch.context() as older:
        older.setattr(optimizers, "make", lambda name, rate, pairs, *_: LBFGS(pairs))
        whole = texsynth.synthesize(exemplar, settings)
        texsynth.synthesize(exemplar, settings, callback=after(3), checkpoints=Checkpoints(path))
    resumed = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))
    np.testing.assert_allclose(resumed.history, whole.history, rtol=1e-3)
    assert (resumed.evaluations, resumed.reason) == (whole.evaluations, whole.reason)


def test_what_ended_by_itself_ends_there_again(config, exemplar, quick, tmp_path):
    """From the exemplar itself, no step leads any further down."""
    settings, path = config(iterations=200, range_weight=0), tmp_path / "run.ckpt"
    whole = texsynth.synthesize(exemplar, settings, init=exemplar, checkpoints=Checkpoints(path))
    assert whole.reason in ("the gradient is zero", "no step along the gradient lowers the loss")
    again = Checkpoints(resume=path)
    same(texsynth.synthesize(exemplar, settings, init=exemplar, checkpoints=again), whole)


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": {"conv1_1": 1e300}},
        {"layers": {"conv1_1": 1e30}},
        {"optimizer": "adam", "learning_rate": 1e38},
        {"optimizer": "adam", "learning_rate": 1e39},
    ],
    ids=str,
)
def test_what_diverges_is_told_as_on_the_cpu(config, exemplar, quick, settings):
    """But for the evaluations that it takes: a step may overflow here where it does not there."""
    told = []
    for each in (config(**settings), on_the_cpu(config(**settings))):
        with pytest.raises(DivergenceError) as error:
            texsynth.synthesize(exemplar, each)
        told.append(re.sub("after . evaluations", "", str(error.value)))
    assert told[0] == told[1]


def test_another_precision_is_another_job(config, exemplar, quick, tmp_path):
    path = tmp_path / "run.ckpt"
    texsynth.synthesize(exemplar, config(), callback=after(1), checkpoints=Checkpoints(path))
    with pytest.raises(ConfigError, match="precision was auto, not tf32"):
        texsynth.synthesize(
            exemplar, config(precision="tf32"), checkpoints=Checkpoints(resume=path)
        )


def test_what_does_not_fit_is_made_in_blocks(config, exemplar, quick, monkeypatch, tmp_path):
    """With the losses of the whole, the same every time, and resumed as it was planned."""
    settings = config(output_size=(130, 14), iterations=2)
    layers, size = tuple(settings.layers), (14, 130)
    whole = texsynth.synthesize(exemplar, settings)
    budget = memory.process_bytes("cuda", layers)
    budget += memory.history_bytes(size, block_choice.FEWEST_PAIRS)
    budget += memory.block_bytes("cuda", layers, blocks.outline(size, layers, 65)[0])
    short = dataclasses.replace(settings, memory=budget)
    sides, evaluate = set(), BlockObjective._evaluate

    def seen(objective, image):
        sides.add(objective.block)
        return evaluate(objective, image)

    monkeypatch.setattr(BlockObjective, "_evaluate", seen)
    monkeypatch.setattr(workshop, "_TRIAL_SIDE", 16)
    path = tmp_path / "run.ckpt"
    found = texsynth.synthesize(exemplar, short)
    assert found.engine == "cuda" and sides == {65}
    np.testing.assert_allclose(found.history, whole.history, rtol=1e-3)
    texsynth.synthesize(exemplar, short, callback=after(1), checkpoints=Checkpoints(path))
    same(texsynth.synthesize(exemplar, short, checkpoints=Checkpoints(resume=path)), found)
