"""Hashes of cells and rows under the secret key: 128 bits, exact up to 2^-128 a pair of rows.

A column's cells are sums in four lanes (lanes.py says how, and why two rows have equal ones with probability 2^-128);
the sums of a row's columns add up, whatever their order, and are remixed by AES (aes.py). So one scan gives the row
hashes of any number of column subsets, and a proof that compares |A| with |B| rows is false with probability at most
|A|·|B| / 2^128.

The bound holds for a key that nobody knows who chose the rows. Digests under a key that all know are in sip_hashes.py.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding import lanes, secret
from lakebed.tasks.encoding import words as w
from lakebed.tasks.encoding.aes import remix
from lakebed.tasks.encoding.cells import buffer_values, cells, indices_of, value_is_null
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.forms import ByteCells, Cells, FixedCells, WordCells, plain
from lakebed.tasks.encoding.nested import to_words
from lakebed.tasks.encoding.sketch import threshold
from lakebed.tasks.encoding.types import type_text

Sums = NDArray[np.uint64]
"""(4, n): unfinished sums of each row, by lane."""
Hashes = NDArray[np.uint64]
"""(n, 2): column 0 the high, column 1 the low word."""

SAMPLE_KEY = b"which values of a column to keep"
"""For `value_hashes` that choose samples. Known to all: samples prove nothing, and every root shall choose the same."""

_INTEGERS = (t.is_int8, t.is_int16, t.is_int32, t.is_int64, t.is_uint8, t.is_uint16, t.is_uint32)
_MAX_COLUMNS = 65_536
_NO_WORDS = np.empty(0, np.uint64)


class _Column:
    """The keys of one column, and what its constant words add."""

    def __init__(self, key: bytes, token: str, form: str) -> None:
        self._key, self._token, self._form = key, token, form
        self.keys = secret.word_keys(key, token, form, 3)
        self.integer = self.constants(w.INTEGER), self.constants(w.INTEGER, -1)
        self.date = self.constants(w.DATE)
        self.kinds = np.stack([*self.integer, self.constants(w.FLOAT), self.constants(w.NAN)])

    @property
    def all_keys(self) -> Sums:
        """(256, 2, 4), for cells of variable length."""
        return secret.word_keys(self._key, self._token, self._form, lanes.MAX_WORDS)

    @property
    def blocks(self) -> Sums:
        """(31, 4, 2, 8), the same by blocks of 64 bytes."""
        return secret.block_keys(self._key, self._token, self._form)

    def constants(self, tag: int, high: int = 0) -> Sums:
        """(4,) what the words (tag, 0, high) add."""
        sums = start_sums(1)
        tags, highs = (np.array([word & w.WORD], np.uint64) for word in (tag, high))
        lanes.add_fixed(sums, tags, np.zeros(1, np.uint64), highs, self.keys)
        return np.ascontiguousarray(sums[:, 0])

    def add_digest(self, sums: Sums, row: int, content: bytes) -> None:
        """Adds a cell that is longer than there are keys: 128 bits of keyed BLAKE2b stand for it."""
        key = secret.derived(self._key, "long cells", secret.KEY_BYTES)
        digest = hashlib.blake2b(content, digest_size=16, key=key).digest()
        one = start_sums(1)
        tag, low, high = (np.array([word], np.uint64) for word in (w.LONG, *np.frombuffer(digest, "<u8").tolist()))
        lanes.add_fixed(one, tag, low, high, self.keys)
        sums[:, row] += one[:, 0]


_column = lru_cache(maxsize=_MAX_COLUMNS)(_Column)


def column_sums(
    leaf_values: pa.Array,
    null_depth: NDArray[np.uint8] | None,
    token: str,
    key: bytes,
    *,
    strict_types: bool = False,
) -> Sums:
    """What each cell of a column adds to the sums of its row.

    Args:
        leaf_values: the cells, n of them.
        null_depth: (n,) for null cells, how many enclosing structs are there; None: 0 everywhere.
        token: names the column.
        key: 32 bytes.
        strict_types: the type counts too (int ≠ float), and -0.0 ≠ 0.0.

    Returns: (4, n).
    """
    sums = start_sums(len(leaf_values))
    add_cells(sums, leaf_values, null_depth, token, key, strict_types=strict_types)
    return sums


def add_cells(
    sums: Sums,
    leaf_values: pa.Array,
    null_depth: NDArray[np.uint8] | None,
    token: str,
    key: bytes,
    *,
    strict_types: bool = False,
) -> None:
    """Adds the cells of a column to the sums, in place; arguments as of `column_sums`."""
    if sums.shape != (lanes.LANES, len(leaf_values)):
        raise ValueError(f"sums of {sums.shape[1]} rows cannot take a column of {len(leaf_values)}")
    form = type_text(leaf_values.type) if strict_types else ""
    _add(sums, plain(leaf_values), null_depth, _column(key, token, form), strict=strict_types)


def value_hashes(values: pa.Array, null_depth: NDArray[np.uint8] | None, key: bytes) -> NDArray[np.uint64]:
    """(n,) 64-bit hashes of the cells that do not depend on the column; `value_is_null` says which are null."""
    sums = start_sums(len(values))
    _add(
        sums, plain(values), null_depth, _column(secret.derived(key, "values", secret.KEY_BYTES), "", ""), strict=False
    )
    out: NDArray[np.uint64] = lanes.mixed_values(sums)
    return out


def sampled_values(values: pa.Array, level: int, key: bytes) -> NDArray[np.uint64]:
    """The distinct `value_hashes` below 2^(64 - level) of cells that are not null, ascending; (k,)."""
    return distinct(sampled_hashes(values, level, key))


def sampled_hashes(values: pa.Array, level: int, key: bytes) -> NDArray[np.uint64]:
    """The `value_hashes` below 2^(64 - level) of cells that are not null, with repeats, in any order; (k,).

    A thin sample of the common types costs a third of all hashes.
    """
    values = plain(values)
    if t.is_dictionary(values.type):
        is_used = np.zeros(len(values.dictionary), np.bool_)
        is_used[indices_of(values)[~value_is_null(values)]] = True
        return sampled_hashes(_unviewed(values.dictionary).filter(pa.array(is_used)), level, key)
    held = _unviewed(values).drop_null() if values.null_count else values
    limit = np.uint64(threshold(level) - 1)
    found = _sampled(held, _column(secret.derived(key, "values", secret.KEY_BYTES), "", ""), limit)
    if found is None:
        found = value_hashes(held, None, key)
        found = found[found <= limit]
    return found


def _unviewed(values: pa.Array) -> pa.Array:
    """Texts and bytes in a layout of which Arrow can take some."""
    if t.is_string_view(values.type):
        return values.cast(pa.large_string())
    return values.cast(pa.large_binary()) if t.is_binary_view(values.type) else values


def _sampled(values: pa.Array, column: _Column, limit: np.uint64) -> NDArray[np.uint64] | None:
    """The hashes of the common types up to a limit; None for others, and for cells that need keys of their own."""
    if (numbers := _whole_numbers(values)) is not None:
        constants = (column.date, column.date) if t.is_date32(values.type) else column.integer
        return lanes.sampled_integers(numbers, column.keys, *constants, limit)
    if t.is_floating(values.type):
        pair = _float_kinds(values, strict=False)
        return None if pair is None else lanes.sampled_kinds(*pair, column.keys, column.kinds, limit)
    if isinstance(encoded := cells(values, None), ByteCells):
        keys, blocks, tag = column.all_keys, column.blocks, column.constants(encoded.tag)
        found, n_long = lanes.sampled_bytes(encoded.offsets, encoded.data, keys, blocks, tag, limit)
        return None if n_long else found
    return None


def row_hashes(columns: Sequence[Sums], key: bytes) -> Hashes:
    """Row hashes from the sums of all columns, at least one, in any order. Shapes: (4, n) each; result (n, 2)."""
    sums = start_sums(columns[0].shape[1])
    for column in columns:
        add_column(sums, column)
    return finish(sums, key)


def start_sums(n: int) -> Sums:
    """Sums of n rows that nothing has been added to."""
    return np.zeros((lanes.LANES, n), np.uint64)


def add_column(sums: Sums, column: Sums) -> None:
    """Adds a column's sums to the rows' sums, in place."""
    if sums.shape != column.shape:
        raise ValueError(f"sums of {sums.shape[1]} rows cannot take a column of {column.shape[1]}")
    lanes.add_sums(sums, column)


def finish(sums: Sums, key: bytes, out: Hashes | None = None) -> Hashes:
    """The row hashes of finished sums, in `out` where it is given; the sums stay as they are."""
    hashes: Hashes = np.empty((sums.shape[1], 2), np.uint64) if out is None else out
    if len(hashes) != sums.shape[1]:
        raise ValueError(f"sums of {sums.shape[1]} rows do not fit into {len(hashes)}")
    remix(sums, secret.remix_keys(key), hashes)
    return hashes


def _add(sums: Sums, values: pa.Array, null_depth: NDArray[np.uint8] | None, column: _Column, *, strict: bool) -> None:
    if t.is_dictionary(values.type):
        if len(values.dictionary) > len(values):
            values = plain(values.dictionary_decode())
        else:
            _add_dictionary(sums, values, null_depth, column, strict=strict)
            return
    if not values.null_count:
        _add_cells(sums, values, None, column, strict=strict)
        return
    scratch = start_sums(len(values))
    _add_cells(scratch, values, null_depth, column, strict=strict)
    is_null = np.asarray(values.is_null().to_numpy(zero_copy_only=False)).view(np.uint8)
    _add_with_nulls(sums, scratch, is_null, null_depth, column)


def _add_with_nulls(
    sums: Sums, found: Sums, is_null: NDArray[np.uint8], null_depth: NDArray[np.uint8] | None, column: _Column
) -> None:
    depth = _NO_WORDS if null_depth is None else null_depth.astype(np.uint64)
    lanes.add_with_nulls(sums, found, is_null, depth, column.keys)


def _add_dictionary(
    sums: Sums, values: pa.DictionaryArray, null_depth: NDArray[np.uint8] | None, column: _Column, *, strict: bool
) -> None:
    """Each entry once; nulls, in the indices or in the dictionary, get their own depth."""
    entries = start_sums(max(1, len(values.dictionary)))
    held = plain(values.dictionary)
    if len(held):
        _add(entries, held, None, column, strict=strict)
    nulls = value_is_null(values)
    found = start_sums(len(values)) if nulls.any() else sums
    lanes.add_entries(found, indices_of(values), entries)
    if nulls.any():
        _add_with_nulls(sums, found, nulls.view(np.uint8), null_depth, column)


def _add_cells(
    sums: Sums, values: pa.Array, null_depth: NDArray[np.uint8] | None, column: _Column, *, strict: bool
) -> None:
    """Adds cells; of null ones anything may be added. The common types by kernels of their own."""
    if (numbers := _whole_numbers(values)) is not None:
        constants = (column.date, column.date) if t.is_date32(values.type) else column.integer
        lanes.add_integers(sums, numbers, column.keys, *constants)
    elif t.is_floating(values.type) and (pair := _float_kinds(values, strict=strict)) is not None:
        lanes.add_kinds(sums, *pair, column.keys, column.kinds)
    else:
        _add_encoded(sums, cells(values, null_depth, strict=strict), column)


def _whole_numbers(values: pa.Array) -> NDArray[np.int64] | None:
    """(n,) integers of up to 64 bits, and dates by their days; None for other types."""
    kind = values.type
    if t.is_date32(kind):
        return buffer_values(values, np.int32).astype(np.int64)
    if any(is_of(kind) for is_of in _INTEGERS):
        return buffer_values(values, np.dtype(kind.to_pandas_dtype())).astype(np.int64, copy=False)
    return None


def _float_kinds(values: pa.Array, *, strict: bool) -> tuple[NDArray[np.uint64], NDArray[np.uint64]] | None:
    """(n,) words and kinds of floats; None where some are whole and need 128 bits."""
    with np.errstate(invalid="ignore"):  # a signalling NaN of a narrow type
        floats = buffer_values(values, np.dtype(f"f{values.type.bit_width // 8}")).astype(np.float64, copy=False)
    low, kinds = np.empty(floats.size, np.uint64), np.empty(floats.size, np.uint64)
    return (low, kinds) if lanes.float_kinds(floats, floats.view(np.uint64), strict, low, kinds) else None


def _add_encoded(sums: Sums, encoded: Cells, column: _Column) -> None:
    """Adds cells as words.py has them."""
    if isinstance(encoded, FixedCells):
        lanes.add_fixed(sums, encoded.tags, encoded.low, encoded.high, column.keys)
    elif isinstance(encoded, ByteCells):
        _add_bytes(sums, encoded, column)
    else:
        _add_words(sums, to_words(encoded), column)


def _add_bytes(sums: Sums, encoded: ByteCells, column: _Column) -> None:
    offsets, data = encoded.offsets, encoded.data
    tag = column.constants(encoded.tag)
    if lanes.add_bytes(sums, offsets, data, column.all_keys, column.blocks, tag):
        for row in np.flatnonzero(np.diff(offsets) > lanes.MAX_BYTES).tolist():
            content = data[offsets[row] : offsets[row + 1]].tobytes()
            column.add_digest(sums, row, np.array([encoded.tag, len(content)], "<u8").tobytes() + content)


def _add_words(sums: Sums, encoded: WordCells, column: _Column) -> None:
    offsets, found = encoded.offsets, encoded.words
    if lanes.add_words(sums, offsets, found, column.all_keys):
        for row in np.flatnonzero(np.diff(offsets) > lanes.MAX_WORDS).tolist():
            column.add_digest(sums, row, found[offsets[row] : offsets[row + 1]].astype("<u8").tobytes())
