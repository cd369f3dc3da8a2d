"""Register-tiled matrix product, the work-horse of every pass.

``C = A B`` is cut into blocks of ``BLOCK_ROWS`` rows by ``PANEL`` columns whose
sums stay in registers for the whole depth: each step loads ``PANEL`` values of B
once and multiplies them by one broadcast value of A for each row.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.simd import (
    INT32,
    LANES,
    LLVM_VECTOR,
    add_products_of_pairs,
    element_pointer,
    has_wide_registers,
    load_pairs,
    load_vector,
    splat,
    splat_pair,
    store_vector,
)

# Sums, a row of B and one factor must fit the registers: 32 of 16 floats with
# AVX-512; 16 of 8 floats with AVX2, 32 of 4 with NEON.
BLOCK_ROWS, BLOCK_VECTORS = (12, 2) if has_wide_registers() else (6, 1)
STRIP_ROWS = BLOCK_ROWS // 3  # for the rows left over
PANEL = BLOCK_VECTORS * LANES
_FUSE = ("contract",)
_ZERO = ir.Constant(LLVM_VECTOR, None)


def _block_kernel(block_rows):
    """Make the kernel for blocks of so many rows."""

    @intrinsic
    def multiply(
        _typing, first, a, a_index, a_row, a_step, b, b_index, b_step, c, c_index, c_row, depth, add
    ):
        del first, a_row, a_step, b_step, c_row, depth, add
        count = types.intp
        matrices = (a, a_index, count, count, b, b_index, count, c, c_index, count)

        def emit(context, builder, sig, arguments):
            a, b, c = (
                element_pointer(
                    context, builder, sig.args[k], arguments[k], sig.args[k + 1], arguments[k + 1]
                )
                for k in (1, 5, 8)
            )
            first, _, _, a_row, a_step, _, _, b_step, _, _, c_row, depth, add = arguments
            a_rows = [builder.mul(a_row, a_row.type(row)) for row in range(block_rows)]
            a = builder.gep(a, [builder.mul(first, a_row)])
            c = builder.gep(c, [builder.mul(first, c_row)])
            is_rounded = sig.args[1].dtype == types.uint16
            emit_step = _emit_step_of_pairs if is_rounded else _emit_step
            sums = _emit_sums(builder, emit_step, (a, a_rows, a_step), (b, b_step), depth)
            _emit_stores(builder, sums, c, c_row, add)
            return context.get_dummy_value()

        return types.void(count, *matrices, count, types.boolean), emit

    return multiply


def _emit_sums(builder, emit_step, a, b, depth):
    """Emit the loop over the depth; return the sums, for each row a list of vectors."""
    a, a_rows, a_step = a
    b, b_step = b
    integer = depth.type
    before = builder.block
    loop = builder.append_basic_block("depth")
    after = builder.append_basic_block("depth.end")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(integer)
    sums = [[builder.phi(LLVM_VECTOR) for _ in range(BLOCK_VECTORS)] for _ in a_rows]
    b_row = builder.gep(b, [builder.mul(step, b_step)])
    a_column = builder.gep(a, [builder.mul(step, a_step)])
    new_sums = emit_step(builder, [builder.gep(a_column, [row]) for row in a_rows], b_row, sums)
    for totals, new_totals in zip(sums, new_sums, strict=True):
        for total, new_total in zip(totals, new_totals, strict=True):
            total.add_incoming(_ZERO, before)
            total.add_incoming(new_total, loop)
    next_step = builder.add(step, integer(1))
    step.add_incoming(integer(0), before)
    step.add_incoming(next_step, loop)
    builder.cbranch(builder.icmp_signed("<", next_step, depth), loop, after)
    builder.position_at_end(after)
    return new_sums


def _emit_step(builder, a_pointers, b_row, sums):
    """Emit one step of the depth; return the new sums."""
    offsets = [INT32(vector * LANES) for vector in range(BLOCK_VECTORS)]
    b_values = [load_vector(builder, builder.gep(b_row, [offset])) for offset in offsets]
    new_sums = []
    for pointer, totals in zip(a_pointers, sums, strict=True):
        factor = splat(builder, builder.load(pointer))
        new_sums.append(
            [
                builder.fadd(builder.fmul(factor, b, flags=_FUSE), total, flags=_FUSE)
                for b, total in zip(b_values, totals, strict=True)
            ]
        )
    return new_sums


def _emit_step_of_pairs(builder, a_pointers, b_row, sums):
    """Emit two steps of the depth in one, on pairs of bfloat16."""
    offsets = [INT32(vector * 2 * LANES) for vector in range(BLOCK_VECTORS)]
    b_values = [load_pairs(builder, builder.gep(b_row, [offset])) for offset in offsets]
    new_sums = []
    for pointer, totals in zip(a_pointers, sums, strict=True):
        factor = splat_pair(builder, pointer)
        new_sums.append(
            [
                add_products_of_pairs(builder, total, factor, b)
                for b, total in zip(b_values, totals, strict=True)
            ]
        )
    return new_sums


def _emit_stores(builder, sums, c, c_row, add):
    """Emit ``C = sums``, or ``C += sums`` with ``add``."""
    for row, vectors in enumerate(sums):
        start = builder.gep(c, [builder.mul(c_row, c_row.type(row))])
        for vector, total in enumerate(vectors):
            pointer = builder.gep(start, [c_row.type(vector * LANES)])
            old = builder.select(add, load_vector(builder, pointer), _ZERO)
            store_vector(builder, builder.fadd(old, total), pointer)


_multiply_block = _block_kernel(BLOCK_ROWS)
_multiply_strip = _block_kernel(STRIP_ROWS)


@njit(forceinline=True)
def multiply_panel(
    a, a_index, a_row, a_step, b, b_index, b_step, c, c_index, c_row, rows, depth, add
):
    """``C[rows, PANEL] = A[rows, depth] B[depth, PANEL]``, depth at least 1.

    Each matrix lies somewhere in a float32 array; strides are counted in elements.

    Args:
        a: array that holds A.
        a_index: where A begins, as many numbers as ``a`` has dimensions.
        a_row: stride from one row of A to the next.
        a_step: stride from one step of the depth to the next in A.
        b: array that holds B, the columns of a row next to each other.
        b_index: where B begins.
        b_step: stride from one step of the depth to the next in B.
        c: array that holds C, the columns of a row next to each other.
        c_index: where C begins.
        c_row: stride from one row of C to the next.
        rows: rows; ``STRIP_ROWS`` - 1 more may be read and written.
        depth: columns of A, rows of B.
        add: add the product to C instead.
    """
    whole = (rows + STRIP_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    for row in range(0, whole, BLOCK_ROWS):
        _multiply_block(
            row, a, a_index, a_row, a_step, b, b_index, b_step, c, c_index, c_row, depth, add
        )  # fmt: skip
    for row in range(whole, rows, STRIP_ROWS):
        _multiply_strip(
            row, a, a_index, a_row, a_step, b, b_index, b_step, c, c_index, c_row, depth, add
        )  # fmt: skip


@njit(cache=True)
def multiply_point(v, weights, m, point, panel, m_channel, tiles):
    """Do one of the 36 products for one panel of output channels.

    Args:
        v: (36, tiles, parts, >= depth), transformed inputs, float32 or the bits of bfloat16; the
            parts of each are summed.
        weights: transformed kernels, (panels, 36, depth, PANEL) float32 or, with ``v`` of
            bfloat16, (panels, 36, depth / 2, 2 * PANEL), where two steps of the depth take turns.
        m: (36, tiles, channels) float32, written: the products.
        point: which of the 36.
        panel: which panel of ``weights``.
        m_channel: first channel of the panel in ``m``.
        tiles: tiles in use.
    """
    for part in range(v.shape[2]):
        multiply_panel(
            v, (point, 0, part, 0), v.shape[2] * v.shape[3], weights.shape[3] // PANEL,
            weights, (panel, point, 0, 0), weights.shape[3],
            m, (point, 0, m_channel), m.shape[2],
            tiles, weights.shape[2], part > 0,
        )  # fmt: skip


def in_panels(matrices):
    """Reorder (..., depth, columns) to (columns / PANEL, ..., depth, PANEL), contiguous.

    The kernel then reads its right-hand side from first to last without gaps.
    """
    panels = matrices.shape[-1] // PANEL
    split = matrices.reshape(*matrices.shape[:-1], panels, PANEL)
    ordered = np.moveaxis(split, -2, 0)
    panels = aligned_zeros(ordered.shape)
    panels[...] = ordered
    return panels
