"""Hashes under keys that all know: SipHash-2-4-128 of each cell, remixed sums of a row's cells.

A cipher bears a public key, which the linear hash of hashes.py does not. Two uses are left: digests that must be the
same on every machine (of artifacts, of values that are compared across lakes), and verifying what runs before the
second encoding wrote (`OLDER_ENCODING_ID`).

The remix is a keyed bijection of 128 bits: a Feistel network of four rounds, whose round functions are SipHash-2-4
with keys of their own. Without it the sum over the *rows* would be linear in the cells, and {(1, a), (2, b)} would have
the same multiset hash as {(1, b), (2, a)}. Because it is a bijection it adds no collision.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding import words as w
from lakebed.tasks.encoding.cells import cells, indices_of, value_is_null
from lakebed.tasks.encoding.forms import ByteCells, Cells, FixedCells, ListCells, plain
from lakebed.tasks.encoding.siphash import (
    absorb_words,
    add_hashes,
    hash_bytes,
    hash_fixed,
    hash_lists,
    hash_words,
    remix,
)
from lakebed.tasks.encoding.types import type_text

Hashes = NDArray[np.uint64]
"""(n, 2): column 0 the high, column 1 the low word."""

KEY_BYTES = 16
_N_ROUNDS = 4
_MAX_STATES = 20_000


def column_hashes(
    leaf_values: pa.Array,
    null_depth: NDArray[np.uint8] | None,
    token: str,
    key: bytes,
    *,
    strict_types: bool = False,
) -> Hashes:
    """SipHash-2-4-128 of each cell, with the column's token before it.

    Args:
        leaf_values: the cells, n of them.
        null_depth: (n,) for null cells, how many enclosing structs are there; None: 0 everywhere.
        token: names the column.
        key: 16 bytes.
        strict_types: the type counts too (int ≠ float), and -0.0 ≠ 0.0.

    Returns: (n, 2), high and low words.
    """
    kind = type_text(leaf_values.type) if strict_types else ""
    return _array_hashes(plain(leaf_values), null_depth, column_state(token, kind, key), strict=strict_types)


def value_hashes(values: pa.Array, null_depth: NDArray[np.uint8] | None, key: bytes) -> NDArray[np.uint64]:
    """(n,) 64-bit hashes of the cells that do not depend on the column; `value_is_null` says which are null."""
    hashes = _array_hashes(plain(values), null_depth, domain_state(w.VALUE_DOMAIN, 0, key), strict=False)
    return np.ascontiguousarray(hashes[:, 1])


def row_hashes(columns: Sequence[Hashes], key: bytes) -> Hashes:
    """Row hashes from the hashes of all columns, at least one, in any order. Shapes: (n, 2) each and the result."""
    sums = start_sums(len(columns[0]))
    for hashes in columns:
        add_column(sums, hashes)
    return finish(sums, key)


def start_sums(n: int) -> Hashes:
    """Sums for `add_column`, which are (n, 2) words whatever the number of columns."""
    return np.zeros((n, 2), np.uint64)


def add_column(sums: Hashes, hashes: Hashes) -> None:
    """Adds a column's hashes to the rows' sums modulo 2^128, in place."""
    if sums.shape != hashes.shape:
        raise ValueError(f"sums of {len(sums)} rows cannot take a column of {len(hashes)}")
    add_hashes(sums, hashes)


def finish(sums: Hashes, key: bytes) -> Hashes:
    """The row hashes of finished sums (the remix of the module's docstring); the sums stay as they are."""
    out: Hashes = remix(sums, _remix_states(key))
    return out


@lru_cache(maxsize=_MAX_STATES)
def column_state(token: str, kind: str, key: bytes) -> Hashes:
    """The hash state after token and type text, each with its length: no two columns share a prefix."""
    prefix = w.bytes_words(0, token.encode())[1:] + w.bytes_words(0, kind.encode())[1:]
    return _state(prefix, key)


@lru_cache(maxsize=64)
def domain_state(domain: int, number: int, key: bytes) -> Hashes:
    """The hash state of a stream that is not a column's."""
    return _state([domain, number], key)


@lru_cache(maxsize=16)
def _remix_states(key: bytes) -> Hashes:
    return np.stack([domain_state(w.REMIX_DOMAIN, i, key) for i in range(_N_ROUNDS)])


def _state(prefix: list[int], key: bytes) -> Hashes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, expected {KEY_BYTES}")
    low, high = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state: Hashes = absorb_words(low, high, np.array(prefix, dtype=np.uint64))
    state.setflags(write=False)
    return state


def _array_hashes(values: pa.Array, null_depth: NDArray[np.uint8] | None, state: Hashes, *, strict: bool) -> Hashes:
    if t.is_dictionary(values.type) and len(values.dictionary) <= len(values):
        return _dictionary_hashes(values, null_depth, state, strict=strict)
    return _cell_hashes(cells(values, null_depth, strict=strict), state)


def _cell_hashes(encoded: Cells, state: Hashes) -> Hashes:
    out: Hashes
    if isinstance(encoded, FixedCells):
        out = hash_fixed(state, encoded.tags, encoded.low, encoded.high)
    elif isinstance(encoded, ByteCells):
        out = hash_bytes(state, np.uint64(encoded.tag), encoded.offsets, encoded.data, encoded.is_null, encoded.depth)
    elif isinstance(encoded, ListCells):
        items = encoded.items
        heads = (encoded.tags, encoded.seconds)
        out = hash_lists(state, heads, encoded.starts, encoded.sizes, (items.tags, items.low, items.high))
    else:
        out = hash_words(state, encoded.offsets, encoded.words)
    return out


def _dictionary_hashes(
    values: pa.DictionaryArray, null_depth: NDArray[np.uint8] | None, state: Hashes, *, strict: bool
) -> Hashes:
    """Hashes the dictionary once; nulls, in the indices or in the dictionary, get their own depth."""
    held, nulls = _array_hashes(plain(values.dictionary), None, state, strict=strict), value_is_null(values)
    out = np.ascontiguousarray(held[indices_of(values)]) if len(held) else start_sums(len(values))
    if nulls.any():
        depth = np.zeros(len(values), np.uint64) if null_depth is None else null_depth.astype(np.uint64)
        none = np.zeros(int(nulls.sum()), np.uint64)
        out[nulls] = hash_fixed(state, none, depth[nulls], none)
    return out
