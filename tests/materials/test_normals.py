import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.materials.drawn import drawn
from texsynth.errors import ImageError
from texsynth.materials import normals


def test_conventions_there_and_back():
    encoded = drawn()["normal"]
    other = normals.turned(encoded)
    np.testing.assert_allclose(other[..., 1], 1 - encoded[..., 1], atol=1e-7)
    np.testing.assert_array_equal(other[..., [0, 2]], encoded[..., [0, 2]])
    np.testing.assert_allclose(normals.turned(other), encoded, atol=1e-7)


def test_the_other_convention_is_the_picture_upside_down():
    """Of a relief that is flipped, the normals are flipped, and their green is the other way."""
    encoded = drawn()["normal"]
    flipped = normals.vectors(normals.turned(encoded[::-1]))
    np.testing.assert_allclose(flipped[..., 1], -normals.vectors(encoded)[::-1, :, 1], atol=1e-6)


def test_vectors_of_8_bits_have_unit_length():
    encoded = np.rint(drawn()["normal"] * 255) / 255
    lengths = np.linalg.norm(normals.vectors(encoded.astype(np.float32)), axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


@given(st.integers(0, 2**32), st.floats(0, 100))
def test_what_is_raised_has_unit_length(seed, scale):
    slopes = (scale * np.random.default_rng(seed).normal(size=(5, 7, 2))).astype(np.float32)
    raised = normals.raised(slopes)
    np.testing.assert_allclose(np.linalg.norm(raised.astype(float), axis=2), 1, atol=1e-5)
    assert (raised[..., 2] >= 0).all()
    is_short = np.linalg.norm(slopes, axis=2) <= 1
    np.testing.assert_allclose(raised[is_short][:, :2], slopes[is_short], atol=1e-6)


@pytest.mark.parametrize(
    ("value", "told"), [((0.5, 0.5, 0.5), "no length"), ((0.5, 0.5, 0.0), "into the surface")]
)
def test_no_normal_map(value, told):
    with pytest.raises(ImageError, match=told):
        normals.vectors(np.full((4, 4, 3), value, np.float32))


def test_lengths_are_those_of_the_file():
    encoded = drawn()["normal"]
    assert normals.off_unit(encoded).largest < 1e-6
    short = encoded.copy()
    short[3, 4] = (0.5, 0.5, 0.9)  # 0.8 long
    off = normals.off_unit(short)
    assert off.largest == pytest.approx(0.2, abs=1e-6)
    assert off.mean == pytest.approx(0.2 / short[..., 0].size, rel=1e-3)
    rounded = np.rint(encoded * 255).astype(np.float32) / 255
    assert 0.001 < normals.off_unit(rounded).largest < 3**0.5 / 255 + 1e-6
