"""How the values of columns are spelled, whatever the order of their words and the signs between.

For joins that need a transformation first: dates in two formats, `Last, First` against `First Last`, codes with a
prefix. A value's terms are its words (what signs part, and letters from digits; without leading noughts), all of them
together in any order, and the 3-grams inside of them. They weigh as in `likeness.py`; a row has length 1.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.index.kernel.likeness import Float32, Int64, Rows, UInt64, gather, worded

_KEY = b"lakebed-spelling"
_N = 3
# all words together, one of them, a 3-gram
_SCALE = np.array([3.0, 2.0, 1.0])
# each kind of term by another odd number
_KINDS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


@dataclass(frozen=True)
class Spelling:
    """The terms of C columns. Shapes: term (F,) hashes, ascending; idf (F,); rows C rows of terms."""

    term: UInt64
    idf: Float32
    rows: Rows


def spelling_of(texts: pa.Array | pa.ChunkedArray) -> Spelling:
    """The rows of a lake's columns, of the list of each column's values as text. O(letters)."""
    n = len(texts)
    column, term, kind = _terms(texts)
    known, item = np.unique(term, return_inverse=True)
    counted = _counted(column, item, kind, max(len(known), 1))
    n_columns = np.bincount(counted[1], minlength=len(known))
    idf = (np.log((1 + n) / (1 + n_columns)) + 1).astype(np.float32)
    return Spelling(known, idf, _weighed(n, counted, idf))


def spelled_rows(spelling: Spelling, texts: pa.Array | pa.ChunkedArray) -> Rows:
    """The rows of columns that are not in the lake, of the terms that it has."""
    column, term, kind = _terms(texts)
    place = np.minimum(np.searchsorted(spelling.term, term), max(len(spelling.term) - 1, 0))
    is_known = spelling.term[place] == term if len(spelling.term) else np.zeros(len(term), np.bool_)
    counted = _counted(column[is_known], place[is_known], kind[is_known], max(len(spelling.term), 1))
    return _weighed(len(texts), counted, spelling.idf)


def spelled_like(spelling: Spelling, row: Rows) -> NDArray[np.float64]:
    """The cosine of one row with that of each column of the lake, (C,). O(m)."""
    asked, rows = np.zeros(len(spelling.term), np.float32), spelling.rows
    asked[row.item] = row.weight
    return _dots(rows.indptr, np.asarray(rows.item, np.int32), rows.weight, asked, asked != 0)


@nb.njit(cache=True, nogil=True)
def _dots(
    indptr: Int64,
    item: NDArray[np.int32],
    weight: Float32,
    asked: Float32,
    is_asked: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Few of the items are asked about; a byte of each stays in the processor's cache."""
    out = np.zeros(len(indptr) - 1)
    for row in range(len(out)):
        total = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            if is_asked[item[at]]:
                total += asked[item[at]] * weight[at]
        out[row] = total
    return out


def _counted(column: Int64, item: Int64, kind: Int64, n_terms: int) -> tuple[Int64, Int64, Int64, Int64]:
    """(column, item, kind, count), each pair of column and item once, ascending."""
    pair, first, count = np.unique(column * n_terms + item, return_index=True, return_counts=True)
    return pair // n_terms, pair % n_terms, kind[first], count


def _weighed(n: int, counted: tuple[Int64, Int64, Int64, Int64], idf: Float32) -> Rows:
    """Rows of length 1."""
    column, item, kind, count = counted
    weight = (1 + np.log(count)) * idf[item] * _SCALE[kind]
    length = np.sqrt(np.bincount(column, weight**2, minlength=n))
    return Rows(
        _indptr(column, n), item.astype(np.int32), (weight / np.maximum(length[column], 1e-9)).astype(np.float32)
    )


def _terms(texts: pa.Array | pa.ChunkedArray) -> tuple[Int64, UInt64, Int64]:
    """(column, term, kind) as often as they come."""
    owner = pc.list_parent_indices(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(texts)
    flat = flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat
    spelled = flat.dictionary_encode()
    said = _apart(spelled.dictionary)
    parts = [pc.split_pattern(pc.if_else(pc.equal(said, ""), None, said), " ")]
    words = pc.list_flatten(parts[0]).dictionary_encode()
    text = pc.list_parent_indices(parts[0]).to_numpy(zero_copy_only=False).astype(np.int64)
    number = words.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    hashes = _hashed(words.dictionary)
    gram_word, gram = _grams(words.dictionary)
    n_texts = len(spelled.dictionary)
    together = np.zeros(n_texts, np.uint64)
    np.add.at(together, text, hashes[number])
    at, place = gather(_indptr(gram_word, len(hashes)), number)
    # the texts that have words ascend
    worded_text = text[np.diff(text, prepend=-1) != 0]
    every = (together[worded_text], hashes[number], gram[at])
    texts_of = (worded_text, text, text[place])
    used = spelled.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    found = []
    for term, held, odd in zip(every, texts_of, _KINDS, strict=True):
        at, place = gather(_indptr(held, n_texts), used)
        found.append((owner[place], (term * odd)[np.argsort(held, kind="stable")[at]]))
    kind = np.repeat(np.arange(len(found)), [len(column) for column, _ in found])
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found]), kind


def _apart(texts: pa.Array) -> pa.Array:
    """Words with single blanks between, digits apart from letters, numbers without leading noughts."""
    texts = worded(texts)
    texts = pc.replace_substring_regex(texts, r"(\p{L})(\p{N})", r"\1 \2")
    texts = pc.replace_substring_regex(texts, r"(\p{N})(\p{L})", r"\1 \2")
    return pc.replace_substring_regex(texts, r"\b0+([0-9])", r"\1")


def _grams(words: pa.Array) -> tuple[Int64, UInt64]:
    """(word, 3-gram) of the bytes of each word, blanks around it."""
    padded = pc.binary_join_element_wise(" ", words, " ", "").cast(pa.large_binary())
    size = pc.binary_length(padded).to_numpy(zero_copy_only=False).astype(np.int64)
    data = np.frombuffer(b"".join(padded.to_pylist()), np.uint8).astype(np.uint64)
    if len(data) < _N:
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    owner = np.repeat(np.arange(len(size)), size)
    gram = data[: -_N + 1] | data[1:-1] << np.uint64(8) | data[2:] << np.uint64(16)
    is_inside = owner[: -_N + 1] == owner[_N - 1 :]
    return owner[: -_N + 1][is_inside], gram[is_inside] + np.uint64(1)


def _hashed(words: pa.Array) -> UInt64:
    if not len(words):
        return np.empty(0, np.uint64)
    found: UInt64 = value_hashes(words, None, _KEY)
    return found


def _indptr(owner: Int64, n: int) -> Int64:
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)
