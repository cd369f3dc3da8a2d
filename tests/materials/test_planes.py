import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.materials.drawn import drawn
from texsynth.errors import ImageError
from texsynth.materials.planes import Planes
from texsynth.materials.triplets import covering, triplets


def test_there_and_back():
    stack = drawn()
    planes = Planes(stack)
    found = planes.stack(planes.batch(stack))
    assert list(found) == list(stack)
    for name, values in stack.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_colours_stay_and_others_take_the_range_of_a_photograph():
    stack = drawn()
    stack["roughness"] = 0.5 + 0.2 * (stack["roughness"] - 0.75)
    planes = Planes(stack)
    batch = planes.batch(stack)
    np.testing.assert_allclose(
        batch[0, planes.places["albedo"]], 255 * stack["albedo"].transpose(2, 0, 1), rtol=1e-6
    )
    low, high = np.percentile(batch[0, planes.places["roughness"]], [1, 99])
    assert 0 < low < 60 and 195 < high < 255
    slopes = batch[0, planes.places["normal"]] - 127.5
    np.testing.assert_allclose(  # to one scale, about upright
        slopes[0] * (2 * stack["normal"][..., 1] - 1),
        slopes[1] * (2 * stack["normal"][..., 0] - 1),
        atol=1e-2,
    )


def test_a_map_of_one_value_comes_back():
    stack = drawn() | {"metallic": np.full((48, 48, 1), 0.25, np.float32)}
    planes = Planes(stack)
    assert "metallic" not in planes.places
    found = planes.stack(planes.batch(stack)[:, :, :20])
    assert list(found) == ["albedo", "normal", "roughness", "metallic", "height", "ao"]
    np.testing.assert_array_equal(found["metallic"], np.full((20, 48, 1), 0.25, np.float32))


def test_a_map_that_is_nearly_flat_is_not_torn_apart():
    values = np.full((48, 48, 1), 0.5, np.float32)
    values[3, 4] = 0.501
    planes = Planes({"height": values})
    assert planes.batch({"height": values}).std() < 1


def test_a_sparse_map_stays_in_reach():
    values = np.zeros((48, 48, 1), np.float32)
    values[7, 9] = 1
    batch = Planes({"metallic": values}).batch({"metallic": values})
    assert batch.min() > -1 and batch.max() < 2.6 * 255


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(0, 2**32), st.floats(0, 1e4))
def test_whatever_comes_of_planes_is_a_stack(seed, scale):
    stack = drawn(16)
    planes = Planes(stack)
    batch = scale * np.random.default_rng(seed).normal(size=(1, planes.number, 6, 5))
    found = planes.stack(batch.astype(np.float32))
    for values in found.values():
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1
    lengths = np.linalg.norm(2 * found["normal"].astype(float) - 1, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gloss": np.zeros((48, 48, 1), np.float32)}, "no kind of map 'gloss'; there are albedo,"),
        ({"ao": np.zeros((48, 48, 3), np.float32)}, r"ao must be a \(height, width, 1\) array"),
        ({"ao": np.zeros((48, 48, 1), np.uint8)}, "ao must be an array of floating-point"),
        ({"ao": np.full((48, 48, 1), np.nan, np.float32)}, "ao must have finite values within 0"),
        ({"ao": np.full((48, 48, 1), 2, np.float32)}, "ao must have finite values within 0"),
        ({"ao": np.zeros((24, 48, 1), np.float32)}, "must have one size: albedo 48x48, .*ao 48x24"),
    ],
)
def test_no_stack(change, told):
    with pytest.raises(ImageError, match=told):
        Planes(drawn() | change)


def test_nothing_in_it():
    with pytest.raises(ImageError, match="at least one map"):
        Planes({})
    with pytest.raises(ImageError, match="all maps are of one value"):
        Planes({"ao": np.zeros((8, 8, 1), np.float32)})


def test_triplets_show_every_plane():
    planes = Planes(drawn())
    seen = triplets(planes)
    assert len(seen) == 5  # as many as maps
    assert all(each.shape == (3, planes.number) for each in seen)
    np.testing.assert_array_equal(seen[0], np.eye(planes.number)[:3])
    assert (sum(np.abs(each).sum(axis=0) for each in seen[1:]) > 0).all()


@pytest.mark.parametrize("names", [("albedo",), ("height",), ("normal",), ("albedo", "ao")])
def test_few_maps_have_triplets_too(names):
    stack = {name: values for name, values in drawn().items() if name in names}
    seen = triplets(Planes(stack))
    assert len(seen) == len(names)
    assert all((each.sum(axis=1) > 0.99).all() for each in seen)


@pytest.mark.parametrize("number", range(3, 10))
def test_covering(number):
    """All pairs are together if there may be as many triplets; else all numbers are in one."""
    pairs = {(a, b) for a in range(number) for b in range(a + 1, number)}
    there = {(a, b) for each in covering(number, 99) for a in each for b in each if a < b}
    assert there == pairs
    few = covering(number, -(-number // 2))
    assert {each for triplet in few for each in triplet} == set(range(number))
