import numpy as np
import pytest

from texsynth.materials.relief import relief, slopes


def hills(high, size=(24, 32)):
    """A stack whose heights of 1 are so many pixels high."""
    row, column = np.mgrid[: size[0], : size[1]]
    height = 0.5 + 0.2 * np.sin(column * np.pi / 8) * np.cos(row * np.pi / 12) + 0.01 * row
    down, right = np.gradient(height * high)
    vectors = np.stack([-right, down, np.ones(size)], axis=2)
    normal = vectors / np.linalg.norm(vectors, axis=2, keepdims=True) / 2 + 0.5
    return {
        "height": height[..., None].astype(np.float32),
        "normal": normal.astype(np.float32),
    }


@pytest.mark.parametrize("high", [0.5, 4.0, 9.0])
def test_the_relief_is_what_the_normals_were_made_of(high):
    assert relief(hills(high)) == pytest.approx(high / 32, rel=1e-4)


def test_normals_of_the_other_convention_or_an_even_height_say_nothing():
    stack = hills(4)
    assert relief(stack | {"height": np.full_like(stack["height"], 0.5)}) is None
    assert relief(stack | {"height": 1 - stack["height"]}) is None
    for kind in stack:
        assert relief({kind: stack[kind]}) is None
    assert relief(hills(4, (2, 5))) is None


def test_slopes_of_a_plane():
    vector = np.array([-0.3, 0.4, 1.0])  # it rises by 0.3 to the right and by 0.4 downwards
    encoded = (vector / np.linalg.norm(vector) / 2 + 0.5).reshape(1, 1, 3)
    right, down = slopes(encoded)
    assert right[0, 0] == pytest.approx(0.3) and down[0, 0] == pytest.approx(0.4)
