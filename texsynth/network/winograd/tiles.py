"""From activations to transformed tiles and back, one tile and 16 channels at a time.

Activations lie in padded buffers (images, 4 * tiles down + 2, 4 * tiles across + 2,
channels): pixel (y, x) is at [y + 1, x + 1], the rest is border (see buffers.py).
Tile (i, j) reads the 6x6 pixels from [4 i, 4 j] on and gives the 4x4 outputs at
[4 i + 1, 4 j + 1] and after.
"""

from numba import njit

from texsynth.kernels.simd import LANES, keep, load, rounded, store
from texsynth.network.winograd.transforms import PATCH, TILE, from_points, to_points


@njit(forceinline=True)
def tile_position(tile, down, across):
    """Number of a tile -> its image and its first row and column of outputs."""
    image, rest = divmod(tile, down * across)
    i, j = divmod(rest, across)
    return image, TILE * i, TILE * j


@njit(forceinline=True)
def _store_value(v, point, tile, channel, value):
    """Store a transformed value; its second part, if wanted, is what rounding left of it."""
    store(v, (point, tile, 0, channel), value)
    if v.shape[2] > 1:
        store(v, (point, tile, 1, channel), value - rounded(value))


@njit(forceinline=True)
def _store_row(v, row, tile, channel, v0, v1, v2, v3, v4, v5):
    """Transform along one row and store its six values."""
    values = to_points(v0, v1, v2, v3, v4, v5)
    point = PATCH * row
    _store_value(v, point, tile, channel, values[0])
    _store_value(v, point + 1, tile, channel, values[1])
    _store_value(v, point + 2, tile, channel, values[2])
    _store_value(v, point + 3, tile, channel, values[3])
    _store_value(v, point + 4, tile, channel, values[4])
    _store_value(v, point + 5, tile, channel, values[5])


@njit(forceinline=True)
def _rows_to_points(v, tile, channel, c0, c1, c2, c3, c4, c5):
    """Transform six transformed columns along the rows and store the 36 values."""
    _store_row(v, 0, tile, channel, c0[0], c1[0], c2[0], c3[0], c4[0], c5[0])
    _store_row(v, 1, tile, channel, c0[1], c1[1], c2[1], c3[1], c4[1], c5[1])
    _store_row(v, 2, tile, channel, c0[2], c1[2], c2[2], c3[2], c4[2], c5[2])
    _store_row(v, 3, tile, channel, c0[3], c1[3], c2[3], c3[3], c4[3], c5[3])
    _store_row(v, 4, tile, channel, c0[4], c1[4], c2[4], c3[4], c4[4], c5[4])
    _store_row(v, 5, tile, channel, c0[5], c1[5], c2[5], c3[5], c4[5], c5[5])


@njit(forceinline=True)
def _column(source, image, y, x, step, channel):
    return to_points(
        load(source, (image, y, x, channel)),
        load(source, (image, y + step, x, channel)),
        load(source, (image, y + 2 * step, x, channel)),
        load(source, (image, y + 3 * step, x, channel)),
        load(source, (image, y + 4 * step, x, channel)),
        load(source, (image, y + 5 * step, x, channel)),
    )


@njit(cache=True)
def transform_tile(source, image, y, x, step, v, tile):
    """Transform a 6x6 patch of a padded buffer.

    Args:
        source: (images, rows, columns, channels) float32, padded buffer.
        image: which image.
        y: row of the buffer to begin with.
        x: column to begin with.
        step: 1, or -1 to read the patch backwards (backward pass).
        v: (36, tiles, parts, >= channels), written at ``tile``, see ``multiply_point``.
        tile: which tile of ``v``.
    """
    for channel in range(0, source.shape[3], LANES):
        _rows_to_points(
            v, tile, channel,
            _column(source, image, y, x, step, channel),
            _column(source, image, y, x + step, step, channel),
            _column(source, image, y, x + 2 * step, step, channel),
            _column(source, image, y, x + 3 * step, step, channel),
            _column(source, image, y, x + 4 * step, step, channel),
            _column(source, image, y, x + 5 * step, step, channel),
        )  # fmt: skip


@njit(forceinline=True)
def _unpooled(source, bits, scale, image, y, x, channel):
    """Gradient that the pooled gradient gives one pixel, [y, x] of the full buffer."""
    gradient = load(source, (image, (y + 1) // 2, (x + 1) // 2, channel))
    return scale * keep(bits[image, y, x, channel // LANES], gradient)


@njit(forceinline=True)
def _unpooled_column(source, bits, scale, image, y, x, channel):
    return to_points(
        _unpooled(source, bits, scale, image, y, x, channel),
        _unpooled(source, bits, scale, image, y - 1, x, channel),
        _unpooled(source, bits, scale, image, y - 2, x, channel),
        _unpooled(source, bits, scale, image, y - 3, x, channel),
        _unpooled(source, bits, scale, image, y - 4, x, channel),
        _unpooled(source, bits, scale, image, y - 5, x, channel),
    )


@njit(cache=True)
def transform_unpooled_tile(source, bits, scale, image, y, x, v, tile):
    """Transform, backwards from [y, x], a patch of a gradient known after pooling.

    Args:
        source: (images, rows, columns, channels) float32, padded buffer of the
            gradient with respect to the pooled activation.
        bits: (images, rows, columns, channels / 16) uint16, padded: which pixels
            before the pooling receive it.
        scale: share of each such pixel: 1/4 for the average, 1 for the maximum.
        image: which image.
        y: row of ``bits`` to begin with.
        x: column to begin with.
        v: (36, tiles, parts, >= channels), written at ``tile``, see ``multiply_point``.
        tile: which tile of ``v``.
    """
    for channel in range(0, source.shape[3], LANES):
        _rows_to_points(
            v, tile, channel,
            _unpooled_column(source, bits, scale, image, y, x, channel),
            _unpooled_column(source, bits, scale, image, y, x - 1, channel),
            _unpooled_column(source, bits, scale, image, y, x - 2, channel),
            _unpooled_column(source, bits, scale, image, y, x - 3, channel),
            _unpooled_column(source, bits, scale, image, y, x - 4, channel),
            _unpooled_column(source, bits, scale, image, y, x - 5, channel),
        )  # fmt: skip


@njit(forceinline=True)
def _points_column(m, column, tile, channel):
    return from_points(
        load(m, (column, tile, channel)),
        load(m, (column + 6, tile, channel)),
        load(m, (column + 12, tile, channel)),
        load(m, (column + 18, tile, channel)),
        load(m, (column + 24, tile, channel)),
        load(m, (column + 30, tile, channel)),
    )


@njit(forceinline=True)
def tile_outputs(m, tile, channel):
    """Transform 36 products to four rows of four outputs.

    Args:
        m: (36, tiles, channels) float32, the products.
        tile: which tile.
        channel: first of 16 channels.

    Returns:
        Four tuples (rows) of four vectors.
    """
    c0 = _points_column(m, 0, tile, channel)
    c1 = _points_column(m, 1, tile, channel)
    c2 = _points_column(m, 2, tile, channel)
    c3 = _points_column(m, 3, tile, channel)
    c4 = _points_column(m, 4, tile, channel)
    c5 = _points_column(m, 5, tile, channel)
    return (
        from_points(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]),
        from_points(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]),
        from_points(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]),
        from_points(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]),
    )
