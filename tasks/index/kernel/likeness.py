"""What names and values of columns say in words, as sparse rows that are compared by their cosine.

A term is a word of a value, a word of a name, a whole name, or a 3-gram of a name, each known by a hash. Terms weigh by
how often they come (1 + log n) and how rare they are (log((1 + N) / (1 + n)) + 1), as TF-IDF does; a row has length 1.
Nothing here knows a language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.encoding.sip_hashes import value_hashes

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt64 = NDArray[np.uint64]

VALUE_WORD, NAME_WORD, NAME_GRAM = 0, 1, 2
_KEYS = (b"lakebed-val-word", b"lakebed-nam-word")
# words of names before their 3-grams; names before values
_SCALE = np.array([1.0, 2.0, 1.0])
_SHARES = np.sqrt([0.4, 0.6])
# in the table's row a word of a name counts as three of values
NAME_COUNTS = 3.0
# more of them gain nothing on the benchmarks of unions
N_TEXTS = 64
_UNNAMED = re.compile(r"Unnamed: \d+|c(\d+)")


@dataclass(frozen=True)
class Terms:
    """How often columns have terms, by column and term. Shapes: (m,) each, n_columns of them.

    Attributes:
        term: hash.
        kind: VALUE_WORD, NAME_WORD or NAME_GRAM.
        count: at least 1.
    """

    n_columns: int
    column: Int64
    term: UInt64
    kind: Int64
    count: Float64


def gather(indptr: Int64, rows: Int64) -> tuple[Int64, Int64]:
    """Where the items of some rows stand, and which of these rows each is of, (m,) both."""
    start, size = indptr[rows], indptr[rows + 1] - indptr[rows]
    ends = np.cumsum(size)
    at = np.repeat(start - (ends - size), size) + np.arange(int(size.sum()))
    return at, np.repeat(np.arange(len(rows)), size)


@dataclass(frozen=True)
class Rows:
    """Sparse rows. Shapes: indptr (n + 1,) into item (m,), ascending in each row, and weight (m,)."""

    indptr: Int64
    item: NDArray[np.integer]
    weight: Float32

    def take(self, rows: Int64) -> "Rows":
        """Some of them, read from where they lie."""
        at, _ = gather(self.indptr, rows)
        sizes = self.indptr[rows + 1] - self.indptr[rows]
        return Rows(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), self.item[at], self.weight[at])

    @property
    def owner(self) -> Int64:
        """The row of each item, (m,)."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


@dataclass(frozen=True)
class Likeness:
    """The terms of a lake of C columns and T tables.

    Shapes: term (F,) hashes, ascending; column_idf, table_idf (F,); columns C rows of terms, tables T rows of terms,
    holders F rows of tables.

    Attributes:
        columns: the cosine of two of these is .6 of that of names plus .4 of that of values.
        holders: the tables of each term, with the weight that it has in them.
    """

    term: UInt64
    column_idf: Float32
    table_idf: Float32
    columns: Rows
    tables: Rows
    holders: Rows


def is_nameless(name: str, position: int) -> bool:
    """Whether nobody named the column: it is blank, or called as pandas or the reader of CSV call such."""
    match = _UNNAMED.fullmatch(name.strip())
    return not name.strip() or bool(match and match[1] in {None, str(position + 1)})


def terms_of(names: Sequence[str], positions: Sequence[int], texts: pa.ChunkedArray | pa.Array) -> Terms:
    """The terms of columns. O(letters).

    Args:
        names: of the columns.
        positions: their places in their tables.
        texts: list of each column's values as text; empty for columns whose values are numbers.
    """
    known = ["" if is_nameless(*named) else named[0] for named in zip(names, positions, strict=True)]
    of_names = _name_terms(known)
    parts = [_value_terms(texts), *of_names]
    column = np.concatenate([part[0] for part in parts])
    term = np.concatenate([part[1] for part in parts])
    kind = np.repeat([VALUE_WORD, NAME_WORD, NAME_GRAM], [len(part[0]) for part in parts])
    order = np.lexsort((term, column))
    column, term, kind = column[order], term[order], kind[order]
    is_first = np.ones(len(term), np.bool_)
    is_first[1:] = (term[1:] != term[:-1]) | (column[1:] != column[:-1])
    first = np.flatnonzero(is_first)
    count = np.diff(np.append(first, len(term))).astype(np.float64)
    return Terms(len(names), column[first], term[first], kind[first], count)


def likeness_of(terms: Terms, table_of: Int64, n_tables: int) -> Likeness:
    """The rows of a lake's columns and tables. O(m log m)."""
    known, item = np.unique(terms.term, return_inverse=True)
    column_idf = _idf(terms.n_columns, np.bincount(item, minlength=len(known)))
    owner, term, count = _table_counts(terms, item, table_of)
    table_idf = _idf(n_tables, np.bincount(term, minlength=len(known)))
    tables = _unit_rows(owner, term, (1 + np.log(count)) * table_idf[term], n_tables)
    order = np.argsort(tables.item, kind="stable")
    holders = Rows(
        _indptr(tables.item, len(known)), tables.owner[order].astype(np.int32), tables.weight[order]
    )  # fmt: skip
    return Likeness(known, column_idf, table_idf, _column_rows(terms, item, column_idf), tables, holders)


def rows_of(likeness: Likeness, terms: Terms) -> tuple[Rows, Rows]:
    """The rows of the columns of a table that is not in the lake, and its own one, of the terms that the lake has."""
    place = np.minimum(np.searchsorted(likeness.term, terms.term), max(len(likeness.term) - 1, 0))
    is_known = likeness.term[place] == terms.term if len(likeness.term) else np.zeros(len(terms.term), np.bool_)
    kept = Terms(
        terms.n_columns, terms.column[is_known], terms.term[is_known], terms.kind[is_known], terms.count[is_known]
    )
    item = place[is_known]
    owner, term, count = _table_counts(kept, item, np.zeros(terms.n_columns, np.int64))
    table = _unit_rows(owner, term, (1 + np.log(count)) * likeness.table_idf[term], 1)
    return _column_rows(kept, item, likeness.column_idf), table


def _table_counts(terms: Terms, item: Int64, table_of: Int64) -> tuple[Int64, Int64, Float64]:
    """(table, term, count) without 3-grams, by table and term."""
    is_word = terms.kind != NAME_GRAM
    n = int(item.max(initial=0)) + 1
    pair, place = np.unique(table_of[terms.column[is_word]] * n + item[is_word], return_inverse=True)
    worth = np.where(terms.kind[is_word] == NAME_WORD, NAME_COUNTS, 1.0) * terms.count[is_word]
    return pair // n, pair % n, np.asarray(np.bincount(place, worth, minlength=len(pair)), np.float64)


def _column_rows(terms: Terms, item: Int64, idf: Float32) -> Rows:
    """Names and values each of length 1 before they are put together."""
    weight = (1 + np.log(terms.count)) * idf[item] * _SCALE[terms.kind]
    half = 2 * terms.column + (terms.kind != VALUE_WORD)
    length = np.sqrt(np.bincount(half, weight**2, minlength=2 * terms.n_columns))
    weight *= _SHARES[half % 2] / np.maximum(length[half], 1e-9)
    return _rows(terms.column, item, weight, terms.n_columns)


def _unit_rows(owner: Int64, item: Int64, weight: Float64, n: int) -> Rows:
    length = np.sqrt(np.bincount(owner, weight**2, minlength=n))
    return _rows(owner, item, weight / np.maximum(length[owner], 1e-9), n)


def _rows(owner: Int64, item: Int64, weight: Float64, n: int) -> Rows:
    """Rows of items that ascend by owner and then by item already."""
    return Rows(_indptr(owner, n), item.astype(np.int32), weight.astype(np.float32))


def _indptr(owner: NDArray[np.integer], n: int) -> Int64:
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)


def _idf(n: int, held: Int64) -> Float32:
    found: Float32 = (np.log((1 + n) / (1 + held)) + 1).astype(np.float32)
    return found


def worded(texts: pa.Array) -> pa.Array:
    """The words of each text with single blanks between: what signs part, and capitals after small letters."""
    texts = pc.replace_substring_regex(texts, r"(\p{Ll})(\p{Lu})", r"\1 \2")
    texts = pc.utf8_lower(pc.replace_substring_regex(texts, r"(\p{Lu})(\p{Lu}\p{Ll})", r"\1 \2"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"[^\p{L}\p{M}\p{N}]+", " "))


def _value_terms(texts: pa.ChunkedArray | pa.Array) -> tuple[Int64, UInt64]:
    """(column, hash) of every word of the texts, as often as it comes."""
    texts = pc.list_slice(texts, 0, N_TEXTS)
    owner = pc.list_parent_indices(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(texts)
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.combine_chunks()
    spelled = flat.dictionary_encode()
    said = worded(spelled.dictionary)
    words = pc.split_pattern(pc.if_else(pc.equal(said, ""), None, said), " ")
    hashes = _hashed(pc.list_flatten(words), VALUE_WORD)
    size = pc.fill_null(pc.list_value_length(words), 0).to_numpy(zero_copy_only=False)
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    at, text = gather(indptr, spelled.indices.to_numpy(zero_copy_only=False).astype(np.int64))
    return owner[text], hashes[at]


def _name_terms(names: Sequence[str]) -> tuple[tuple[Int64, UInt64], tuple[Int64, UInt64]]:
    """(column, hash) of words and whole names, and of 3-grams."""
    spelled = pa.array(names, pa.string()).dictionary_encode()
    words = worded(spelled.dictionary).to_pylist()
    place = spelled.indices.to_numpy().astype(np.int64)
    whole = [[*(f"w{word}" for word in name.split()), f"={name}"] if name else [] for name in words]
    grams = [[f"g{part}" for part in _three(f" {name} ")] if name else [] for name in words]
    return _of_places(whole, place), _of_places(grams, place)


def _of_places(terms: Sequence[Sequence[str]], place: Int64) -> tuple[Int64, UInt64]:
    hashes = _hashed(pa.array([term for held in terms for term in held], pa.string()), NAME_WORD)
    indptr = np.cumsum([0, *map(len, terms)]).astype(np.int64)
    at, name = gather(indptr, place)
    return name, hashes[at]


def _three(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(len(text) - 2)]


def _hashed(words: pa.Array, kind: int) -> UInt64:
    if not len(words):
        return np.empty(0, np.uint64)
    found: UInt64 = value_hashes(words, None, _KEYS[kind])
    return found
