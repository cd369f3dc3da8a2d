"""Plans the way through an image in overlapping blocks. Pure arithmetic.

Each block has a core, and the cores share the image out; a window around the core holds every
pixel that the activations at the core's positions depend on. The activations there are then those
of the whole image: windows begin where the poolings of the whole image begin a square, and where
the image ends, the window ends with it, so that zero padding and the odd rows that poolings leave
out are where they are in the whole image.

All windows have one shape, so that buffers made for one serve all: a block at an edge of the image,
with nothing to overlap beyond it, has a larger core instead of a smaller window.
"""

from itertools import pairwise
from typing import NamedTuple

from texsynth.network import architecture


class Span(NamedTuple):
    """A block along one axis, in pixels of the image.

    Attributes:
        start: First pixel of the window; negative if it begins before an image that wraps.
        length: Pixels of the window; it may end beyond an image that wraps.
        core: First pixel of the core, and first one after it.
        wraps: Whether the window is a whole side that goes on at the opposite edge, which is for
            the network to see to.
    """

    start: int
    length: int
    core: tuple[int, int]
    wraps: bool = False

    def positions(self, stride, among):
        """Returns which positions of a layer, counted in the window, are the core's.

        Args:
            stride (int): Pixels from one position of the layer to the next.
            among (slice): The positions, counted in the whole image, that count at all.

        Returns:
            slice: With both ends; empty if there are none.
        """
        first, offset = self.core[0] // stride, self.start // stride
        begin, end = max(first, among.start), min(self.core[1] // stride, among.stop)
        return slice(begin - offset, max(begin, end) - offset)

    def pieces(self, side):
        """Yields where the window lies: one slice of the window and of the image, or two.

        Args:
            side (int): Pixels of the image along the axis.
        """
        begin = self.start % side
        before_the_edge = min(self.length, side - begin)
        yield slice(0, before_the_edge), slice(begin, begin + before_the_edge)
        if before_the_edge < self.length:
            beyond = self.length - before_the_edge
            yield slice(before_the_edge, self.length), slice(0, beyond)


class Block(NamedTuple):
    """A block of an image.

    Attributes:
        rows (Span): Along the height.
        columns (Span): Along the width.
    """

    rows: Span
    columns: Span

    @property
    def shape(self):
        """``(height, width)`` of the window in pixels."""
        return self.rows.length, self.columns.length

    @property
    def wrap(self):
        """``(rows, columns)``: along which axes the network is to wrap the window."""
        return self.rows.wraps, self.columns.wraps


def reach(layers, table=architecture.VGG16):
    """Returns how far a position of the deepest layer sees beyond the pixels that it covers.

    Each 3x3 convolution adds a position of its own stride; a pooling adds nothing.

    Args:
        layers: Layer names, each of the table; none sees nothing.
        table: The network's layers by name.

    Returns:
        int: Pixels, the same in all four directions.
    """
    path = architecture.to_deepest(layers, table)
    return sum(layer.stride for layer in path if isinstance(layer, architecture.Convolution))


def kept(side, stride, edge):
    """Returns the positions of a layer along one axis without those near the image's edges.

    None that covers a pixel of the edge stays, but at least two do.

    Args:
        side (int): Pixels of the image along the axis.
        stride (int): Pixels from one position of the layer to the next.
        edge (int): Pixels at each end of the axis that are to be left out.

    Returns:
        slice: With both ends.
    """
    own = side // stride
    count = min(-(-edge // stride), max(0, own - 2) // 2)
    return slice(count, own - count)


def regions(layers, size, edge):
    """Returns the positions of layers without those near the image's edges.

    Args:
        layers: Names of layers.
        size: ``(height, width)`` of the image in pixels.
        edge: ``(rows, columns)``: pixels at each edge that are to be left out.

    Returns:
        dict: ``{layer: (rows, columns)}``, slices as :func:`kept` returns them.
    """
    return {
        name: tuple(
            kept(side, architecture.stride(name), cut) for side, cut in zip(size, edge, strict=True)
        )
        for name in layers
    }


def plan(size, layers, side, wrap=(False, False), table=architecture.VGG16):
    """Plans the blocks of an image.

    Args:
        size: ``(height, width)`` of the image in pixels, each at least the stride of the deepest
            layer, and a multiple of it along an axis that wraps.
        layers: Names of the layers whose activations are wanted.
        side (int): Pixels that a core has along each axis, at most, if there were no edges; at
            least the stride of the deepest layer.
        wrap: ``(rows, columns)``: whether opposite edges of the image are neighbours.
        table: The network's layers by name.

    Returns:
        list of Block: Row by row; all windows have one shape.
    """
    rows, columns = _axes(size, layers, side, wrap, table)
    return [Block(row, column) for row in rows for column in columns]


def outline(size, layers, side, wrap=(False, False), table=architecture.VGG16):
    """Returns the shape of the windows and the number of blocks that :func:`plan` would plan.

    Args:
        size: As there.
        layers: As there.
        side: As there.
        wrap: As there.
        table: As there.

    Returns:
        tuple: ``((height, width), number)``.
    """
    rows, columns = _axes(size, layers, side, wrap, table)
    return Block(rows[0], columns[0]).shape, len(rows) * len(columns)


def _axes(size, layers, side, wrap, table):
    stride = architecture.smallest_side(layers) if layers else 1
    after = reach(layers, table)
    return tuple(
        (_spans_around if wraps else _spans)(pixels, stride, after, side)
        for pixels, wraps in zip(size, wrap, strict=True)
    )


def _spans(side, stride, after, core):
    """The spans of an axis with edges."""
    before = _rounded_up(after, stride)
    most = -(-side // core)
    # The last window ends with the image, so lengths are equal only if they leave its remainder.
    shortest = -(-(side + (most - 1) * (before + after)) // most)
    for length in range(shortest + (side - shortest) % stride, side, stride):
        gap = (length - before - after) // stride * stride  # of starts, at most
        if gap > 0 and 1 - (length - side) // gap <= most:
            break
    else:
        return [Span(0, side, (0, side))]
    last = (side - length) // stride
    gaps = -(-(side - length) // gap)
    starts = [number * last // gaps * stride for number in range(gaps + 1)]
    bounds = [0, *(start + before for start in starts[1:]), side]
    cores = pairwise(bounds)
    return [Span(start, length, core) for start, core in zip(starts, cores, strict=True)]


def _spans_around(side, stride, after, core):
    """The spans of an axis that wraps."""
    before = _rounded_up(after, stride)
    count = -(-side // core)
    units = side // stride
    length = before + -(-units // count) * stride + after
    if length >= side:
        return [Span(0, side, (0, side), wraps=True)]
    bounds = [number * units // count * stride for number in range(count + 1)]
    return [Span(begin - before, length, (begin, end)) for begin, end in pairwise(bounds)]


def _rounded_up(pixels, multiple):
    return -(-pixels // multiple) * multiple
