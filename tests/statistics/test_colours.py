import numpy as np
import pytest

from texsynth.statistics import colours


@pytest.fixture
def exemplar():
    """Bright and dark, with little colour: brightness varies a hundred times as much."""
    random = np.random.default_rng(0)
    brightness = random.normal(128, 50, (1, 1, 40, 50))
    return (brightness + random.normal(0, 5, (1, 3, 40, 50))).astype(np.float32)


def test_own_colours_are_stretched_as_the_exemplar_s(exemplar):
    basis = colours.own(exemplar)
    assert basis.dtype == np.float32
    np.testing.assert_allclose(basis, basis.T)
    lengths, axes = np.linalg.eigh(basis)
    variances, expected = np.linalg.eigh(np.cov(exemplar[0].reshape(3, -1)))
    assert abs(axes[:, -1] @ expected[:, -1]) == pytest.approx(1, abs=1e-4)
    least = 0.01 * variances[-1]
    ratio = (np.maximum(variances, least) / variances[-1]) ** (1 / 8)
    np.testing.assert_allclose(lengths / lengths[-1], ratio, rtol=1e-4)
    assert (lengths**2).sum() == pytest.approx(3, rel=1e-5)


def test_a_flat_exemplar_has_the_usual_colours():
    np.testing.assert_array_equal(colours.own(np.full((1, 3, 4, 5), 7, np.float32)), np.eye(3))


def test_one_pixel_has_the_usual_colours():
    one = np.array([255, 0, 0], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(colours.own(one), np.eye(3))


@pytest.mark.parametrize("is_grey", [True, False])
def test_coordinates_lead_back_to_the_image(exemplar, is_grey):
    basis = colours.GREY if is_grey else colours.own(exemplar)
    image = np.repeat(exemplar[:, :1], 3, axis=1) if is_grey else exemplar
    found = colours.coordinates(image, basis)
    assert found.shape == (1, 1 if is_grey else 3, 40, 50) and found.dtype == np.float32
    np.testing.assert_allclose(colours.applied(basis, found), image, atol=1e-3)


def test_a_matrix_is_applied_to_the_channels_of_each_pixel(exemplar):
    matrix = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    expected = np.einsum("mc,nchw->nmhw", matrix, exemplar)
    np.testing.assert_allclose(colours.applied(matrix, exemplar), expected, rtol=1e-4, atol=1e-3)
    out = np.empty((1, 2, 40, 50), np.float32)
    assert colours.applied(matrix, exemplar, out) is out
    np.testing.assert_array_equal(out, colours.applied(matrix, exemplar))
