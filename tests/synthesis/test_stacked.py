import dataclasses

import numpy as np
import pytest

import texsynth
from tests.materials.drawn import drawn
from texsynth import Checkpoints
from texsynth.errors import ConfigError, ImageError
from texsynth.metrics import seam_scores
from texsynth.objective import memory
from texsynth.synthesis import piecing
from texsynth.synthesis.stack_study import StackStudy
from texsynth.synthesis.stacked import make_stack
from texsynth.synthesis.workshop import Workshop

pytestmark = pytest.mark.usefixtures("weights_read_once", "two_layers_measured")
SETTINGS = {
    "preset": "natural",
    "size": 0,
    "iterations": 2,
    "levels": 2,
    "layers": ["conv1_1", "pool1"],
    "precision": "fp32",
}


def on_a_sheet(maps):
    """All maps beside one another, ``(H, W, 3)`` uint8."""
    shown = [np.broadcast_to(x, (*x.shape[:2], 3)) for x in maps.values()]
    return np.rint(255 * np.concatenate(shown, axis=1)).astype(np.uint8)


@pytest.mark.parametrize("tile", [None, "xy"])
def test_golden_stack(config, golden, tile):
    result = texsynth.synthesize_stack(drawn(), config(tile=tile, output_size=(56, 48)))
    golden(f"stack{'' if tile is None else '-tile'}.png", on_a_sheet(result.maps))


def test_all_maps_are_made_and_normals_have_unit_length(config):
    stack = drawn()
    result = texsynth.synthesize_stack(stack, config(output_size=(40, 44)))
    assert {name: x.shape for name, x in result.maps.items()} == {
        name: (44, 40, x.shape[2]) for name, x in stack.items()
    }
    lengths = np.linalg.norm(2 * result.maps["normal"].astype(float) - 1, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-3)
    assert list(result.errors) == list(stack) and result.networks == 5
    for name, values in stack.items():
        np.testing.assert_allclose(result.exemplar[name], values, atol=1e-5)


def test_it_tiles(config):
    result = texsynth.synthesize_stack(drawn(64), config(tile="xy", levels=1))
    for values in result.maps.values():
        pixels = np.rint(255 * np.broadcast_to(values, (*values.shape[:2], 3))).astype(np.uint8)
        assert max(seam_scores(pixels).values()) < 3


def test_little_memory_makes_blocks_and_nearly_the_same(config, caplog):
    stack, settings = drawn(96), {"losses": ["gram"], "levels": 1, "iterations": 1, "margin": 0}
    whole = texsynth.synthesize_stack(stack, config(**settings))
    layers = ["conv1_1", "pool1"]
    needed = memory.whole_bytes("winograd", layers, (160, 160), channels=8)
    least = memory.process_bytes("winograd", layers) + memory.history_bytes((160, 160), 3, 8)
    budget = int(least + 0.7 * (needed - least))
    with caplog.at_level("INFO", logger="texsynth"):
        study = StackStudy(Workshop(config(**settings, memory=budget)), stack)
    assert study.is_in_blocks == ("blocks" in caplog.text or "block of" in caplog.text)
    study.adopt({"pairs": memory.MOST_PAIRS, "block": 64, "keep": None})
    parts = make_stack(study, 0)
    for name, values in whole.maps.items():
        assert np.abs(parts.maps[name] - values).mean() < 5e-3


@pytest.mark.parametrize("losses", [None, ["gram", "contrast-gram"]])
def test_even_contrast_is_left_out_unless_asked_for(config, losses):
    study = StackStudy(Workshop(config(losses=losses)), drawn())
    kinds = [type(loss).__name__ for loss in study.losses]
    assert ("ContrastGramLoss" in kinds) == (losses is not None)


def test_more_channels_take_more_memory():
    few, more = (memory.history_bytes((100, 100), 5, channels) for channels in (3, 8))
    assert more > 8 / 3 * few


def test_it_goes_on_from_a_checkpoint(config, tmp_path):
    stack, path = drawn(), tmp_path / "state.npz"
    settings = config(iterations=4)
    whole = texsynth.synthesize_stack(stack, settings)

    def early(progress):
        return progress.level == 2 and progress.step == 2

    stopped = texsynth.synthesize_stack(
        stack, settings, callback=early, checkpoints=Checkpoints(path)
    )
    assert not stopped.is_finished
    resumed = texsynth.synthesize_stack(stack, settings, checkpoints=Checkpoints(resume=path))
    for name, values in whole.maps.items():
        np.testing.assert_array_equal(resumed.maps[name], values)
    other = drawn(seed=3)
    with pytest.raises(ConfigError, match="another exemplar"):
        texsynth.synthesize_stack(other, settings, checkpoints=Checkpoints(resume=path))


def test_a_seed_makes_the_same_and_another_one_another(config):
    study = StackStudy(Workshop(config()), drawn())
    first, again, other = (make_stack(study, seed).maps["height"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_pictures_of_progress_show_the_first_map(config):
    shapes = []
    texsynth.synthesize_stack(
        {"height": drawn()["height"], "ao": drawn()["ao"]},
        config(levels=1),
        callback=lambda progress: shapes.append(progress.pixels().shape),
    )
    assert shapes == [(48, 48, 3)] * 2


@pytest.mark.parametrize("names", [("albedo",), ("normal",), ("height",), ("albedo", "roughness")])
@pytest.mark.parametrize("start", ["noise", "phase"])
def test_stacks_of_few_maps(config, names, start):
    stack = {name: drawn()[name] for name in names}
    result = texsynth.synthesize_stack(stack, config(start=start, tile="x", iterations=1))
    assert tuple(result.maps) == names


def test_no_steps_give_what_they_would_begin_with(config):
    result = texsynth.synthesize_stack(drawn(), config(iterations=0, start="phase"))
    assert result.evaluations == 0 and result.maps["height"].shape == (48, 48, 1)


def test_maps_are_resized(config):
    result = texsynth.synthesize_stack(drawn(64), config(size=40, levels=1))
    assert result.maps["albedo"].shape == (40, 40, 3)


def test_matched_values_are_the_exemplars(config):
    stack = drawn()
    settings = dataclasses.replace(config(levels=1), match_colours=True)
    maps = texsynth.synthesize_stack(stack, settings).maps
    np.testing.assert_allclose(
        np.sort(maps["height"].ravel()), np.sort(stack["height"].ravel()), atol=1e-4
    )


def test_what_is_no_stack(config):
    with pytest.raises(ImageError, match="one size"):
        texsynth.synthesize_stack(drawn() | {"ao": drawn(32)["ao"]}, config())
    with pytest.raises(ConfigError, match="too small"):
        texsynth.synthesize_stack(drawn(24), config(layers=["pool4", "pool5"]))


@pytest.mark.parametrize(("preset", "ways"), [("natural", "COARSE"), ("regular", "COARSEST")])
def test_wide_patches_are_for_the_coarsest_level_of_what_repeats(config, monkeypatch, preset, ways):
    study = StackStudy(Workshop(config(preset=preset, levels=3)), drawn(64))
    used = []

    def recorded(texture, exemplar, way, *others):
        used.append(way)
        return texture

    monkeypatch.setattr(piecing, "pieced", recorded)
    texture = study.begun(2, study.start(0))
    study.begun(3, texture)
    assert used == [getattr(piecing, ways), piecing.COARSE]
