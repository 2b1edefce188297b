"""Arrow arrays to canonical cells (words.py says which words)."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.connectors.errors import SourceError
from lakebed.tasks.encoding import words as w
from lakebed.tasks.encoding.forms import ByteCells, Cells, FixedCells, ListCells, Mask, Offsets, WordCells, Words, plain
from lakebed.tasks.encoding.nested import nested_cells
from lakebed.tasks.encoding.numeric import decimal_cells, float_cells, number_words, scaled_halves
from lakebed.tasks.encoding.types import is_binary, type_class, value_type

_NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_MS_PER_DAY = 86_400_000
_TIME_TAGS = {"timestamp": w.INSTANT, "time": w.TIME, "duration": w.DURATION}
_NO_WORDS = np.empty(0, np.uint64)
_NO_BYTES = np.empty(0, np.uint8)


def cells(values: pa.Array, null_depth: NDArray[np.uint8] | None = None, *, strict: bool = False) -> Cells:
    """The canonical cells of an array.

    Args:
        values: any Arrow array but a union.
        null_depth: (n,) how many enclosing structs of a null cell are there; None: 0 everywhere.
        strict: -0.0 differs from 0.0.

    Raises:
        SourceError: for a type that has no canonical cells.
    """
    values = plain(values)
    if t.is_dictionary(values.type):
        return cells(values.dictionary_decode(), null_depth, strict=strict)
    is_null = null_mask(values)
    depth = _null_depths(is_null, null_depth)
    name = type_class(values.type)
    if name in {"string", "binary"} or t.is_interval(values.type):
        return _byte_cells(values, is_null, depth)
    if name == "nested":
        return _nested(values, is_null, depth, strict=strict)
    encoded = _fixed_cells(values, name, strict=strict)
    if isinstance(encoded, list):
        return _listed(encoded, is_null, depth)
    tags, low, high = encoded
    if is_null is not None:
        tags[is_null], low[is_null], high[is_null] = w.NULL, depth[is_null], 0
    return FixedCells(tags, low, high)


def null_mask(values: pa.Array) -> Mask | None:
    """(n,) where a cell is null; None where none is."""
    if values.null_count == 0:
        return None
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False))


def value_is_null(values: pa.Array) -> NDArray[np.bool_]:
    """(n,) which cells are null, in a dictionary's indices or in the dictionary."""
    values = plain(values)
    mask = null_mask(values)
    is_null = np.zeros(len(values), np.bool_) if mask is None else mask
    if t.is_dictionary(values.type) and values.dictionary.null_count:
        is_null = is_null | value_is_null(values.dictionary)[indices_of(values)]
    return is_null


def n_nulls(values: pa.Array) -> int:
    """How many cells are null, in a dictionary's indices or in the dictionary."""
    values = plain(values)
    return int(value_is_null(values).sum()) if t.is_dictionary(values.type) else int(values.null_count)


def indices_of(values: pa.DictionaryArray) -> NDArray[np.int64]:
    """(n,) positions in the dictionary; 0 for null indices."""
    return np.asarray(values.indices.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _null_depths(is_null: Mask | None, null_depth: NDArray[np.uint8] | None) -> Words:
    if is_null is None:
        return _NO_WORDS
    return np.zeros(is_null.size, np.uint64) if null_depth is None else null_depth.astype(np.uint64)


def _fixed_cells(values: pa.Array, name: str, *, strict: bool) -> tuple[Words, Words, Words] | list[list[int]]:
    kind = values.type
    if name == "null":
        return _tagged(w.NULL, np.zeros(len(values), np.uint64))
    if name == "bool":
        return _tagged(w.BOOL, buffer_values(values.cast(pa.uint8()), np.uint8).astype(np.uint64))
    if name == "number":
        return _number_cells(values, strict=strict)
    if name == "date":
        return _date_cells(values)
    low, high = scaled_halves(_integers(values), _NS_PER_UNIT[kind.unit])
    return np.full(low.size, _TIME_TAGS[name], np.uint64), low, high


def _tagged(tag: int, low: Words) -> tuple[Words, Words, Words]:
    return np.full(low.size, tag, np.uint64), low, np.zeros(low.size, np.uint64)


def _date_cells(values: pa.Array) -> tuple[Words, Words, Words]:
    days = _integers(values)
    rest = np.zeros_like(days)
    if t.is_date64(values.type):
        days, rest = np.divmod(days, _MS_PER_DAY)
    return np.full(days.size, w.DATE, np.uint64), days.view(np.uint64), rest.view(np.uint64)


def _number_cells(values: pa.Array, *, strict: bool) -> tuple[Words, Words, Words] | list[list[int]]:
    kind = values.type
    if t.is_floating(kind):
        floats = _floats(values)
        encoded: tuple[Words, Words, Words] = float_cells(floats, floats.view(np.uint64), strict)
        return encoded
    if t.is_decimal(kind):
        return _decimal_cells(values)
    if t.is_uint64(kind):
        return _tagged(w.INTEGER, buffer_values(values, np.uint64).copy())
    whole = _integers(values)
    return np.full(whole.size, w.INTEGER, np.uint64), whole.view(np.uint64), (whole >> 63).view(np.uint64)


def _decimal_cells(values: pa.Array) -> tuple[Words, Words, Words] | list[list[int]]:
    kind = values.type
    if kind.bit_width < 128:
        values = values.cast(pa.decimal128(38, kind.scale))
        kind = values.type
    if kind.bit_width == 128 and kind.scale >= 0:
        limbs = buffer_values(values, np.uint64, 2).reshape(-1, 2)
        encoded: tuple[Words, Words, Words] = decimal_cells(limbs, kind.scale)
        return encoded
    width = kind.bit_width // 8
    data = buffer_values(values, np.uint8, width).tobytes()
    starts = range(0, len(data), width)
    return [number_words(int.from_bytes(data[i : i + width], "little", signed=True), kind.scale) for i in starts]


def _floats(values: pa.Array) -> NDArray[np.float64]:
    kind = f"f{values.type.bit_width // 8}"
    with np.errstate(invalid="ignore"):  # a signalling NaN of a narrow type
        return np.asarray(buffer_values(values, np.dtype(kind)).astype(np.float64, copy=False))


def _integers(values: pa.Array) -> NDArray[np.int64]:
    sign = "u" if t.is_unsigned_integer(values.type) else "i"
    kind = np.dtype(f"{sign}{values.type.bit_width // 8}")
    return np.array(buffer_values(values, kind), dtype=np.int64)


def buffer_values(values: pa.Array, kind: np.dtype[Any] | type, width: int = 1) -> NDArray[Any]:
    """The numbers in an array's value buffer, `width` a cell; what stands under a null is arbitrary."""
    kind, n = np.dtype(kind), len(values) * width
    buffer = values.buffers()[1]
    if buffer is None or n == 0:
        return np.zeros(n, kind)
    numbers = np.frombuffer(buffer, kind, n, values.offset * width * kind.itemsize)
    return numbers if numbers.flags.aligned else numbers.copy()


def _byte_cells(values: pa.Array, is_null: Mask | None, depth: Words) -> ByteCells:
    kind = values.type
    tag = w.BINARY if is_binary(kind) else w.INTERVAL if t.is_interval(kind) else w.STRING
    if t.is_string_view(kind) or t.is_binary_view(kind):
        values = values.cast(pa.large_binary())
        kind = values.type
    mask = _NO_BYTES if is_null is None else is_null.view(np.uint8)
    if t.is_fixed_size_binary(kind) or t.is_interval(kind):
        width = kind.bit_width // 8
        data = buffer_values(values, np.uint8, width) if width else _NO_BYTES
        return ByteCells(tag, np.arange(len(values) + 1, dtype=np.int64) * width, data, mask, depth)
    is_large = t.is_large_string(kind) or t.is_large_binary(kind)
    offsets = _value_offsets(values, np.int64 if is_large else np.int32)
    buffer = values.buffers()[2]
    data = _NO_BYTES if buffer is None else np.frombuffer(buffer, np.uint8)
    return ByteCells(tag, offsets, data, mask, depth)


def _value_offsets(values: pa.Array, kind: type) -> Offsets:
    buffer, n = values.buffers()[1], len(values)
    if n == 0 or buffer is None or buffer.size == 0:
        return np.zeros(n + 1, np.int64)
    offsets: NDArray[Any] = np.frombuffer(buffer, kind, n + 1, values.offset * np.dtype(kind).itemsize)
    return np.array(offsets, dtype=np.int64)


def _listed(encoded: list[list[int]], is_null: Mask | None, depth: Words) -> WordCells:
    if is_null is not None:
        for i in np.flatnonzero(is_null).tolist():
            encoded[i] = [w.NULL, int(depth[i]), 0]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(cell) for cell in encoded], out=offsets[1:])
    return WordCells(offsets, np.array([word for cell in encoded for word in cell], dtype=np.uint64))


def _nested(values: pa.Array, is_null: Mask | None, depth: Words, *, strict: bool) -> WordCells | ListCells:
    if t.is_union(value_type(values.type)):
        raise SourceError(
            "a column of a union type cannot be compared",
            value=str(values.type),
            expected="any other Arrow type",
            hint="leave the table out with `exclude` in lakebed.toml",
        )
    return nested_cells(values, is_null, depth, lambda inner: cells(inner, strict=strict))
