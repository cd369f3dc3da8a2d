"""A vector of 16 float32 as a Numba type: the only file that touches LLVM IR.

Numba's loop vectoriser cannot keep a 6 x 6 transform or a block of sums in
registers, so the kernels say outright which values are vectors.  ``Float32x16``
behaves like a number (``+ - *``); ``load`` and ``store`` move 16 neighbouring
elements of a float32 array.  Nothing here names an instruction set: LLVM maps
``<16 x float>`` to one AVX-512 register, two AVX or four NEON ones.
"""

import operator

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16
LLVM_VECTOR = ir.VectorType(ir.FloatType(), LANES)
LLVM_MASK = ir.VectorType(ir.IntType(1), LANES)
INT32 = ir.IntType(32)


class _Bfloat16(ir.types.Type):
    """LLVM's bfloat, which llvmlite does not name: a float32 without its last 16 bits."""

    def _to_string(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, _Bfloat16)

    def __hash__(self):
        return hash(_Bfloat16)


LLVM_ROUNDED = ir.VectorType(_Bfloat16(), LANES)
LLVM_PAIRS = ir.VectorType(_Bfloat16(), 2 * LANES)


class Float32x16(types.Type):
    """Numba type of 16 float32 values held in registers."""

    def __init__(self):
        """Give the type the name under which Numba caches it."""
        super().__init__(name="Float32x16")


float32x16 = Float32x16()


@register_model(Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, data_model_manager, numba_type):
        super().__init__(data_model_manager, numba_type, LLVM_VECTOR)


def has_wide_registers():
    """Tell whether the CPU compiled for has 32 registers of 512 bits (AVX-512)."""
    return "+avx512f" in _cpu_features()


def has_bfloat16_products():
    """Tell whether the CPU compiled for sums products of bfloat16 (AVX512_BF16)."""
    # With an older LLVM the instruction's function takes other types.
    is_recent = binding.llvm_version_info[0] >= 20
    return is_recent and has_wide_registers() and "+avx512bf16" in _cpu_features()


def _cpu_features():
    return cpu_target.target_context.codegen().magic_tuple()[2].split(",")


def splat(builder, scalar):
    """Emit IR that copies a float32 scalar to all lanes."""
    undefined = ir.Constant(LLVM_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, LANES), None))


def vector_at(builder, pointer):
    """Emit IR that casts a float pointer to a vector pointer."""
    return builder.bitcast(pointer, LLVM_VECTOR.as_pointer())


def load_vector(builder, pointer):
    """Emit IR that loads 16 floats without assuming alignment."""
    return builder.load(vector_at(builder, pointer), align=4)


def store_vector(builder, value, pointer):
    """Emit IR that stores 16 floats without assuming alignment."""
    builder.store(value, vector_at(builder, pointer), align=4)


def store_rounded(builder, value, pointer):
    """Emit IR that stores 16 floats as bfloat16 at a pointer to 16-bit integers."""
    rounded = builder.fptrunc(value, LLVM_ROUNDED)
    builder.store(rounded, builder.bitcast(pointer, LLVM_ROUNDED.as_pointer()), align=2)


def load_pairs(builder, pointer):
    """Emit IR that loads 32 bfloat16 from a pointer to 16-bit integers."""
    return builder.load(builder.bitcast(pointer, LLVM_PAIRS.as_pointer()), align=2)


def splat_pair(builder, pointer):
    """Emit IR that copies the pair of bfloat16 at a pointer to 16-bit integers to all lanes."""
    vector = ir.VectorType(INT32, LANES)
    pair = builder.load(builder.bitcast(pointer, INT32.as_pointer()), align=2)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, pair, INT32(0))
    return builder.bitcast(
        builder.shuffle_vector(first, undefined, ir.Constant(vector, None)), LLVM_PAIRS
    )


def add_products_of_pairs(builder, total, a, b):
    """Emit IR for ``total[i] + a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]`` (AVX512_BF16)."""
    kind = ir.FunctionType(LLVM_VECTOR, (LLVM_VECTOR, LLVM_PAIRS, LLVM_PAIRS))
    function = cgutils.get_or_insert_function(
        builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512"
    )
    return builder.call(function, (total, a, b))


def element_pointer(context, builder, array_type, array, index_type, index):
    """Emit IR for the address of ``array[index]``, ``index`` a tuple, no bounds check."""
    if not all(isinstance(position, types.Integer) for position in index_type):
        raise TypeError(f"index must be of integers, not {index_type}")
    array = context.make_array(array_type)(context, builder, array)
    positions = [
        context.cast(builder, position, position_type, types.intp)
        for position, position_type in zip(
            cgutils.unpack_tuple(builder, index), index_type, strict=True
        )
    ]
    return cgutils.get_item_pointer(context, builder, array_type, array, positions)


# Letting LLVM contract a product and a sum turns the plain arithmetic of the
# transforms into fused multiply-adds.
_CONTRACT = ("contract",)
_BINARY = {
    operator.add: lambda builder, a, b: builder.fadd(a, b, flags=_CONTRACT),
    operator.sub: lambda builder, a, b: builder.fsub(a, b, flags=_CONTRACT),
    operator.mul: lambda builder, a, b: builder.fmul(a, b, flags=_CONTRACT),
}


def _define_operator(symbol, emit):
    @infer_global(symbol)
    class _Template(ConcreteTemplate):
        cases = (signature(float32x16, float32x16, float32x16),)

    @lower_builtin(symbol, Float32x16, Float32x16)
    def _lower(_context, builder, _signature, arguments):
        return emit(builder, *arguments)


for _symbol, _emit in _BINARY.items():
    _define_operator(_symbol, _emit)


@infer_global(operator.mul)
class _ScaleTemplate(ConcreteTemplate):
    cases = (
        signature(float32x16, types.float64, float32x16),
        signature(float32x16, types.float32, float32x16),
    )


@lower_builtin(operator.mul, types.Float, Float32x16)
def _lower_scale(context, builder, sig, arguments):
    factor = context.cast(builder, arguments[0], sig.args[0], types.float32)
    return builder.fmul(splat(builder, factor), arguments[1], flags=_CONTRACT)


@intrinsic
def load(_typing, array, index):
    """``load(array, (i, j, k))``: the 16 floats from ``array[i, j, k]`` on."""

    def emit(context, builder, sig, arguments):
        pointer = element_pointer(
            context, builder, sig.args[0], arguments[0], sig.args[1], arguments[1]
        )
        return load_vector(builder, pointer)

    return float32x16(array, index), emit


@intrinsic
def store(_typing, array, index, value):
    """``store(array, (i, j, k), v)``: write 16 floats from ``array[i, j, k]`` on.

    Into an array of uint16 they are written as bfloat16, rounded to the nearest.
    """

    def emit(context, builder, sig, arguments):
        pointer = element_pointer(
            context, builder, sig.args[0], arguments[0], sig.args[1], arguments[1]
        )
        if sig.args[0].dtype == types.uint16:
            store_rounded(builder, arguments[2], pointer)
        else:
            store_vector(builder, arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(array, index, float32x16), emit


@intrinsic
def take_number(_typing, counter):
    """Count one on in ``counter``, (1,) int64, which threads share; return the number before."""

    def emit(context, builder, sig, arguments):
        array = context.make_array(sig.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), emit


@intrinsic
def rounded(_typing, value):
    """The nearest values that bfloat16 has, as floats."""
    # By integers, for not every processor's LLVM can convert: those of 32 bits that it adds make
    # the nearest value of 16 bits, or the even one, of what is cut off.
    vector = ir.VectorType(INT32, LANES)
    half, odd, sixteen, high = (
        ir.Constant(vector, [bits] * LANES) for bits in (0x7FFF, 1, 16, 0xFFFF0000)
    )

    def emit(_context, builder, _signature, arguments):
        bits = builder.bitcast(arguments[0], vector)
        is_odd = builder.and_(builder.lshr(bits, sixteen), odd)
        bits = builder.and_(builder.add(bits, builder.add(is_odd, half)), high)
        return builder.bitcast(bits, LLVM_VECTOR)

    return float32x16(value), emit


@intrinsic
def maximum(_typing, a, b):
    """The larger of two vectors, lane by lane; a NaN in ``a`` stays."""

    def emit(_context, builder, _signature, arguments):
        return builder.select(builder.fcmp_unordered(">", *arguments), *arguments)

    return float32x16(a, b), emit


@intrinsic
def zeros(_typing):
    """A vector of zeros."""

    def emit(_context, _builder, _signature, _arguments):
        return ir.Constant(LLVM_VECTOR, None)

    return float32x16(), emit


def _comparison(symbol):
    @intrinsic
    def compare(_typing, a, b):
        def emit(_context, builder, _signature, arguments):
            return builder.bitcast(builder.fcmp_ordered(symbol, *arguments), ir.IntType(LANES))

        return types.uint16(a, b), emit

    return compare


# One bit a lane, in a uint16: what a mask costs in memory is 1/32 of its floats.
greater_bits = _comparison(">")
equal_bits = _comparison("==")


@intrinsic
def keep(_typing, bits, value):
    """``value`` where the bit of the lane is set, 0 elsewhere."""

    def emit(_context, builder, _signature, arguments):
        mask = builder.bitcast(arguments[0], LLVM_MASK)
        return builder.select(mask, arguments[1], ir.Constant(LLVM_VECTOR, None))

    return float32x16(types.uint16, value), emit
