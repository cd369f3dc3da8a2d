import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texsynth import films
from texsynth.films import frames as module


def flat(level, size=(6, 4)):
    return np.full((size[1], size[0], 3), level, np.uint8)


def levels(chosen):
    return [int(frame[0, 0, 0]) for frame in chosen]


def made(values, count):
    frames = films.Frames(count)
    for value in values:
        frames.add(flat(value))
    return frames


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.integers(2, 12))
def test_no_more_than_are_wanted_with_the_first_and_the_last(values, count):
    chosen = levels(made(values, count).chosen())
    assert len(chosen) <= count
    assert (chosen[0], chosen[-1]) == (values[0], values[-1])
    assert all(one != other for one, other in itertools.pairwise(chosen))


def test_frames_are_spaced_by_change_not_by_time():
    fast, slow = range(0, 200, 20), [200] * 500 + list(range(200, 220))
    chosen = levels(made([*fast, *slow], 12).chosen())
    assert np.diff(chosen).max() <= 2 * 220 / 11
    assert sum(level < 200 for level in chosen) > sum(level >= 200 for level in chosen)


def test_memory_is_bounded(monkeypatch):
    frames = films.Frames(5)
    for value in np.random.default_rng(0).integers(0, 256, 1000):
        frames.add(flat(value))
        assert len(frames._kept) < 2 * 5


def test_no_image_makes_no_frame():
    assert films.Frames(3).chosen() == []


def test_smaller_images_are_brought_to_the_size_of_the_end():
    frames = films.Frames(4)
    frames.add(flat(10, (4, 3)))
    frames.add(flat(200, (8, 6)))
    assert [frame.shape for frame in frames.chosen()] == [(6, 8, 3)] * 2
    assert levels(frames.chosen()) == [10, 200]


@pytest.mark.parametrize(("size", "shape"), [((1024, 256), (128, 512, 3)), ((512, 3), (3, 512, 3))])
def test_frames_have_at_most_512_pixels_a_side(size, shape):
    frames = films.Frames(4)
    frames.add(flat(7, size))
    assert frames.chosen()[0].shape == shape


def test_change_is_the_root_mean_square():
    one = np.array([[[0, 255, 10]]], np.uint8)
    other = np.array([[[3, 251, 10]]], np.uint8)
    assert module._change(one, other) == pytest.approx(np.sqrt(25 / 3))
