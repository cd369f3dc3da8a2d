import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import images
from texsynth.images.turning import turned


def grating(side, frequency, degrees, turn=0.0):
    """Waves of so many periods a pixel across a direction, turned about the middle."""
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    t = np.radians(turn)
    x, y = np.cos(t) * x - np.sin(t) * y, np.sin(t) * x + np.cos(t) * y
    a = np.radians(degrees)
    waves = 128 + 100 * np.cos(2 * np.pi * frequency * (np.cos(a) * x + np.sin(a) * y))
    return np.repeat(waves[None, None], 3, axis=1).astype(np.float32)


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns_are_exact(quarters):
    batch = images.to_batch(make_texture(20, 30))
    found = turned(batch, (20, 30), 90.0 * quarters)
    assert found.mask is None
    np.testing.assert_array_equal(found.batch, np.rot90(batch, quarters, (2, 3)))


@pytest.mark.parametrize("degrees", [15, 45, 100, 345])
@pytest.mark.parametrize("frequency", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("direction", [0, 20])
def test_the_finest_octave_stays(degrees, frequency, direction):
    """Waves of 2.2 pixels keep their height within a tenth; a cubic filter alone halves them."""
    found = turned(grating(96, frequency, direction), (96, 96), degrees).batch[0, 0]
    side = found.shape[0]
    expected = grating(side, frequency, direction, degrees)[0, 0]
    inner = np.s_[side // 2 - 20 : side // 2 + 20, side // 2 - 20 : side // 2 + 20]
    assert np.std(found[inner] - expected[inner]) < 0.1 * np.std(expected[inner])


def test_the_mask_is_where_the_image_is():
    batch = np.full((1, 3, 40, 60), 200, np.float32)
    found = turned(batch, (60, 40), 30)
    assert found.batch.shape[2:] == found.mask.shape == (65, 72)
    assert found.mask.sum() == pytest.approx(40 * 60, rel=0.02)
    assert found.mask[0, 0] == found.mask[-1, -1] == 0 and found.mask[32, 36] == 1
    np.testing.assert_allclose(found.batch, 200, atol=0.5)  # mirrored beyond its edges


def test_a_turn_and_its_opposite_are_the_image_again():
    batch = images.resize(images.to_batch(make_texture(24, 24)), (72, 72))
    once = turned(batch, (72, 72), 25)
    side = once.batch.shape[2]
    again = turned(once.batch, (side, side), -25).batch
    inner = images.centre(again, (41, 41)) if again.shape[2] % 2 else images.centre(again, (40, 40))
    expected = images.centre(batch, inner.shape[:1:-1])
    assert abs(inner - expected).mean() < 12  # half a pixel apart at most


def test_what_is_scaled_comes_of_all_the_pixels_there_are():
    batch = grating(96, 0.4, 0)
    assert turned(batch, (96, 96), 0).batch.std() > 60
    assert turned(images.fit(batch, (48, 48)), (96, 96), 0).batch.std() < 20
