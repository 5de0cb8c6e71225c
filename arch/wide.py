"""Logic on rows of eight 64-bit words, which compile to vector instructions.

A row of an array uint64 (rows, 8) is 512 bits.  Every operation here reads and writes whole rows
through LLVM's vector type, which becomes whatever the processor has: one AVX-512 register, two
of AVX2, four of SSE or NEON.  Nothing checks bounds: callers pass C-contiguous arrays and rows
that exist.

Numba leaves such short loops scalar, because it cannot know that rows do not overlap.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WORDS = 8
BITS = 64 * WORDS
_WORD = ir.IntType(64)
_ROW = ir.VectorType(_WORD, WORDS)
_ALIGNED = 8  # bytes, which NumPy guarantees


def _instruction(function: Callable[..., Any]) -> Any:
    """Numba's ``intrinsic``, whose callers pass all arguments but the first."""
    return intrinsic(function)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    data = make_array(kind)(context, builder, array).data
    word = builder.mul(row, ir.Constant(_WORD, WORDS))
    return builder.bitcast(builder.gep(data, [word]), _ROW.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    loaded = builder.load(pointer)
    loaded.align = _ALIGNED
    return loaded


def _on_rows(combine: Callable[..., tuple[Any, ...]], *arrays: Any) -> tuple[Any, Any]:
    """Signature and code of ``f(array, row, array, row, ...)``.

    ``combine(builder, *rows)`` gives the new values of the first rows.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointers = [
            _pointer(context, builder, signature.args[at], arguments[at], arguments[at + 1])
            for at in range(0, len(arguments), 2)
        ]
        rows = [_load(builder, pointer) for pointer in pointers]
        for pointer, value in zip(pointers, combine(builder, *rows), strict=False):
            builder.store(value, pointer).align = _ALIGNED
        return context.get_dummy_value()

    wanted = [kind for array in arrays for kind in (array, types.int64)]
    return types.void(*wanted), generate


@_instruction
def copy(typing: Any, into: Any, i: Any, row: Any, j: Any) -> Any:
    """into[i] = row[j]."""
    return _on_rows(lambda b, x, y: (y,), into, row)


@_instruction
def clear(typing: Any, into: Any, i: Any, row: Any, j: Any) -> Any:
    """into[i] &= ~row[j]."""
    return _on_rows(lambda b, x, y: (b.and_(x, b.not_(y)),), into, row)


@_instruction
def both(typing: Any, into: Any, i: Any, one: Any, j: Any, other: Any, k: Any) -> Any:
    """into[i] = one[j] & other[k]."""
    return _on_rows(lambda b, x, y, z: (b.and_(y, z),), into, one, other)


@_instruction
def add_both(typing: Any, into: Any, i: Any, one: Any, j: Any, other: Any, k: Any) -> Any:
    """into[i] |= one[j] & other[k]."""
    return _on_rows(lambda b, x, y, z: (b.or_(x, b.and_(y, z)),), into, one, other)


@_instruction
def half_add(typing: Any, total: Any, i: Any, carry: Any, j: Any) -> Any:
    """total[i], carry[j] = total[i] ^ carry[j], total[i] & carry[j]: a half adder, bit by bit."""
    return _on_rows(lambda b, x, y: (b.xor(x, y), b.and_(x, y)), total, carry)


@_instruction
def take(typing: Any, hole: Any, i: Any, offer: Any, j: Any, where: Any, k: Any) -> Any:
    """Move bits of offer[j] to hole[i] where hole[i] has none and where[k] is set."""

    def combine(b: Any, held: Any, offered: Any, allowed: Any) -> tuple[Any, ...]:
        taken = b.and_(b.and_(offered, b.not_(held)), allowed)
        return b.or_(held, taken), b.xor(offered, taken)

    return _on_rows(combine, hole, offer, where)


@_instruction
def any_of(typing: Any, into: Any, i: Any, rows: Any, first: Any, count: Any) -> Any:
    """into[i] = rows[first] | ... | rows[first + count - 1]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        into, i, rows, first, count = arguments
        found = cgutils.alloca_once_value(builder, ir.Constant(_ROW, [0] * WORDS))
        with cgutils.for_range(builder, count) as loop:
            at = builder.add(first, loop.index)
            row = _load(builder, _pointer(context, builder, signature.args[2], rows, at))
            builder.store(builder.or_(builder.load(found), row), found)
        pointer = _pointer(context, builder, signature.args[0], into, i)
        builder.store(builder.load(found), pointer).align = _ALIGNED
        return context.get_dummy_value()

    return types.void(into, types.int64, rows, types.int64, types.int64), generate


@_instruction
def some(typing: Any, rows: Any, i: Any) -> Any:
    """Whether rows[i] has a bit set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row = _load(builder, _pointer(context, builder, signature.args[0], *arguments))
        number = builder.bitcast(row, ir.IntType(BITS))
        return builder.icmp_unsigned("!=", number, ir.Constant(ir.IntType(BITS), 0))

    return types.boolean(rows, types.int64), generate


@_instruction
def ones(typing: Any, word: Any) -> Any:
    """The number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate
