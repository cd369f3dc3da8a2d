import itertools

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.errors import ImageError
from texsynth.metrics import Evaluator, Part, measure_part
from texsynth.metrics.parts import largest_rectangle
from texsynth.network.device import select


def by_trying(inside):
    """The area of the largest rectangle, all of them tried."""
    height, width = inside.shape
    spans = [list(itertools.combinations(range(side + 1), 2)) for side in (height, width)]
    areas = [
        (below - above) * (right - left)
        for above, below in spans[0]
        for left, right in spans[1]
        if inside[above:below, left:right].all()
    ]
    return max(areas, default=0)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.95, 1.0])
def test_the_largest_rectangle(share):
    rng = np.random.default_rng(0)
    for _ in range(20):
        inside = rng.random(rng.integers(1, 8, 2)) < share
        left, top, width, height = largest_rectangle(inside)
        assert width * height == by_trying(inside)
        assert inside[top : top + height, left : left + width].all()


def whole(pixels):
    return Part(pixels, np.ones(pixels.shape[:2], np.float32))


def test_a_part_that_is_all_is_measured_as_the_image_is(random_weights):
    exemplar, pixels = make_texture(64, 48), make_texture(48, 64, seed=1)
    found = measure_part(whole(pixels), whole(exemplar), random_weights, "average", select(-1))
    expected = Evaluator(exemplar, random_weights).measure(pixels)
    assert found.rectangle == (0, 0, 48, 64) and found.exemplar_rectangle == (0, 0, 64, 48)
    own, its = found.measures.as_dict(), expected.as_dict()
    for name in ("gram_errors", "sliced_wasserstein"):
        assert own.pop(name) == pytest.approx(its.pop(name), rel=1e-4)
    assert own == its


def test_what_lies_beside_a_part_has_no_part_in_it(random_weights):
    """But for what deep positions see of it across the edge: conv1_1 sees one pixel."""
    exemplar, pixels = make_texture(64, 48), make_texture(80, 64, seed=1)
    mask = np.zeros((64, 80), np.float32)
    mask[:, :40] = 1
    other = pixels.copy()
    other[:, 42:] = 7
    first, second = (
        measure_part(Part(each, mask), whole(exemplar), random_weights, "average", select(-1))
        for each in (pixels, other)
    )
    assert first.rectangle == (0, 0, 40, 64)
    own, its = (each.measures.as_dict() for each in (first, second))
    for name in ("gram_errors", "sliced_wasserstein"):
        assert own.pop(name)["conv1_1"] == pytest.approx(its.pop(name)["conv1_1"], rel=1e-6)
    assert own == its


def test_a_part_without_a_rectangle_is_refused(random_weights):
    exemplar = make_texture(64, 48)
    mask = np.eye(48, 64, dtype=np.float32)
    with pytest.raises(ImageError, match="the largest rectangle within it has 1x1 px in the ex"):
        measure_part(whole(exemplar), Part(exemplar, mask), random_weights, "average", select(-1))
