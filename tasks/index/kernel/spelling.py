"""How the values of columns are spelled, whatever the order of their words and the signs between.

For joins that need a transformation first: dates in two formats, `Last, First` against `First Last`, codes with a
prefix. A value's terms are its words (what signs part, and letters from digits; without leading noughts), all of them
together in any order, and the 3-grams inside of them. They weigh as in `likeness.py`; a row has length 1.
"""

from dataclasses import dataclass

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
    idf = (np.log((1 + n) / (1 + _n_columns(column, item, len(known)))) + 1).astype(np.float32)
    return Spelling(known, idf, _counted(n, (column, item, kind), idf))


def _n_columns(column: Int64, item: Int64, n_terms: int) -> Int64:
    """How many columns have each term, (F,)."""
    pairs = np.unique(item * (int(column.max(initial=0)) + 1) + column)
    return np.bincount(pairs // (int(column.max(initial=0)) + 1), minlength=n_terms)


def spelled_rows(spelling: Spelling, texts: pa.Array | pa.ChunkedArray) -> Rows:
    """The rows of columns that are not in the lake, of the terms that it has."""
    column, term, kind = _terms(texts)
    place = np.minimum(np.searchsorted(spelling.term, term), max(len(spelling.term) - 1, 0))
    is_known = spelling.term[place] == term if len(spelling.term) else np.zeros(len(term), np.bool_)
    return _counted(len(texts), (column[is_known], place[is_known], kind[is_known]), spelling.idf)


def spelled_like(spelling: Spelling, row: Rows) -> NDArray[np.float64]:
    """The cosine of one row with that of each column of the lake, (C,). O(m)."""
    asked, rows = np.zeros(len(spelling.term), np.float32), spelling.rows
    asked[row.item] = row.weight
    total = np.concatenate([[0.0], np.cumsum(asked[rows.item] * rows.weight, dtype=np.float64)])
    return np.asarray(total[rows.indptr[1:]] - total[rows.indptr[:-1]], np.float64)


def _counted(n: int, terms: tuple[Int64, Int64, Int64], idf: Float32) -> Rows:
    """Rows of length 1 of (column, item, kind) as often as they come."""
    column, item, kind = terms
    n_terms = max(len(idf), 1)
    pair, first, count = np.unique(column * n_terms + item, return_index=True, return_counts=True)
    column, item = pair // n_terms, pair % n_terms
    weight = (1 + np.log(count)) * idf[item] * _SCALE[kind[first]]
    length = np.sqrt(np.bincount(column, weight**2, minlength=n))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n))]).astype(np.int64)
    return Rows(indptr, item.astype(np.int32), (weight / np.maximum(length[column], 1e-9)).astype(np.float32))


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
    every = (together[np.unique(text)], hashes[number], gram[at])
    texts_of = (np.unique(text), text, text[place])
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
