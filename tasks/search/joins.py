"""The order of the columns that a column can be joined with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.tasks.index.kernel.likeness import Likeness, Rows, rows_of
from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.index.kernel.spelling import Spelling, spelled_like, spelled_rows
from lakebed.tasks.index.words import lake_terms, spelled_texts
from lakebed.tasks.keys.judge import Judge
from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64, Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts, pair_facts
from lakebed.tasks.keys.kernel.likeness import name_likeness
from lakebed.tasks.keys.kernel.trees import log_odds
from lakebed.tasks.search.kernel.asked import AskedColumn, asked_column, find_columns, mean_rarity, outside_columns
from lakebed.tasks.search.kernel.cosines import AskedRows

N_JUDGED = 80
# columns that hold half of the values come before those that hold less
MOSTLY = 0.5
# what a common folder adds to the log-odds: a reason beside others, no filter
COMMON_FOLDER = 6.0
# what words in common of the two tables add (times their cosine), and names with capitals in the same places; chosen in
# folds of Spider's databases, each of which chose these or a little more
ALIKE_TABLES, SAME_CAPITALS = 2.0, 2.0
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


@dataclass(frozen=True)
class AskedJoin:
    """A column that is asked about.

    Attributes:
        number: of the column among those that facts are known of.
        column: its values.
        table: the row of its table's words.
        in_lake: whether it lies in the lake, and so in a folder of it.
    """

    number: int
    column: AskedColumn
    table: Rows
    in_lake: bool = True


@dataclass(frozen=True)
class Joiner:
    """What is known of the columns, which values they have, and who judges; kept while an index is asked."""

    facts: ColumnFacts
    postings: Postings
    judge: Judge
    spelling: Spelling
    likeness: Likeness

    def ranked(self, asked: int) -> Joins:
        """The columns to join a column of the lake with; see `rank_joins` and `Joins.with_spelled`."""
        lake = self.facts.lake
        table = self.likeness.tables.take(lake.table_of[[asked]])
        joins = rank_joins(self, self.facts, AskedJoin(asked, asked_column(lake, asked), table))
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
        lake, columns = self.facts.lake, outside_columns(self.facts.lake, table)
        facts = self.facts.with_table(table, np.array([mean_rarity(self.postings, column) for column in columns]))
        words = rows_of(self.likeness, lake_terms(table, values))[1]
        joins = rank_joins(self, facts, AskedJoin(lake.n + asked, columns[asked], words, in_lake=False))
        if joins.has_half:
            return joins
        row = spelled_rows(self.spelling, spelled_texts(values)).take(np.array([asked]))
        return joins.with_spelled(spelled_like(self.spelling, row), np.zeros(lake.n, np.bool_))


def rank_joins(known: Joiner, facts: ColumnFacts, asked: AskedJoin) -> Joins:
    """The order does not depend on how many answers are wanted.

    The 80 best by share, uniqueness and names, and those of the folder, are judged as keys are; first come columns that
    hold half of the values, by the log-odds of being referred to, how alike the tables' words and the names' capitals
    are, and whether the folder is the same, which tells the more the fewer tables it has. The others follow by share,
    uniqueness and names.

    Args:
        known: the lake.
        facts: of its columns, and of the asked one.
        asked: the column.

    Complexity: O(the values' columns), and 80 pairs' figures.
    """
    lake, number = facts.lake, asked.number
    sharing = find_columns(known.postings, lake, asked.column)
    is_other = lake.table_of[sharing.column] != lake.table_of[number]
    found, share = sharing.column[is_other], sharing.forth[is_other]
    pairs = Pairs(np.full(len(found), number), found, share * lake.n_distinct[number])
    likeness = name_likeness(lake, facts.names, pairs)
    score = share * np.where(facts.is_unique[found], 1.0, 0.5) * (0.3 + 0.7 * likeness)
    # what is not in the lake lies in no folder of it
    is_near: Bool = np.zeros(len(found), np.bool_)
    if asked.in_lake:
        is_near = lake.folder_of[found] == lake.folder_of[number]
    best = np.argsort(-np.where(is_near, score + 2, score), kind="stable")[: N_JUDGED + int(is_near.sum())]
    judged = np.sort(best)
    chance = np.full(len(found), np.nan)
    chance[judged] = known.judge(pair_facts(facts, Pairs(pairs.a[judged], found[judged], pairs.overlap[judged])))
    odds = np.full(len(found), -np.inf)
    kinship = _kinship(known, facts, asked, found[judged], is_near[judged])
    odds[judged] = log_odds(chance[judged]) + COMMON_FOLDER * is_near[judged] + kinship
    order = np.lexsort((found, -np.round(score, 9), -np.round(odds, 9), share < MOSTLY))
    back, n_common = sharing.back[is_other], sharing.n_common[is_other]
    ranked = (found[order], share[order], back[order], n_common[order], chance[order], is_near[order])
    return Joins(*ranked, np.full(len(found), np.nan))


def _kinship(known: Joiner, facts: ColumnFacts, asked: AskedJoin, columns: Int64, is_near: Bool) -> Float64:
    """What speaks for columns beside the pair itself: words that the tables share, and names written the same way.

    Words speak for unique columns alone: a copy of the asked table shares most, and is nothing to refer to. What lies
    in the folder is kin, the surer the fewer tables that has.
    """
    lake = facts.lake
    tables, place = np.unique(lake.table_of[columns], return_inverse=True)
    rows = AskedRows.of(asked.table, len(known.likeness.term))
    alike = rows.cosines(known.likeness.tables, tables)[0][place] * facts.is_unique[columns]
    mine = _capitals(lake.names[asked.number])
    is_same = np.array([_capitals(lake.names[column]) == mine for column in columns.tolist()], np.bool_)
    found: Float64 = ALIKE_TABLES * alike + SAME_CAPITALS * is_same
    if is_near.any():
        told = 1.0 - _folder_size(lake, asked.number)
        found += told * is_near * (ALIKE_TABLES + SAME_CAPITALS - found)
    return found


def _folder_size(lake: Lake, column: int) -> float:
    """Of the column's folder, as a logarithm to the lake's size: 1 where all tables lie in it."""
    in_folder = np.unique(lake.table_of[lake.folder_of == lake.folder_of[column]])
    return float(np.log1p(len(in_folder)) / np.log1p(len(lake.tables)))


def _capitals(name: str) -> tuple[bool, bool, bool]:
    """Whether all letters are small, all capitals, and the first one is: people write the names of a schema one way."""
    return name.islower(), name.isupper(), name[:1].isupper()
