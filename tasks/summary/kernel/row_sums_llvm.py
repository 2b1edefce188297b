"""The loops of `row_sums.py`, written by hand for LLVM: `width` sums stay in vector registers and are stored once."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_unpack: Any = cgutils.unpack_tuple
_allocate: Any = cgutils.alloca_once


def _sum_rows(
    _: Any, into: Any, into_at: Any, base: Any, base_at: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> tuple[Any, Callable[..., Any]]:
    return types.void(into, into_at, base, base_at, source, place, index, runs, width), _emit_sum


def _sum_weighted_rows(
    _: Any, into: Any, into_at: Any, weights: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> tuple[Any, Callable[..., Any]]:
    return types.void(into, into_at, weights, source, place, index, runs, width), _emit_weighted


def _combine_rows(
    _: Any, into: Any, into_at: Any, base: Any, base_at: Any, row: Any, row_at: Any, factors: Any, width: Any
) -> tuple[Any, Callable[..., Any]]:
    return types.void(into, into_at, base, base_at, row, row_at, factors, width), _emit_combined


emit_sum: Any = intrinsic(prefer_literal=True)(_sum_rows)
emit_weighted_sum: Any = intrinsic(prefer_literal=True)(_sum_weighted_rows)
emit_combination: Any = intrinsic(prefer_literal=True)(_combine_rows)


def sum_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> None:
    """See `row_sums.sum_rows`; only compiled code can call it, as the two below."""
    emit_sum(into, into_at, base, base_at, source, place, index, runs, width)


def sum_weighted_rows(
    into: Any, into_at: Any, weights: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> None:
    """See `row_sums.sum_weighted_rows`."""
    emit_weighted_sum(into, into_at, weights, source, place, index, runs, width)


def combine_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, row: Any, row_at: Any, factors: Any, width: Any
) -> None:
    """See `row_sums.combine_rows`."""
    emit_combination(into, into_at, base, base_at, row, row_at, factors, width)


def _emit_sum(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    into, into_at, base, base_at, source, place, index, runs, _ = args
    row = _Rows(context, builder, signature)
    begin, middle, end = _unpack(builder, runs)
    gather = _Gather(row, signature, (source, place, index), (4, 6))
    row.load_sums(row.pointer(signature.args[2], base, base_at))
    gather.loop(begin, middle, lambda total, value, _: builder.fadd(total, value))
    gather.loop(middle, end, lambda total, value, _: builder.fsub(total, value))
    row.store_sums(row.pointer(signature.args[0], into, into_at))
    return context.get_dummy_value()


def _emit_weighted(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    into, into_at, weights, source, place, index, runs, _ = args
    row = _Rows(context, builder, signature)
    begin, end = _unpack(builder, runs)
    gather = _Gather(row, signature, (source, place, index), (3, 5))
    row.clear_sums()

    def add(total: Any, value: Any, k: Any) -> Any:
        weight = builder.load(row.pointer(signature.args[2], weights, k))
        return builder.fadd(total, builder.fmul(row.splat(weight), value))

    gather.loop(begin, end, add)
    row.store_sums(row.pointer(signature.args[0], into, into_at))
    return context.get_dummy_value()


def _emit_combined(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    into, into_at, base, base_at, other, other_at, factors, _ = args
    row = _Rows(context, builder, signature)
    scale, share = (row.splat(value) for value in _unpack(builder, factors))
    to = row.pointer(signature.args[0], into, into_at)
    left, right = row.pointer(signature.args[2], base, base_at), row.pointer(signature.args[4], other, other_at)
    for part in range(len(row.sums)):
        total = builder.fadd(row.load(left, part), builder.fmul(share, row.load(right, part)))
        builder.store(builder.fmul(scale, total), row.part(to, part), align=row.align)
    return context.get_dummy_value()


class _Rows:
    """`width` running sums of one type, as vectors."""

    def __init__(self, context: Any, builder: Any, signature: Any) -> None:
        self.context, self.builder = context, builder
        dtype, width = signature.args[0].dtype, signature.args[-1].literal_value
        self.scalar = context.get_value_type(dtype)
        self.lanes = min(width, LANES)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.align = dtype.bitwidth // 8
        self.sums = [_allocate(builder, self.vector) for _ in range(width // self.lanes)]

    def pointer(self, kind: Any, array: Any, at: Any) -> Any:
        """The address of an element of a flat array."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [at])

    def part(self, start: Any, number: int) -> Any:
        """The address of a row's vector."""
        at = self.builder.gep(start, [ir.Constant(ir.IntType(64), number * self.lanes)])
        return self.builder.bitcast(at, self.vector.as_pointer())

    def load(self, start: Any, number: int) -> Any:
        """A row's vector."""
        return self.builder.load(self.part(start, number), align=self.align)

    def splat(self, value: Any) -> Any:
        """A vector of one value."""
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        same = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, one, same)

    def clear_sums(self) -> None:
        """Begin with zeros."""
        for total in self.sums:
            self.builder.store(ir.Constant(self.vector, None), total)

    def load_sums(self, start: Any) -> None:
        """Begin with a row."""
        for number, total in enumerate(self.sums):
            self.builder.store(self.load(start, number), total)

    def store_sums(self, start: Any) -> None:
        """Write the sums."""
        for number, total in enumerate(self.sums):
            self.builder.store(self.builder.load(total), self.part(start, number), align=self.align)


class _Gather:
    """Loops over rows of `source` that `index` names."""

    def __init__(self, row: _Rows, signature: Any, values: tuple[Any, Any, Any], types_at: tuple[int, int]) -> None:
        self.row = row
        self.source_type, self.index_type = (signature.args[at] for at in types_at)
        self.source, place, self.index = values
        self.stride, self.offset = _unpack(row.builder, place)

    def loop(self, begin: Any, end: Any, step: Callable[[Any, Any, Any], Any]) -> None:
        """Total = step(total, row, k) for each k of begin ≤ k < end."""
        builder, row = self.row.builder, self.row
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(ir.IntType(64), 1)) as (k, _):
            number = builder.load(row.pointer(self.index_type, self.index, k))
            wide = builder.sext(number, ir.IntType(64))
            at = builder.add(builder.mul(wide, self.stride), self.offset)
            start = row.pointer(self.source_type, self.source, at)
            for part, total in enumerate(row.sums):
                builder.store(step(builder.load(total), row.load(start, part), k), total)
