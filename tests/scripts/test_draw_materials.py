import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import draw_materials
from drawings.materials import DEPTH, MATERIALS, Tile, normals

SAMPLES = Path(__file__).parents[2] / "samples/materials"


@functools.cache
def drawn(name, size=64, seed=0):
    return draw_materials.draw(name, size, seed)


@pytest.mark.parametrize("name", MATERIALS)
def test_a_stack_has_maps_of_one_size_from_0_to_1(name):
    maps = drawn(name)
    assert {"albedo", "normal", "roughness", "height", "ao"} <= maps.keys()
    for kind, values in maps.items():
        assert values.shape == (64, 64, 3 if kind in ("albedo", "normal") else 1)
        assert values.min() >= 0 and values.max() <= 1
        assert values.std() > 0.01


def test_only_steel_is_a_metal_and_both_pure_metal_and_none_are_there():
    assert [name for name in MATERIALS if "metallic" in drawn(name)] == ["plates"]
    metallic = drawn("plates")["metallic"]
    assert (metallic > 0.99).mean() > 0.02 and (metallic < 0.01).mean() > 0.5


@pytest.mark.parametrize("name", MATERIALS)
def test_normals_are_those_of_the_height_with_y_up(name):
    maps = drawn(name)
    height = maps["height"][..., 0] * DEPTH / 256 * 64  # pixels
    for row, column in ((0, 0), (20, 31), (63, 63), (40, 0)):
        right = (height[row, (column + 1) % 64] - height[row, column - 1]) / 2
        down = (height[(row + 1) % 64, column] - height[row - 1, column]) / 2
        wanted = np.array([-right, down, 1]) / np.sqrt(right**2 + down**2 + 1)
        assert maps["normal"][row, column] * 2 - 1 == pytest.approx(wanted, abs=1e-9)


def test_a_slope_that_rises_upwards_looks_down():
    height = np.repeat(np.arange(8.0)[::-1, None], 8, axis=1)  # falls from row to row
    x, y, z = normals(height)[4, 4] * 2 - 1
    assert x == 0 and y == pytest.approx(-np.sqrt(0.5)) and z == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("name", MATERIALS)
def test_a_material_goes_on_at_the_opposite_edge(name):
    for kind, values in drawn(name).items():
        for axis in (0, 1):
            steps = np.abs(np.diff(values, axis=axis, append=values.take([0], axis))).mean(-1)
            across = np.moveaxis(steps, axis, 0).mean(axis=1)
            # joints may lie on the seam: it is no rougher than the roughest line elsewhere
            assert across[-1] <= 1.25 * across[:-1].max() + 1e-9, (kind, axis)


def test_cells_agree_with_a_search_over_all_points():
    tile = Tile(np.random.default_rng(0), 16)
    state = tile.rng.bit_generator.state
    border, i, j = tile.cells(tile.x, tile.y, 8)
    tile.rng.bit_generator.state = state
    table = tile.rng.random((2, 8, 8), dtype=np.float32)
    points = {
        (a, b): 32 * (np.array([a, b]) + 0.5 + 0.85 * (table[:, a % 8, b % 8] - 0.5))
        for a in range(-3, 11)
        for b in range(-3, 11)
    }
    for row, column in ((0, 0), (20, 31), (40, 7), (47, 47)):
        here = np.array([tile.x[row, column], tile.y[row, column]])
        own = min(points, key=lambda number: np.hypot(*(points[number] - here)))
        assert (i[row, column], j[row, column]) == own
        borders = []
        for number, point in points.items():
            if number != own:
                apart = point - points[own]
                borders.append(((point + points[own]) / 2 - here) @ apart / np.hypot(*apart))
        assert border[row, column] == pytest.approx(min(borders), abs=1e-3)


def test_another_seed_is_another_tile():
    assert (drawn("bricks")["albedo"] == draw_materials.draw("bricks", 64)["albedo"]).all()
    assert np.abs(drawn("bricks")["albedo"] - drawn("bricks", seed=1)["albedo"]).mean() > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bricks", "plates"])
def test_the_samples_are_what_is_drawn(name, tmp_path):
    draw_materials.save(tmp_path, name, draw_materials.draw(name))
    files = sorted(path.name for path in (SAMPLES / name).iterdir())
    assert files == sorted(path.name for path in tmp_path.iterdir())
    for file in files:
        with Image.open(SAMPLES / name / file) as was, Image.open(tmp_path / file) as now:
            assert was.mode == now.mode and was.size == (256, 256)
            # other processors round otherwise, and a threshold may then fall the other way
            apart = np.abs(np.asarray(was).astype(int) - np.asarray(now))
            assert np.quantile(apart, 0.999) <= (2 if "height" not in file else 300)


def test_the_command_writes_heights_of_16_bits(tmp_path):
    result = CliRunner().invoke(draw_materials.main, [str(tmp_path), "plates", "--size", "24"])
    assert result.exit_code == 0, result.output
    kinds = ["albedo", "ao", "height", "metallic", "normal", "roughness"]
    folder = tmp_path / "plates"
    assert sorted(each.name for each in folder.iterdir()) == [f"plates_{k}.png" for k in kinds]
    maps = draw_materials.draw("plates", 24)
    with Image.open(folder / "plates_height.png") as picture:
        assert picture.mode == "I;16"
        assert np.abs(np.asarray(picture) / 65535 - maps["height"][..., 0]).max() <= 0.5 / 65535
    with Image.open(folder / "plates_normal.png") as picture:
        assert np.abs(np.asarray(picture) / 255 - maps["normal"]).max() <= 0.5001 / 255


@pytest.mark.parametrize("arguments", ["nonsuch", "bricks --size 3"])
def test_wrong_arguments_are_usage_errors(tmp_path, arguments):
    result = CliRunner().invoke(draw_materials.main, [str(tmp_path), *arguments.split()])
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "folder")
    result = CliRunner().invoke(draw_materials.main, [folder, "plates"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot write to") and result.output.count("\n") == 1
