"""Which tables are most like a table, so that they can be put under it: words, aligned columns, values, neighbours.

score = words + align + .5 · share + 5 · max(0, share - .8) + 2 · near

- words: cosine of the two tables' words (`tasks/index/kernel/likeness.py`);
- align: the best assignment of the asked columns to the other's (Kuhn 1955) by the cosine of their names and values,
  over √(n · m);
- share: of the asked columns' folded values, weighed by how rare a value is in the lake, those that the other's best
  column has, a quarter less where the names differ; row numbers weigh nothing;
- near: the mean likeness to the best five, weighed by their scores; none vouches for itself.

Words and share choose the 100 that are aligned; the others follow by words and share, so that the order does not depend
on how many are wanted. Wide tables are bounded: the 128 columns of most values are asked about, 512 of an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from lakebed.tasks.index.kernel.likeness import Likeness, Rows, Terms, rows_of
from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64, Lake
from lakebed.tasks.search.kernel.asked import (
    AskedColumn,
    Found,
    asked_column,
    find_columns,
    numbers_rows,
    outside_columns,
)
from lakebed.tasks.search.kernel.cosines import AskedRows, Shares, most_pairs

N_ALIGNED, N_VOUCHING = 100, 5
SHARE_WORTH, WHOLE_WORTH, NEAR_WORTH = 0.5, 5.0, 2.0
WHOLE_FROM = 0.8
OTHER_NAME = 0.75
MAX_ASKED, MAX_ANSWERING = 128, 512
# likeness and share together from which two columns are put under each other, and how many of the asked must be
MAPPED_FROM, UNIONABLE_FROM = 0.2, 0.4


@dataclass(frozen=True)
class AskedTable:
    """A table that is asked about.

    Attributes:
        columns: q of them.
        rows: q rows of terms.
        row: the table's own.
        number: of the table in the lake; -1 where it is not in it.
    """

    columns: Sequence[AskedColumn]
    rows: Rows
    row: Rows
    number: int = -1


@dataclass(frozen=True)
class UnionLake:
    """What is known of the lake's C columns and T tables."""

    lake: Lake
    postings: Postings
    likeness: Likeness

    @cached_property
    def starts(self) -> Int64:
        """Where each table's columns begin, and the end, (T + 1,)."""
        return np.searchsorted(self.lake.table_of, np.arange(len(self.lake.tables) + 1))

    @cached_property
    def counts_rows(self) -> Bool:
        """Which columns only number the rows, (C,)."""
        return numbers_rows(self.lake)

    @cached_property
    def name_number(self) -> dict[str, int]:
        """A number of each name, case and outer blanks aside."""
        return {name: at for at, name in enumerate(dict.fromkeys(map(_plain, self.lake.names)))}

    @cached_property
    def name_of(self) -> Int64:
        """The number of each column's name, (C,)."""
        return np.array([self.name_number[_plain(name)] for name in self.lake.names], np.int64)

    def asked(self, table: int) -> AskedTable:
        """A table of the lake as one that is asked about."""
        columns = np.arange(self.starts[table], self.starts[table + 1])
        rows, row = self.likeness.columns.take(columns), self.likeness.tables.take(np.array([table]))
        held = [asked_column(self.lake, column, bool(self.counts_rows[column])) for column in columns.tolist()]
        return AskedTable(held, rows, row, table)

    def outside(self, table: Lake, terms: Terms) -> AskedTable:
        """A table that is not in the lake, as one that is asked about.

        Args:
            table: a lake of this table alone.
            terms: of its columns.
        """
        return AskedTable(outside_columns(self.lake, table), *rows_of(self.likeness, terms))


@dataclass(frozen=True)
class Unions:
    """The tables that have anything in common with the asked one, the best first. Shapes: (m,) each.

    Attributes:
        share: of the asked values, each weighing its rarity, those that the table has.
        words: cosine of words.
        align: of the assignment; NaN beyond those that were aligned.
        chosen: the asked columns that are compared, by number.
        rows: their terms.
        shares: what the lake's columns share with them.
        likeness: of each table that was aligned the cosines of these with its columns.
    """

    table: Int64
    score: Float64
    share: Float64
    words: Float64
    align: Float64
    chosen: Int64
    rows: AskedRows
    shares: Shares
    likeness: Mapping[int, Float64]


@dataclass(frozen=True)
class ColumnMapping:
    """Which asked column lies over which of an answer's, the best pairs first. Shapes: (p,) each.

    Attributes:
        asked: number among the asked columns.
        column: of the lake.
        share: of the asked column's values that the other has.
        likeness: cosine of names and values' words.
        novel: of the answer's rows, those that the asked table lacks at least, judged by the values of single columns.
        is_unionable: whether two fifths of the asked columns have a partner.
    """

    asked: Int64
    column: Int64
    share: Float64
    likeness: Float64
    novel: float
    is_unionable: bool


def rank_unions(known: UnionLake, asked: AskedTable) -> Unions:
    """The tables by their scores; of equals the first. O(columns of the asked values and words, 100 assignments)."""
    chosen = _chosen(asked.columns)
    found = [find_columns(known.postings, known.lake, asked.columns[at]) for at in chosen.tolist()]
    named, share = _table_shares(known, [asked.columns[at] for at in chosen.tolist()], found)
    words = _words(known, asked.row)
    score = words + SHARE_WORTH * named + WHOLE_WORTH * np.maximum(named - WHOLE_FROM, 0)
    has_any = (words > 0) | (share > 0)
    if asked.number >= 0:
        has_any[asked.number] = False
    first = np.lexsort((-np.round(words + SHARE_WORTH * named, 9), ~has_any))[: int(has_any.sum())]
    aligned, align = first[:N_ALIGNED], np.full(len(score), np.nan)
    rows = AskedRows.of(asked.rows.take(chosen), len(known.likeness.term))
    likeness = _likenesses(known, rows, aligned)
    align[aligned] = _align(known, likeness)
    total = score[aligned] + align[aligned]
    total += NEAR_WORTH * _near(known.likeness, aligned, total)
    best = np.lexsort((aligned, -np.round(total, 9)))
    table = np.concatenate([aligned[best], first[N_ALIGNED:]])
    scores = np.concatenate([total[best], score[first[N_ALIGNED:]]])
    shares = Shares.of(found, known.lake.n)
    return Unions(table, scores, share[table], words[table], align[table], chosen, rows, shares, likeness)


def map_columns(known: UnionLake, asked: AskedTable, unions: Unions, table: int) -> ColumnMapping:
    """The assignment that is best by likeness and shared values together, of pairs that have enough of both."""
    columns, likeness = _answering(known, table), unions.likeness.get(table)
    if likeness is None:
        likeness = _likenesses(known, unions.rows, np.array([table]))[table]
    start = int(known.starts[table])
    forth, back = unions.shares.between(start, start + len(columns), len(unions.chosen))
    i, j = linear_sum_assignment(likeness + forth, maximize=True)
    is_mapped = (likeness + forth)[i, j] >= MAPPED_FROM
    i, j = i[is_mapped], j[is_mapped]
    n_distinct = np.array([column.n_distinct for column in asked.columns])[unions.chosen[i]]
    order = np.lexsort((i, -np.round(likeness[i, j], 6), -n_distinct, -np.round(forth[i, j], 6)))
    i, j = i[order], j[order]
    # each new value stands in one row at least
    rows_a_value = known.lake.n_distinct[columns[j]] / np.maximum(known.lake.n_rows[columns[j]], 1)
    new = (1.0 - back[i, j]) * np.minimum(rows_a_value, 1.0)
    novel = float(new.max(initial=0.0)) if len(i) else 1.0
    is_unionable = len(i) >= _n_needed(unions)
    return ColumnMapping(unions.chosen[i], columns[j], forth[i, j], likeness[i, j], novel, is_unionable)


def may_be_unionable(known: UnionLake, unions: Unions, tables: Int64) -> Bool:
    """Which of some tables an assignment could put under the asked one, (t,); none that it would is left out."""
    start = known.starts[tables]
    spans = (start, np.minimum(known.starts[tables + 1], start + MAX_ANSWERING))
    pairs = most_pairs(unions.rows, known.likeness.columns, unions.shares, spans, MAPPED_FROM)
    found: Bool = pairs >= _n_needed(unions)
    return found


def _n_needed(unions: Unions) -> float:
    """Partners from which on a table can be put under the asked one."""
    return max(1.0, UNIONABLE_FROM * len(unions.chosen))


def _plain(name: str) -> str:
    return name.strip().lower()


def _chosen(columns: Sequence[AskedColumn]) -> Int64:
    """The columns of most values, without row numbers unless there is nothing else, in their own order."""
    places = [at for at, column in enumerate(columns) if not column.counts_rows] or list(range(len(columns)))
    return np.array(sorted(sorted(places, key=lambda at: -columns[at].n_distinct)[:MAX_ASKED]), np.int64)


def _table_shares(known: UnionLake, columns: Sequence[AskedColumn], found: Sequence[Found]) -> tuple[Float64, Float64]:
    """Of each table the share of the asked values, less where names differ, and as it is, (T,) both.

    A column weighs log2(1 + values) times the mean rarity of its values.
    """
    n_tables = len(known.lake.tables)
    named, share, total = np.zeros(n_tables), np.zeros(n_tables), 1e-9
    for column, one in zip(columns, found, strict=True):
        weight = float(np.log2(1 + column.n_distinct)) * one.rarity
        total += weight
        if len(one.column):
            table = known.lake.table_of[one.column]
            first = np.flatnonzero(np.diff(table, prepend=-1))
            is_same = known.name_of[one.column] == known.name_number.get(_plain(column.name), -1)
            share[table[first]] += weight * np.maximum.reduceat(one.worth, first)
            named[table[first]] += weight * np.maximum.reduceat(one.worth * np.where(is_same, 1, OTHER_NAME), first)
    return named / total, share / total


def _words(known: UnionLake, row: Rows) -> Float64:
    """The cosine of the asked table's words with each table's, (T,)."""
    held = known.likeness.holders.take(row.item.astype(np.int64))
    weight = held.weight.astype(np.float64) * row.weight[held.owner]
    return np.asarray(np.bincount(held.item, weight, minlength=len(known.lake.tables)), np.float64)


def _answering(known: UnionLake, table: int) -> Int64:
    start, end = int(known.starts[table]), int(known.starts[table + 1])
    return np.arange(start, min(end, start + MAX_ANSWERING))


def _likenesses(known: UnionLake, asked: AskedRows, tables: Int64) -> dict[int, Float64]:
    """For each table the cosines of the asked columns with its own, (q, n), at most `MAX_ANSWERING` of them."""
    spans = [_answering(known, table) for table in tables.tolist()]
    like = asked.cosines(known.likeness.columns, np.concatenate([np.empty(0, np.int64), *spans]))
    ends = np.cumsum([len(span) for span in spans]).tolist()
    placed = zip(tables.tolist(), spans, ends, strict=True)
    return {table: like[:, end - len(span) : end] for table, span, end in placed}


def _align(known: UnionLake, likeness: Mapping[int, Float64]) -> Float64:
    """Of each table the greatest sum of likenesses of pairs of columns, over √(n · m), (t,); row numbers left out."""
    found = np.zeros(len(likeness))
    for at, (table, like) in enumerate(likeness.items()):
        part = like[:, ~known.counts_rows[_answering(known, table)]]
        if part.size:
            found[at] = part[linear_sum_assignment(part, maximize=True)].sum() / np.sqrt(part.size)
    return found


def _near(likeness: Likeness, tables: Int64, score: Float64) -> Float64:
    """How like each table is to the best five, each weighing its score, itself left out, (t,)."""
    top = np.lexsort((tables, -np.round(score, 9)))[:N_VOUCHING]
    like = AskedRows.of(likeness.tables.take(tables[top]), len(likeness.term)).cosines(likeness.tables, tables)
    like[np.arange(len(top)), top] = 0
    weight = score[top] / max(float(score[top].sum()), 1e-9)
    left = np.ones(len(tables))
    left[top] -= weight
    found: Float64 = (weight @ like) / np.maximum(left, 1e-9)
    return found
