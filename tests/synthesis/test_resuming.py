"""Checkpoints of a synthesis: what is resumed ends in the same bytes."""

import dataclasses
import functools
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from tests.synthesis.conftest import after
from texsynth import Checkpoints, images
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import CheckpointError, ConfigError
from texsynth.files import checkpoint
from texsynth.losses import GramLoss
from texsynth.objective.block_objective import BlockObjective
from texsynth.synthesis import forecast, octave, resuming
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.result import STOPPED
from texsynth.synthesis.workshop import Workshop

pytestmark = pytest.mark.usefixtures("weights_read_once")
SETTINGS = {
    "size": 40,
    "iterations": 6,
    "layers": {"conv1_1": 1, "pool1": 1, "pool2": 1},
    "engine": "plain",
}


@pytest.fixture(scope="module")
def exemplar():
    return make_texture(40, 36)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def same(one, other):
    np.testing.assert_array_equal(one.image, other.image)
    assert one.history == other.history
    assert one.errors == other.errors
    assert (one.evaluations, one.reason) == (other.evaluations, other.reason)


WAYS = {
    "defaults": {},
    "adam": {"optimizer": "adam"},
    "two levels": {"levels": 2},
    "flatten": {"flatten": 9, "preset": "gatys"},
    "natural": {"preset": "natural", "levels": 2},
    "regular": {"preset": "regular"},
    "winograd": {"engine": "winograd", "preset": "gatys"},
}


@pytest.fixture(scope="module")
def whole(config, exemplar):
    """``whole(way)``: what one of the ways makes without a stop, made once."""
    return functools.cache(lambda way: texsynth.synthesize(exemplar, config(**WAYS[way])))


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.xdist_group(way)) for way in WAYS]
)
@pytest.mark.parametrize(
    "stop_after",
    [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)],
)
def test_resumed_is_bit_for_bit_the_same(way, stop_after, config, exemplar, path, whole):
    settings = config(**WAYS[way])
    stopped = texsynth.synthesize(
        exemplar, settings, callback=after(stop_after), checkpoints=Checkpoints(path)
    )
    assert stopped.reason == STOPPED
    resumed = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))
    same(resumed, whole(way))


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 2, 4, 5])
def test_any_checkpoint_on_the_way_will_do(every, config, exemplar, path, monkeypatch):
    """Those that are saved while it goes on, not only that of a stop."""
    settings = config(levels=2, engine="winograd")
    saved = []
    save = checkpoint.save

    def also_elsewhere(target, fields, arrays):
        save(target, fields, arrays)
        saved.append(path.with_name(f"{len(saved)}.ckpt"))
        saved[-1].write_bytes(path.read_bytes())

    monkeypatch.setattr(checkpoint, "save", also_elsewhere)
    whole = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(path, every))
    assert len(saved) == 12 // every + 6 // every + (6 % every > 0)
    same(whole, texsynth.synthesize(exemplar, settings))
    for each in saved:
        same(texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=each)), whole)


@pytest.mark.slow
def test_resumed_again_and_again(config, exemplar, path):
    settings = config()
    whole = texsynth.synthesize(exemplar, settings)
    texsynth.synthesize(exemplar, settings, callback=after(2), checkpoints=Checkpoints(path))
    for _ in range(2):
        again = Checkpoints(path, resume=path)
        texsynth.synthesize(exemplar, settings, callback=after(1), checkpoints=again)
    same(texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path)), whole)


@pytest.mark.slow
def test_a_finished_one_makes_its_image_again_or_goes_further(config, exemplar, path):
    short = texsynth.synthesize(exemplar, config(), checkpoints=Checkpoints(path))
    same(texsynth.synthesize(exemplar, config(), checkpoints=Checkpoints(resume=path)), short)
    long = config(iterations=9)
    longer = texsynth.synthesize(exemplar, long, checkpoints=Checkpoints(resume=path))
    same(longer, texsynth.synthesize(exemplar, long))


@pytest.mark.slow
def test_in_blocks_as_it_was_planned(config, exemplar, path, monkeypatch):
    """Whatever memory there is when it goes on."""
    settings = config(preset="natural", output_size=(200, 150), levels=1)
    made = []
    monkeypatch.setattr(
        BlockObjective, "_evaluate", lambda self, image, f=BlockObjective._evaluate: (
            made.append(self.block), f(self, image))[1]
    )  # fmt: skip
    free = 3.3e8
    monkeypatch.setattr("texsynth.objective.block_choice.available", lambda device: free)
    whole = texsynth.synthesize(exemplar, settings)
    blocks = set(made)
    assert len(blocks) == 1
    texsynth.synthesize(exemplar, settings, callback=after(2), checkpoints=Checkpoints(path))
    free = 2e11
    made.clear()
    same(texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path)), whole)
    assert set(made) == blocks


@pytest.mark.slow
def test_a_stop_in_the_middle_of_a_step_gives_that_step_up(config, exemplar, path, monkeypatch):
    """As if the step had never begun: the line search begins anew."""
    settings = config(preset="gatys", iterations=12)
    whole = texsynth.synthesize(exemplar, settings)
    for number in (0, 1, 2, 5, 9):
        asked = []

        def stop(asked=asked, number=number):
            asked.append(1)
            return len(asked) > number

        stopped = texsynth.synthesize(exemplar, settings, stop=stop, checkpoints=Checkpoints(path))
        assert stopped.reason == STOPPED
        assert stopped.evaluations == number
        resumed = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))
        np.testing.assert_array_equal(resumed.image, whole.image)
        assert resumed.history == whole.history


@pytest.fixture
def saved(config, exemplar, path):
    settings = config(output_size=(48, 40))
    texsynth.synthesize(exemplar, settings, callback=after(2), checkpoints=Checkpoints(path))
    return settings


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 4}, "seed was 0, not 4"),
        ({"output_size": (48, 48)}, r"output_size was \[48, 40\], not \[48, 48\]"),
        ({"optimizer": "adam"}, "optimizer was lbfgs, not adam"),
        ({"flatten": 9}, "flatten was None, not 9.0"),
        ({"layers": {"conv1_1": 2}}, "layers was"),
        ({"iterations": 5}, "iterations were 6 and can only increase"),
        ({"engine": "winograd"}, "engine was plain, not winograd"),
        ({"preset": "gatys", "seed": 1}, "preset was auto, not gatys; seed was 0, not 1"),
    ],
)
def test_another_job_is_refused_and_the_difference_named(change, told, saved, exemplar, path):
    settings = dataclasses.replace(saved, **change)
    with pytest.raises(ConfigError, match=rf"run\.ckpt belongs to a different job: .*{told}"):
        texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))


def test_another_exemplar_init_or_network_is_refused(
    saved, exemplar, path, tmp_path, random_vgg19_file
):
    from texsynth import weights

    with pytest.raises(ConfigError, match="a different job: another exemplar"):
        texsynth.synthesize(exemplar[::-1], saved, checkpoints=Checkpoints(resume=path))
    with pytest.raises(ConfigError, match="another image to start from"):
        again = Checkpoints(resume=path)
        texsynth.synthesize(exemplar, saved, init=exemplar, checkpoints=again)
    loaded = weights.load(saved.weights)
    kernels, bias = loaded.tensors["conv5_1"]
    loaded.tensors["conv5_1"] = kernels, bias + 1
    weights.save(tmp_path / "other.npz", loaded)
    other = dataclasses.replace(saved, weights=str(tmp_path / "other.npz"))
    with pytest.raises(ConfigError, match="other weights"):
        texsynth.synthesize(exemplar, other, checkpoints=Checkpoints(resume=path))
    deeper = dataclasses.replace(saved, network="vgg19", weights=str(random_vgg19_file))
    with pytest.raises(ConfigError, match=r"network was vgg16, not vgg19; other weights"):
        texsynth.synthesize(exemplar, deeper, checkpoints=Checkpoints(resume=path))


def test_the_weights_may_lie_elsewhere(saved, exemplar, path, tmp_path):
    moved = tmp_path / "moved.npz"
    moved.write_bytes(Path(saved.weights).read_bytes())
    elsewhere = dataclasses.replace(saved, weights=str(moved))
    again = Checkpoints(resume=path)
    same(
        texsynth.synthesize(exemplar, elsewhere, checkpoints=again),
        texsynth.synthesize(exemplar, saved),
    )


def test_a_damaged_one_gives_way_to_the_one_before(config, exemplar, path, caplog):
    whole = texsynth.synthesize(exemplar, config(), checkpoints=Checkpoints(path, 2))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    resumed = texsynth.synthesize(exemplar, config(), checkpoints=Checkpoints(resume=path))
    same(resumed, whole)
    assert "continuing from" in caplog.text and "run.previous.ckpt" in caplog.text
    checkpoint.previous_of(path).unlink()
    with pytest.raises(CheckpointError, match=r"run\.ckpt"):
        Checkpoints(resume=path)


def test_fields_that_are_missing_or_odd_are_told(saved, exemplar, path):
    fields, arrays = checkpoint.load(path)
    optimizer = fields["run"]["optimizer"]
    for broken in (
        {},
        {**fields, "job": []},
        {**fields, "plan": {}},
        {**fields, "job": {**fields["job"], "settings": 3}},
        {key: value for key, value in fields.items() if key != "history"},
        {**fields, "run": {**fields["run"], "level": "1"}},
        {**fields, "run": {**fields["run"], "level": 7}},
        {**fields, "run": {**fields["run"], "optimizer": {}}},
        {**fields, "run": {**fields["run"], "optimizer": {**optimizer, "rho": [10**400]}}},
    ):
        checkpoint.save(path, broken, arrays.items())
        with pytest.raises(CheckpointError, match=r"run\.ckpt is not a checkpoint of texsynth"):
            texsynth.synthesize(exemplar, saved, checkpoints=Checkpoints(resume=path))
    missing = {name: array for name, array in arrays.items() if name != "gradient"}
    checkpoint.save(path, fields, missing.items())
    with pytest.raises(CheckpointError, match="gradient"):
        texsynth.synthesize(exemplar, saved, checkpoints=Checkpoints(resume=path))
    odd = {**arrays, "image": arrays["image"][:, :, 1:]}
    checkpoint.save(path, fields, odd.items())
    with pytest.raises(CheckpointError, match=r"run\.ckpt is not a checkpoint of texsynth"):
        texsynth.synthesize(exemplar, saved, checkpoints=Checkpoints(resume=path))


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_work_goes_on(
    config, exemplar, tmp_path, caplog
):
    nowhere = Checkpoints(tmp_path / "no folder" / "run.ckpt", 3)
    result = texsynth.synthesize(exemplar, config(), checkpoints=nowhere)
    # At both, and once more at the end: there may be room again.
    assert caplog.text.count("continuing without it") == 3
    same(result, texsynth.synthesize(exemplar, config()))


def test_another_version_is_told(saved, exemplar, path, caplog):
    fields, arrays = checkpoint.load(path)
    fields["environment"]["numpy"] = "1.0"
    checkpoint.save(path, fields, arrays.items())
    texsynth.synthesize(exemplar, saved, checkpoints=Checkpoints(resume=path))
    assert "the result may differ in its last bits: numpy 1.0, now 2." in caplog.text


def test_an_array_that_would_be_spread_over_the_image_is_refused(saved, exemplar, path):
    fields, arrays = checkpoint.load(path)
    one_colour = {**arrays, "image": arrays["image"][:, :, :1, :1]}
    checkpoint.save(path, fields, one_colour.items())
    with pytest.raises(CheckpointError, match=r"array image is float32 \(1, 3, 1, 1\), not"):
        texsynth.synthesize(exemplar, saved, checkpoints=Checkpoints(resume=path))


def test_time_left_is_at_the_pace_since_it_was_resumed(saved, exemplar, path, monkeypatch):
    """Two of six steps are done; the third took ten seconds, and three are left."""
    clock, left = [0.0], []
    monkeypatch.setattr(forecast, "clock", SimpleNamespace(now=lambda: clock[0]))

    def tick():
        clock[0] = 10.0

    def look(progress):
        left.append(progress.seconds_left)
        return True

    again = Checkpoints(resume=path)
    texsynth.synthesize(exemplar, saved, stop=tick, callback=look, checkpoints=again)
    assert left == [pytest.approx(30)]


# Without the whole of a synthesis


@pytest.fixture
def study(config, exemplar):
    return Workshop(config(preset="natural", levels=2, output_size=(48, 40))).study(exemplar)


def test_a_seed_of_several_is_resumed_as_that_seed(config, exemplar, path):
    settings = config(preset="gatys", iterations=3)
    study = Workshop(settings).study(exemplar)
    whole = texsynth.synthesize(exemplar, dataclasses.replace(settings, seed=5))
    make_variation(study, 5, callback=after(2), checkpoints=Checkpoints(path))
    same(make_variation(study, 5, checkpoints=Checkpoints(resume=path)), whole)
    with pytest.raises(ConfigError, match="seed was 5, not 0"):
        make_variation(study, 0, checkpoints=Checkpoints(resume=path))


def test_other_losses_of_the_caller_are_refused(saved, exemplar, path):
    class Mine(GramLoss):
        pass

    with pytest.raises(ConfigError, match="a different job: losses were GramLoss, "):
        again = Checkpoints(resume=path)
        texsynth.synthesize(exemplar, saved, losses=[Mine({"conv1_1": 1.0})], checkpoints=again)


def taken_by(checkpoints, study):
    """Saves three arrays; returns which were taken, for all processes gather each."""
    taken = []

    def arrays():
        for name in "abc":
            taken.append(name)
            yield name, np.zeros(3, np.float32)

    checkpoints.save(study, {}, arrays())
    return taken


def test_the_other_processes_gather_all_arrays_and_write_nothing(study, path):
    checkpoints = Checkpoints(path)
    checkpoints.begin(study, 0, None)
    study.workshop.team = SimpleNamespace(rank=1)
    assert taken_by(checkpoints, study) == ["a", "b", "c"]
    assert not path.exists()


def test_where_nothing_can_be_written_all_arrays_are_gathered_nevertheless(study, path):
    """And what was saved before does not count for what is not."""
    (path.parent / "there").mkdir()
    checkpoints = Checkpoints(path.parent / "there" / "run.ckpt")
    checkpoints.begin(study, 0, None)
    assert taken_by(checkpoints, study) == ["a", "b", "c"]
    assert checkpoints.is_saved
    shutil.rmtree(path.parent / "there")
    assert taken_by(checkpoints, study) == ["a", "b", "c"]
    assert not checkpoints.is_saved


def test_an_exemplar_of_other_sides_with_the_same_pixels_is_another(config):
    described = [
        resuming.describe(Workshop(config(size=0)).study(np.full(shape, 99)), 0, None)
        for shape in ((40, 36, 3), (36, 40, 3))
    ]
    differing = {name for name in described[0] if described[0][name] != described[1][name]}
    assert differing == {"exemplar_sha256", "levels"}


def test_what_was_halved_for_lack_of_memory_stays_so(study):
    study.adopt({"pairs": 3, "block": 128, "keep": None})
    run = LevelRun(study, 2, study.exemplar)
    study.objective(2).block = 64
    fields, arrays = run.state()
    arrays = dict(arrays)
    study.adopt(study.memory_plan)
    LevelRun(study, 2, None).restore(fields, arrays)
    assert study.objective(2).block == 64


def test_an_array_of_another_kind_is_refused(study):
    run = LevelRun(study, 1, study.exemplar)
    fields, arrays = run.state()
    arrays = {name: array.astype(np.float64) for name, array in arrays}
    with pytest.raises(ValueError, match="array image is float64"):
        run.restore(fields, arrays)


def test_a_level_counts_its_own_evaluations(study):
    """The objective may have served another texture."""
    counts = []
    for _ in range(2):
        run = LevelRun(study, 1, study.exemplar)
        next(run.steps())
        counts.append(run.evaluations)
    assert counts[0] == counts[1] == study.objective(1).evaluations / 2


@pytest.mark.parametrize(("tile", "wrap"), [("xy", (True, True)), (None, (False, False))])
def test_a_level_enlarges_what_it_begins_from_as_it_wraps(tile, wrap, config, exemplar):
    settings = config(tile=tile, output_size=(48, 40), levels=2, margin=0, detail=False)
    start = np.random.default_rng(0).uniform(0, 255, (1, 3, 20, 24)).astype(np.float32)
    texture = LevelRun(Workshop(settings).study(exemplar), 2, start).texture()
    expected = images.resize(start, (48, 40), wrap)
    np.testing.assert_allclose(texture, expected, rtol=0, atol=1e-3)  # there and back in colours
    assert (images.resize(start, (48, 40)) != images.resize(start, (48, 40), (True, True))).any()


def test_a_level_begins_with_detail_of_the_exemplar(config, exemplar):
    study = Workshop(config(levels=2, margin=0, preset="natural")).study(exemplar)
    coarse = images.resize(study.exemplar, study.plan[0].output_size)
    texture = LevelRun(study, 2, coarse).texture()
    down, across = study.plan[1].trim
    inner = study.exemplar[:, :, down:-down, across:-across]
    expected = octave.transfer(coarse, [inner], study.plan[1].output_size)
    np.testing.assert_allclose(texture, expected, rtol=0, atol=1e-3)


def test_what_an_earlier_version_did_not_save_of_the_same_method_is_no_other_job(
    config, exemplar, tmp_path
):
    path = tmp_path / "run.ckpt"
    settings = config(preset="gatys")
    whole = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(path))
    saved = checkpoint.load(path)
    del saved.fields["job"]["method"]["own_colours"]
    checkpoint.save(path, saved.fields, saved.arrays.items())
    again = texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))
    np.testing.assert_array_equal(again.image, whole.image)


@pytest.mark.parametrize(
    "unknown", ["pad", "detail", "own_colours", "own_units", "wraps", "least_positions"]
)
def test_a_checkpoint_of_an_earlier_preset_is_refused(unknown, config, exemplar, tmp_path):
    """It would go on, in silence, towards other statistics."""
    path = tmp_path / "run.ckpt"
    settings = config(preset="natural", layers=DEFAULT_LAYERS, levels=1)
    texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(path))
    saved = checkpoint.load(path)
    del saved.fields["job"]["method"][unknown]
    checkpoint.save(path, saved.fields, saved.arrays.items())
    with pytest.raises(ConfigError, match="an earlier version saved it, whose preset was another"):
        texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))


@pytest.mark.parametrize("saved_levels", [None, [[12, 12, 12, 12], [24, 24, 24, 32]]])
def test_a_checkpoint_of_an_earlier_plan_is_refused(saved_levels, config, exemplar, tmp_path):
    """It would go on, in silence, with an exemplar of another size."""
    path = tmp_path / "run.ckpt"
    settings = config(preset="gatys", levels=2)
    texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(path))
    saved = checkpoint.load(path)
    del saved.fields["job"]["levels"]
    if saved_levels is not None:
        saved.fields["job"]["levels"] = saved_levels
    checkpoint.save(path, saved.fields, saved.arrays.items())
    with pytest.raises(ConfigError, match=r"an earlier version .*, whose levels may be others"):
        texsynth.synthesize(exemplar, settings, checkpoints=Checkpoints(resume=path))


def test_units_of_a_level_are_those_that_were_saved(config, exemplar):
    """It is restored without what it began from."""
    study = Workshop(config(levels=2, preset="natural")).study(exemplar)
    coarse = images.resize(study.exemplar, study.plan[0].output_size)
    run = LevelRun(study, 2, coarse)
    next(run.steps())
    fields, arrays = run.state()
    saved = {name: array.copy() for name, array in arrays}
    assert saved["units"].shape == (1, 1, *study.plan[1].canvas_size[::-1])
    assert saved["units"].std() > 0.01
    again = LevelRun(study, 2, None)
    again.restore(fields, saved)
    np.testing.assert_array_equal(again.texture(), run.texture())
    assert next(again.steps()) == next(run.steps())


def test_which_levels_measure_in_units(config, exemplar, monkeypatch):
    def have(**settings):
        study = Workshop(config(**{"levels": 3, "preset": "natural", **settings})).study(exemplar)
        return [study.has_units(number) for number in range(1, len(study.plan) + 1)]

    assert have() == [False, True, True]
    assert have(levels=1) == [False]
    assert have(optimizer="adam") == [False] * 3  # its steps are of one length anyway
    assert have(preset="gatys") == [False] * 3
    largest = Workshop(config(levels=3, preset="natural")).study(exemplar).plan[1].canvas_size
    monkeypatch.setattr("texsynth.synthesis.study.MOST_PIXELS", largest[0] * largest[1])
    assert have() == [False, True, False]  # memory counts more
