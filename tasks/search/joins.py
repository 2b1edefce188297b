"""The order of the columns that a column can be joined with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lakebed.tasks.index.kernel.postings import Postings, overlaps
from lakebed.tasks.index.vector_index import NamedIndex
from lakebed.tasks.keys.judge import Judge
from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts, pair_facts
from lakebed.tasks.keys.kernel.likeness import NAME_FEATURES, name_features
from lakebed.tasks.keys.kernel.trees import log_odds

N_JUDGED = 80
# columns that hold half of the values come before those that hold less
MOSTLY = 0.5
# what a common folder adds to the log-odds: a reason beside others, no filter
COMMON_FOLDER = 6.0
DECIMALS = 6
_LIKE = NAME_FEATURES.index("n_max")


@dataclass(frozen=True)
class Joins:
    """Columns of other tables that share a value with the asked one, the best first. Shapes: all (m,).

    Attributes:
        share: of the asked column's folded values, those that the column has.
        chance: that the asked column refers to it; NaN where nobody judged.
        is_near: whether their tables lie in one folder.
    """

    column: Int64
    share: Float64
    chance: Float64
    is_near: Bool

    def why(self, place: int) -> dict[str, Any]:
        """What the place of an answer rests on; one beyond these shares no value."""
        if place >= len(self.column):
            return {"folded_share": 0.0, "key_chance": None, "same_folder": False}
        chance = float(self.chance[place])
        return {
            "folded_share": round(float(self.share[place]), DECIMALS),
            "key_chance": None if np.isnan(chance) else round(chance, DECIMALS),
            "same_folder": bool(self.is_near[place]),
        }


def rank_joins(facts: ColumnFacts, postings: Postings, judge: Judge, asked: int) -> Joins:
    """The order does not depend on how many answers are wanted.

    The 80 best by share, uniqueness and names, and those of the folder, are judged as keys are; first come columns that
    hold half of the values, by the log-odds of being referred to and whether the folder is the same. The others follow
    by share, uniqueness and names.

    Complexity: O(the values' columns), and 80 pairs' figures.
    """
    lake = facts.lake
    values = postings.values_of(asked)
    counts = overlaps(postings, values)
    found = np.flatnonzero((counts > 0) & (lake.table_of != lake.table_of[asked]))
    # beyond the lesser threshold of two cut columns nothing can be compared
    comparable = np.searchsorted(values, lake.last[found], side="right")
    share = np.minimum(counts[found] / np.maximum(comparable, 1), 1.0)
    pairs = Pairs(np.full(len(found), asked), found, share * lake.n_distinct[asked])
    likeness = name_features(lake, facts.names, pairs)[:, _LIKE]
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
    return Joins(found[order], share[order], chance[order], is_near[order])


@dataclass(frozen=True)
class Joiner:
    """What is known of the columns, which values they have, and who judges; kept while an index is asked."""

    facts: ColumnFacts
    postings: Postings
    judge: Judge

    def ranked(self, asked: int) -> Joins:
        """See `rank_joins`."""
        return rank_joins(self.facts, self.postings, self.judge, asked)


def nearest_columns(index: NamedIndex, key: str, asked: int, table_of: Int64, known: Int64) -> list[int]:
    """The columns of other tables that are not known yet, by the distance of their vectors, then by number.

    Args:
        index: of the columns.
        key: of the asked column's node.
        asked: its number.
        table_of: (c,) table of each column.
        known: columns that share a value.
    """
    vectors, nodes = index.index.vectors[index.group_of], index.items["node_id"].to_numpy()
    unit = index.vector(key)
    distance = 1 - vectors @ unit if index.space == "cosine" else ((vectors - unit) ** 2).sum(axis=1)
    is_other = (table_of[nodes] != table_of[asked]) & ~np.isin(nodes, known)
    order = np.lexsort((nodes, np.round(distance, DECIMALS)))
    return [int(column) for column in nodes[order[is_other[order]]]]
