import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import tile_period


def grey(values):
    return np.repeat(np.asarray(values)[..., None], 3, axis=2)


def test_waves_have_the_deviation_of_their_amplitudes():
    row, column = np.mgrid[:24, :32]
    once = 10 * np.sin(2 * np.pi * column / 32 + 1)
    twice = 6 * np.cos(2 * np.pi * (2 * row / 24 + column / 32))
    often = 40 * np.sin(2 * np.pi * 5 * column / 32)
    pixels = grey(120 + once + twice + often)
    assert tile_period.deviation(pixels, 1) == pytest.approx(10 / np.sqrt(2))
    assert tile_period.deviation(pixels, 2) == pytest.approx(np.sqrt(50 + 18))
    tiled = np.tile(pixels, (4, 4, 1))
    assert tile_period.deviation(tiled, 8) == pytest.approx(np.sqrt(50 + 18))


def test_all_harmonics_are_the_deviation_of_the_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3))
    luminance = pixels @ tile_period.LUMA
    assert tile_period.deviation(pixels, 99) == pytest.approx(luminance.std())


def test_the_command(tmp_path):
    Image.new("RGB", (8, 8), "white").save(tmp_path / "a.png")
    result = CliRunner().invoke(tile_period.main, [str(tmp_path / "a.png")])
    assert result.exit_code == 0 and result.output.endswith("a.png: 0.00 0.00\n")
    result = CliRunner().invoke(tile_period.main, [str(tmp_path / "none.png")])
    assert result.exit_code == 1 and result.output.startswith("Error: cannot read")
