"""What becomes of a tile of outputs: ReLU and pooling, or mask and sum.

The last step of a convolution, done while its outputs are in the innermost cache:
forward, bias, ReLU, storing and 2x2 pooling; backward, the gradients of the losses
on the layer and the mask of its ReLU.  A tile is treated one panel of channels at a
time, in a block of 4x4 pixels x ``PANEL`` channels.
"""

from numba import njit

from texsynth.kernels.product import PANEL
from texsynth.kernels.simd import LANES, equal_bits, greater_bits, keep, load, maximum, store, zeros
from texsynth.network.winograd.ends import by_direction
from texsynth.network.winograd.tiles import tile_outputs
from texsynth.network.winograd.transforms import TILE


@njit(forceinline=True)
def _store_row(block, y, first, step, channel, row):
    store(block, (y, first, channel), row[0])
    store(block, (y, first + step, channel), row[1])
    store(block, (y, first + 2 * step, channel), row[2])
    store(block, (y, first + 3 * step, channel), row[3])


@njit(forceinline=True)
def _outputs_to_block(m, tile, m_channel, turned, block):
    """Transform a panel of products back to 4x4 pixels, ``turned`` by 180 degrees or not."""
    first, step = (TILE - 1, -1) if turned else (0, 1)
    for channel in range(0, PANEL, LANES):
        row0, row1, row2, row3 = tile_outputs(m, tile, m_channel + channel)
        _store_row(block, first, first, step, channel, row0)
        _store_row(block, first + step, first, step, channel, row1)
        _store_row(block, first + 2 * step, first, step, channel, row2)
        _store_row(block, first + 3 * step, first, step, channel, row3)


@njit(forceinline=True)
def _pool_square(block, y, x, offset, take_maximum):
    """Pool the 2x2 pixels from (y, x) of a block on, 16 channels.

    Returns:
        The pooled values, and for the four pixels the bits of the lanes that get the
        gradient: those that the ReLU let pass and, for the maximum, the first of the
        largest.
    """
    zero = zeros()
    a, b = load(block, (y, x, offset)), load(block, (y, x + 1, offset))
    c, d = load(block, (y + 1, x, offset)), load(block, (y + 1, x + 1, offset))
    if take_maximum:
        value = maximum(maximum(a, b), maximum(c, d))
        free = greater_bits(value, zero)  # lanes whose maximum is not found yet
        bits_a = equal_bits(a, value) & free
        bits_b = equal_bits(b, value) & free & ~bits_a
        bits_c = equal_bits(c, value) & free & ~(bits_a | bits_b)
        bits_d = free & ~(bits_a | bits_b | bits_c)
    else:
        value = 0.25 * ((a + b) + (c + d))
        bits_a, bits_b = greater_bits(a, zero), greater_bits(b, zero)
        bits_c, bits_d = greater_bits(c, zero), greater_bits(d, zero)
    return value, bits_a, bits_b, bits_c, bits_d


@njit(forceinline=True)
def _pool_block(ends, block, channel, place, shape):
    """Pool the whole 2x2 squares of a block; a last odd row or column is dropped."""
    image, top, left = place
    rows, columns = shape
    for y in range(0, rows - 1, 2):
        for x in range(0, columns - 1, 2):
            for offset in range(0, PANEL, LANES):
                value, bits_a, bits_b, bits_c, bits_d = _pool_square(
                    block, y, x, offset, ends.take_maximum
                )
                row, column = top + y, left + x
                index = (image, row // 2 + 1, column // 2 + 1, channel + offset)
                store(ends.pooled, index, value)
                word = (channel + offset) // LANES
                ends.bits[image, row + 1, column + 1, word] = bits_a
                ends.bits[image, row + 1, column + 2, word] = bits_b
                ends.bits[image, row + 2, column + 1, word] = bits_c
                ends.bits[image, row + 2, column + 2, word] = bits_d


def _put_activation(ends, value, pixel, block, inner):
    image, y, x, channel = pixel
    value = maximum(value + load(ends.bias, (channel,)), zeros())
    if ends.target.size:
        store(ends.target, (image, y + 1, x + 1, channel), value)
    if ends.pooled.size:
        store(block, inner, value)


def _put_gradient(ends, value, pixel, block, inner):
    image, y, x, channel = pixel
    if ends.added.size:
        value = value + load(ends.added, pixel)
    index = (image, y + 1, x + 1, channel)
    if ends.is_rectified:
        value = keep(greater_bits(load(ends.target, index), zeros()), value)
    store(ends.target, index, value)


def _pool_activations(ends, block, channel, place, shape):
    if ends.pooled.size:
        _pool_block(ends, block, channel, place, shape)


# Whether a tile was read backwards, so that its outputs come turned by 180 degrees: (ends).
_is_turned = by_direction(lambda ends: False, lambda ends: True)
# Makes of 16 outputs what is wanted at a pixel, and stores it: (ends, value, pixel, block, inner).
_put = by_direction(_put_activation, _put_gradient)
# Pools a block of activations, if that is wanted: (ends, block, channel, place, shape).
_pool = by_direction(_pool_activations, lambda ends, block, channel, place, shape: None)


@njit(cache=True)
def finish(ends, m, tile, m_channel, channel, place, size, block):
    """Turn a tile's products into activations or gradients, for one panel of channels.

    Args:
        ends: ``Forward``, or ``Backward``, which writes over the activation.
        m: (36, tiles, channels) float32, products.
        tile: which tile of ``m``.
        m_channel: first channel of the panel in ``m``.
        channel: first channel of the panel in the layer.
        place: image, row and column of the tile's first output.
        size: height and width of the image.
        block: (4, 4, PANEL) float32, scratch.
    """
    image, top, left = place
    rows, columns = min(TILE, size[0] - top), min(TILE, size[1] - left)
    _outputs_to_block(m, tile, m_channel, _is_turned(ends), block)
    for y in range(rows):
        for x in range(columns):
            for offset in range(0, PANEL, LANES):
                inner = (y, x, offset)
                pixel = (image, top + y, left + x, channel + offset)
                _put(ends, load(block, inner), pixel, block, inner)
    _pool(ends, block, channel, place, (rows, columns))
