import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import draw_textures
from draw_textures import TRUTHS, draw
from drawings.tools import Noise, Scene, cells, ramp


@functools.cache
def grey(name, size):
    return np.asarray(draw(name, size).convert("L"), dtype=float)


def correlation(values, shift):
    """Returns the correlation of a series with itself ``shift`` further on."""
    return np.corrcoef(values[:-shift], values[shift:])[0, 1]


def test_there_are_ten_of_each_truth():
    assert sorted(set(TRUTHS.values())) == ["natural", "regular"]
    assert min(list(TRUTHS.values()).count(truth) for truth in set(TRUTHS.values())) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_a_texture_has_contrast_and_is_not_burnt_out(name):
    picture = draw(name, 64)
    assert picture.mode == "RGB" and picture.size == (64, 64)
    pixels = np.asarray(picture)
    assert pixels.std() > 8
    assert (pixels.min(axis=2) >= 254).mean() < 0.1
    assert (pixels.max(axis=2) <= 1).mean() < 0.1


def test_the_same_seed_draws_the_same_picture():
    first, again, other = (np.asarray(draw("granite", 32, seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert np.abs(first.astype(int) - other).mean() > 5


def test_a_larger_picture_shows_the_same_texture():
    small = draw("hexagons", 48)
    large = draw("hexagons", 96).resize((48, 48), Image.Resampling.BOX)
    pairs = (np.asarray(picture.convert("L"), dtype=float).ravel() for picture in (small, large))
    assert np.corrcoef(*pairs)[0, 1] > 0.9


@pytest.mark.slow
def test_brick_rows_are_27_units_high():
    rows = grey("brick_wall", 256).mean(axis=1)
    found = [correlation(rows, shift) for shift in range(15, 40)]
    assert 15 + int(np.argmax(found)) == 27
    assert max(found) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_tiles_are_47_units_wide_and_high(axis):
    # the floor is turned by 0.7 degrees: a strip of it is straight enough
    strip = np.moveaxis(grey("tiles", 256), axis, 0)[:, 100:130].mean(axis=1)
    found = [correlation(strip, shift) for shift in range(35, 60)]
    assert abs(35 + int(np.argmax(found)) - 47.3) < 1
    assert max(found) > 0.6


def test_noise_has_mean_0_deviation_1_and_only_its_wavelengths():
    noise = Noise(np.random.default_rng(0), 8, 16, 0.0)
    u = np.arange(1024, dtype=np.float32) / 3
    values = noise(*np.meshgrid(u, u))
    assert values.mean() == pytest.approx(0, abs=1e-4)
    assert values.std() == pytest.approx(1, abs=1e-3)
    power = np.abs(np.fft.rfft(values, axis=1)) ** 2
    wavelength = 1024 / 3 / np.maximum(np.arange(513), 1e-9)
    assert power[:, wavelength < 7].sum() < 1e-4 * power.sum()


def test_noise_between_texels_is_the_mean_of_its_neighbours():
    noise = Noise(np.random.default_rng(0), 2, 50, 1.0)
    left, middle, right = noise(np.float32([1, 1.5, 2]) / 3, np.float32([4, 4, 4]) / 3)
    assert middle == pytest.approx((left + right) / 2, abs=1e-3)


def test_cells_agree_with_a_search_over_all_points():
    scene = Scene("test", 16, 0)
    state = scene.rng.bit_generator.state
    distance, border, i, j = cells(scene, scene.x, scene.y, 40.0)
    scene.rng.bit_generator.state = state
    table = scene.rng.random((2, 128, 128), dtype=np.float32)
    points = {
        (a, b): 40 * (np.array([a, b]) + 0.5 + 0.9 * (table[:, a % 128, b % 128] - 0.5))
        for a in range(-3, 10)
        for b in range(-3, 10)
    }
    for row, column in ((0, 0), (20, 31), (40, 7), (50, 50)):
        here = np.array([scene.x[row, column], scene.y[row, column]])
        away = {number: np.hypot(*(point - here)) for number, point in points.items()}
        own = min(away, key=away.get)
        assert (i[row, column], j[row, column]) == own
        assert distance[row, column] == pytest.approx(away[own], abs=1e-3)
        borders = []
        for number, point in points.items():
            if number != own:
                apart = point - points[own]
                middle = (point + points[own]) / 2
                borders.append((middle - here) @ apart / np.hypot(*apart))
        assert border[row, column] == pytest.approx(min(borders), abs=1e-3)


def test_ramp_runs_either_way():
    np.testing.assert_allclose(ramp(np.array([0.0, 1.0, 1.5, 2.0, 9.0]), 1, 2), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(ramp(np.array([1.0, 2.0]), 2, 1), [1, 0])


def test_the_command_writes_the_named_textures(tmp_path):
    folder = tmp_path / "new" / "folder"
    result = CliRunner().invoke(draw_textures.main, [str(folder), "rust", "--size", "24"])
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith("rust.png: natural")
    assert [path.name for path in folder.iterdir()] == ["rust.png"]
    with Image.open(folder / "rust.png") as picture:
        assert picture.size == (24, 24)


@pytest.mark.parametrize("arguments", ["nonsuch", "rust --size 3", "rust --seed -1"])
def test_wrong_arguments_are_usage_errors(tmp_path, arguments):
    result = CliRunner().invoke(draw_textures.main, [str(tmp_path), *arguments.split()])
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(draw_textures.main, [str(tmp_path / "file" / "folder"), "rust"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot write to") and result.output.count("\n") == 1
