"""The order of the columns that a column can be joined with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.index.kernel.spelling import Spelling, spelled_like, spelled_rows
from lakebed.tasks.index.words import spelled_texts
from lakebed.tasks.keys.judge import Judge
from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64, Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts, pair_facts
from lakebed.tasks.keys.kernel.likeness import name_likeness
from lakebed.tasks.keys.kernel.trees import log_odds
from lakebed.tasks.search.kernel.asked import AskedColumn, asked_column, find_columns, outside_columns

N_JUDGED = 80
# columns that hold half of the values come before those that hold less
MOSTLY = 0.5
# what a common folder adds to the log-odds: a reason beside others, no filter
COMMON_FOLDER = 6.0
# cosine of spelling from which columns that share less than half of the values are told, and from which they come first
SPELLED_FROM, SPELLED_FIRST = 0.15, 0.5
# a share below this is chance
HARDLY = 0.05
DECIMALS = 6


@dataclass(frozen=True)
class Joins:
    """Columns of other tables that share a value with the asked one, the best first. Shapes: all (m,).

    Attributes:
        share: of the asked column's folded values, those that the column has.
        back: of the column's own, those that the asked one has.
        n_common: values of both.
        chance: that the asked column refers to it; NaN where nobody judged.
        is_near: whether their tables lie in one folder.
        spelled: cosine of spelling, where that is why the column is there; else NaN.
    """

    column: Int64
    share: Float64
    back: Float64
    n_common: Int64
    chance: Float64
    is_near: Bool
    spelled: Float64

    def why(self, place: int) -> dict[str, Any]:
        """What the place of an answer rests on; one beyond these shares no value."""
        if place >= len(self.column):
            return {"folded_share": 0.0, "key_chance": None, "same_folder": False, "spelled_alike": None}
        chance, spelled = float(self.chance[place]), float(self.spelled[place])
        return {
            "folded_share": round(float(self.share[place]), DECIMALS),
            "key_chance": None if np.isnan(chance) else round(chance, DECIMALS),
            "same_folder": bool(self.is_near[place]),
            "spelled_alike": None if np.isnan(spelled) else round(spelled, DECIMALS),
        }

    @property
    def has_half(self) -> bool:
        """Whether a column has half of the asked values, so that nothing has to be transformed."""
        return bool(len(self.column) and self.share[0] >= MOSTLY)

    def with_spelled(self, cosine: Float64, is_near: Bool) -> "Joins":
        """With the columns whose values are spelled alike, once they are transformed.

        Those of a cosine of `SPELLED_FIRST` come first, others behind what shares more than `HARDLY` any value.

        Args:
            cosine: (C,) of each column of another table, 0 of the others.
            is_near: (C,) whether a column's table lies in the folder of the asked one.
        """
        alike = np.flatnonzero(cosine >= SPELLED_FROM)
        more = np.setdiff1d(alike, self.column)
        none, unknown = np.zeros(len(more)), np.full(len(more), np.nan)
        column, share = np.concatenate([self.column, more]), np.concatenate([self.share, none])
        spelled = np.where(np.isin(column, alike), cosine[column], np.nan)
        like = np.nan_to_num(spelled)
        tier = np.select([like >= SPELLED_FIRST, share >= HARDLY, like > 0], [0, 1, 2], 3)
        by_like = np.where(tier % 2 == 0, -np.round(like, 9), 0)
        order = np.lexsort((np.arange(len(column)), by_like, tier))
        parts = (
            column, share, np.concatenate([self.back, none]), np.concatenate([self.n_common, none.astype(np.int64)]),
            np.concatenate([self.chance, unknown]), np.concatenate([self.is_near, is_near[more]]), spelled,
        )  # fmt: skip
        return Joins(*(part[order] for part in parts))


def rank_joins(
    facts: ColumnFacts, postings: Postings, judge: Judge, asked: int, column: AskedColumn | None = None
) -> Joins:
    """The order does not depend on how many answers are wanted.

    The 80 best by share, uniqueness and names, and those of the folder, are judged as keys are; first come columns that
    hold half of the values, by the log-odds of being referred to and whether the folder is the same. The others follow
    by share, uniqueness and names.

    Args:
        facts: of the columns.
        postings: of those that may be answers.
        judge: of pairs.
        asked: number of the asked column.
        column: its values, where they are not among the lake's.

    Complexity: O(the values' columns), and 80 pairs' figures.
    """
    lake = facts.lake
    sharing = find_columns(postings, lake, asked_column(lake, asked) if column is None else column)
    is_other = lake.table_of[sharing.column] != lake.table_of[asked]
    found, share = sharing.column[is_other], sharing.forth[is_other]
    pairs = Pairs(np.full(len(found), asked), found, share * lake.n_distinct[asked])
    likeness = name_likeness(lake, facts.names, pairs)
    score = share * np.where(facts.is_unique[found], 1.0, 0.5) * (0.3 + 0.7 * likeness)
    folder = lake.folder_of
    is_near = folder[found] == folder[asked]
    best = np.argsort(-np.where(is_near, score + 2, score), kind="stable")[: N_JUDGED + int(is_near.sum())]
    judged = np.sort(best)
    chance = np.full(len(found), np.nan)
    chance[judged] = judge(pair_facts(facts, Pairs(pairs.a[judged], found[judged], pairs.overlap[judged])))
    odds = np.full(len(found), -np.inf)
    odds[judged] = log_odds(chance[judged]) + COMMON_FOLDER * is_near[judged]
    order = np.lexsort((found, -np.round(score, 9), -np.round(odds, 9), share < MOSTLY))
    back, n_common = sharing.back[is_other], sharing.n_common[is_other]
    parts = (found, share, back, n_common, chance, is_near, np.full(len(found), np.nan))
    return Joins(*(part[order] for part in parts))


@dataclass(frozen=True)
class Joiner:
    """What is known of the columns, which values they have, and who judges; kept while an index is asked."""

    facts: ColumnFacts
    postings: Postings
    judge: Judge
    spelling: Spelling

    def ranked(self, asked: int) -> Joins:
        """See `rank_joins` and `Joins.with_spelled`."""
        lake, joins = self.facts.lake, rank_joins(self.facts, self.postings, self.judge, asked)
        if joins.has_half:
            return joins
        cosine = spelled_like(self.spelling, self.spelling.rows.take(np.array([asked])))
        cosine[lake.table_of == lake.table_of[asked]] = 0
        is_near = lake.folder_of == lake.folder_of[asked]
        return joins.with_spelled(cosine, is_near)

    def ranked_outside(self, table: Lake, values: pa.Table, asked: int) -> Joins:
        """The same for a column of a table that is not in the lake.

        Args:
            table: a lake of this table alone.
            values: its `column_values`.
            asked: the number of the column in it.
        """
        lake = self.facts.lake
        column = outside_columns(lake, table)[asked]
        facts = ColumnFacts.of(with_table(lake, table))
        joins = rank_joins(facts, self.postings, self.judge, lake.n + asked, column)
        if joins.has_half:
            return joins
        row = spelled_rows(self.spelling, spelled_texts(values)).take(np.array([asked]))
        return joins.with_spelled(spelled_like(self.spelling, row), np.zeros(lake.n, np.bool_))


def with_table(lake: Lake, table: Lake) -> Lake:
    """A lake with one table more, its columns the last; of their values those remain that the lake has."""
    numbers = [column.values for column in outside_columns(lake, table)]
    ends = lake.indptr[-1] + np.cumsum([len(held) for held in numbers])
    figures = ("position", "n_rows", "n_filled", "n_distinct", "kind", "low", "high", "length")
    joined = {name: np.concatenate([getattr(lake, name), getattr(table, name)]) for name in figures}
    return Lake(
        tables=[*lake.tables, *table.tables],
        names=[*lake.names, *table.names],
        table_of=np.concatenate([lake.table_of, table.table_of + len(lake.tables)]),
        indptr=np.concatenate([lake.indptr, ends]).astype(np.int64),
        values=np.concatenate([lake.values, *numbers]).astype(np.int32),
        last=np.concatenate([lake.last, np.full(table.n, len(lake.hashes) - 1)]).astype(np.int64),
        hashes=lake.hashes,
        **joined,
    )
