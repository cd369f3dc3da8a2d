"""Pixels that stay, through gradients, optimizers and colours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from texsynth import optimizers
from texsynth.compat import chainer
from texsynth.objective.changed import Changed
from texsynth.objective.colours import Colours
from texsynth.objective.kept import Keep
from texsynth.statistics import colours

SHAPE = (1, 3, 5, 6)


def quadratic(image):
    """A loss that all pixels together have a part in, and whose gradient is never zero."""
    flat = image.array.ravel()
    along = np.linspace(1, 2, flat.size, dtype=flat.dtype)
    distance = along @ flat - 100
    image.grad = (2 * distance * along + 0.1 * (flat - 30)).reshape(image.shape)
    return float(distance**2 + 0.05 * ((flat - 30) ** 2).sum())


def made(seed=0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(0, 255, SHAPE).astype(dtype)


def test_gradient_agrees_with_differences():
    mask = np.random.default_rng(1).random((1, 1, *SHAPE[2:]))
    loss_of = Changed(quadratic, Keep(made(0, np.float64), mask))
    x, way = made(2, np.float64), np.random.default_rng(3).standard_normal(SHAPE)
    image = chainer.Parameter(x)
    loss_of(image)
    up, down = (loss_of(chainer.Parameter(x + e * way)) for e in (1e-4, -1e-4))
    assert (image.grad * way).sum() == pytest.approx((up - down) / 2e-4, rel=1e-6)


def test_what_is_shown_by_hand():
    keep = Keep(np.full((1, 3, 1, 3), 10, "f"), np.array([[[[0, 0.25, 1]]]], "f"))
    shown = keep.image(np.full((1, 3, 1, 3), 50, "f"))
    np.testing.assert_array_equal(shown[0, 0], [[10, 20, 50]])


@pytest.mark.parametrize("in_place", [False, True])
def test_gradients_are_apart_or_in_one_array(in_place):
    loss_of = Changed(quadratic, Keep(made(), np.ones((1, 1, 5, 6), "f")), in_place)
    image = chainer.Parameter(made(1))
    gradients = []
    for _ in range(2):
        loss_of(image)
        gradients.append(image.grad)
    assert (gradients[0] is gradients[1]) == in_place


@settings(max_examples=100, deadline=None)
@given(
    mask=arrays.arrays(np.float32, SHAPE[2:], elements=st.sampled_from([0, 0, 1, 0.25])),
    name=st.sampled_from(["lbfgs", "adam"]),
    own_colours=st.booleans(),
)
def test_what_stays_is_the_same_to_the_bit(mask, name, own_colours):
    """100 masks, by either optimizer, in the image's colours or others."""
    image, mask = made(), mask[None, None]
    basis = Colours(colours.own(made(5)) if own_colours else None)
    keep = Keep(image, mask)
    coordinates = basis.coordinates(made(1))
    candidate = optimizers.Image(coordinates.copy())
    optimizer = optimizers.make(name, 4.0)
    optimizer.setup(candidate)
    loss_of = basis.objective(Changed(quadratic, keep))
    for _ in range(4):
        optimizer.update(loss_of, candidate.pixels)
    stays = np.broadcast_to(mask == 0, SHAPE)
    np.testing.assert_array_equal(candidate.pixels.array[stays], coordinates[stays])
    shown = keep.image(basis.image(candidate.pixels.array))
    np.testing.assert_array_equal(shown[stays], image[stays])
    if (mask > 0).any():
        assert not np.array_equal(candidate.pixels.array, coordinates)


@pytest.mark.parametrize("around", [(2, 0), (0, 1), (1, 2)])
def test_copies_at_the_edges(around):
    """They are shown as what they are copies of, and their gradient goes there."""
    generator = np.random.default_rng(0)
    size = tuple(side + 2 * edge for side, edge in zip(SHAPE[2:], around, strict=True))
    keep = Keep(generator.uniform(0, 255, (1, 3, *size)), generator.random((1, 1, *size)), around)
    pixels = generator.uniform(0, 255, (1, 3, *size))
    inside = tuple(slice(edge, edge + side) for side, edge in zip(SHAPE[2:], around, strict=True))
    shown = keep.image(pixels)
    widths = [(0, 0), (0, 0), *((edge, edge) for edge in around)]
    np.testing.assert_array_equal(shown, np.pad(shown[:, :, *inside], widths, mode="wrap"))
    loss_of = Changed(quadratic, keep)
    image, way = chainer.Parameter(pixels), generator.standard_normal(pixels.shape)
    loss_of(image)
    up, down = (loss_of(chainer.Parameter(pixels + e * way)) for e in (1e-4, -1e-4))
    assert (image.grad * way).sum() == pytest.approx((up - down) / 2e-4, rel=1e-6)
