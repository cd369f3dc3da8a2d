import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import images
from texsynth.synthesis.borrowing import borrowed


def hole(size, rows, columns):
    mask = np.zeros((1, 1, *size), np.float32)
    mask[..., rows, columns] = 1
    return mask


@pytest.mark.parametrize(("rows", "columns"), [(slice(30, 50), slice(25, 55)), (slice(0, 9),) * 2])
def test_what_repeats_goes_on(rows, columns):
    """Tiles of 16x12 pixels, in the middle and in a corner: the hole is filled as it was."""
    photo = images.to_batch(np.tile(make_texture(12, 16), (6, 8, 1)))
    mask = hole(photo.shape[2:], rows, columns)
    damaged = np.where(mask > 0, 255, photo).astype(np.float32)
    np.testing.assert_array_equal(borrowed(damaged, mask)[0], photo)


def test_what_stays_is_the_same_to_the_bit():
    photo, generator = images.to_batch(make_texture(61, 50)), np.random.default_rng(0)
    mask = (generator.random((1, 1, 5, 6)) > 0.7).astype(np.float32)
    mask = np.kron(mask, np.ones((1, 1, 10, 11), np.float32))[..., :61]
    for which in range(3):
        found, *_ = borrowed(photo, mask, which=which)
        stays = np.broadcast_to(mask == 0, photo.shape)
        np.testing.assert_array_equal(found[stays], photo[stays])
        assert np.isfinite(found).all()


def test_pieces_have_the_tone_of_what_they_meet():
    """A ramp goes on, wherever the piece was taken from: its differences are alike everywhere."""
    values = np.arange(40 * 40, dtype=np.float32).reshape(40, 40) / 7
    photo = np.stack([values] * 3)[None]
    mask = hole((40, 40), slice(15, 22), slice(12, 20))
    damaged = np.where(mask > 0, 99, photo).astype(np.float32)
    found, origin, _ = borrowed(damaged, mask)
    assert origin.sum() == mask.sum() and not (origin * mask).any()
    # The piece itself is tens of grey levels off.
    np.testing.assert_allclose(found, photo, rtol=0, atol=0.2)
    np.testing.assert_array_equal(found[:, :, mask[0, 0] == 0], photo[:, :, mask[0, 0] == 0])


def test_across_the_edge_of_what_wraps():
    """Of tiles that a whole number of fits on a side, the opposite edge goes on in step."""
    photo = images.to_batch(np.tile(make_texture(12, 16), (3, 4, 1)))
    mask = hole(photo.shape[2:], slice(None), slice(0, 5)) + hole(
        photo.shape[2:], slice(None), slice(-5, None)
    )
    damaged = np.where(mask > 0, 0, photo).astype(np.float32)
    np.testing.assert_array_equal(borrowed(damaged, mask, (False, True))[0], photo)


def test_what_nothing_fills_is_smooth():
    """A photograph of which two corners are left: no piece reaches all, and nothing is odd."""
    photo = images.to_batch(make_texture(40, 40))
    mask = np.ones((1, 1, 40, 40), np.float32)
    mask[..., :3, :3] = mask[..., -3:, -3:] = 0
    found, *_ = borrowed(photo, mask)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 255
