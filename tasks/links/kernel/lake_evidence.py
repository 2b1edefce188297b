"""What speaks for two columns of a lake meaning the same: values that do not meet by chance, and like names.

Nothing here is learnt but two numbers of the chance: a pair's score is the share of the smaller column's values that
the other one has, times how rare these are among the lake's columns, times how like the names are. Whole numbers drawn
from the same range meet by chance, so two columns of them are evidence only where they share more than that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import KINDS, Lake
from lakebed.tasks.keys.kernel.likeness import name_likeness
from lakebed.tasks.keys.kernel.words import read_names
from lakebed.tasks.links.kernel.neighbours import shared_neighbour_scores
from lakebed.tasks.links.kernel.stack import sigmoid

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
BLOCK_ROWS = 1024
# nats by which whole numbers must meet more often than by chance: one in 150 pairs that do not belong together does
MIN_SURPRISE = 5.0
UNLIKE_WORTH, OTHER_FOLDER_WORTH, COPY_COST = 0.1, 0.3, 0.5
COPIED_SHARE = 0.5
# of the logarithm of a score, from `python -m tests.benchmarks.lake_links`
CHANCE_SLOPE, CHANCE_BIAS = 3.03, -1.69


@dataclass(frozen=True)
class ColumnEvidence:
    """Pairs of columns of different tables with something that speaks for them, the lower column first.

    Shapes: every array (p,).

    Attributes:
        first, second: places of the columns in the lake.
        shared: values that both have, of those that were kept.
        share: of the smaller one's.
        rarity: sum over the shared values of log(columns / columns that have it).
        likeness: of the names, 0 to 1.
        is_folder: whether both tables lie in one folder.
        copied: share of the smaller table's columns that have such a partner in the other table.
    """

    first: Int64
    second: Int64
    shared: Float
    share: Float
    rarity: Float
    likeness: Float
    is_folder: Bools
    copied: Float

    @property
    def score(self) -> Float:
        """What all of it comes to, above 0."""
        names = UNLIKE_WORTH + (1.0 - UNLIKE_WORTH) * self.likeness
        place = np.where(self.is_folder, 1.0, OTHER_FOLDER_WORTH) * (1.0 - COPY_COST * self.copied)
        return np.asarray(self.share * np.log1p(self.rarity) * names * place)

    @property
    def chance(self) -> Float:
        """That one column refers to the other, or both to a third; calibrated on Spider's declared keys."""
        return sigmoid(CHANCE_BIAS + CHANCE_SLOPE * np.log(np.maximum(self.score, 1e-12)))

    def take(self, places: Int64 | Bools) -> "ColumnEvidence":
        """Some of them."""
        return ColumnEvidence(**{name: getattr(self, name)[places] for name in self.__dataclass_fields__})


def column_evidence(lake: Lake, min_shared: int, max_value_columns: int) -> ColumnEvidence:
    """All pairs that share `min_shared` values at least, beyond chance. O(Σ over values of columns²).

    A value of more than `max_value_columns` columns finds no pair, but counts in those that others find.
    """
    held = _incidence(lake)
    n_columns = np.asarray(held.sum(axis=0)).ravel()
    rarity = np.log(max(lake.n, 1) / np.maximum(n_columns, 1.0))
    finding = np.flatnonzero((n_columns > 1) & (n_columns <= max_value_columns))
    found = _meeting(sparse.csr_array(held[:, finding]), lake.table_of)
    shared, rare = _shared(held, rarity, found)
    sizes = np.diff(held.indptr).astype(np.float64)
    smaller = np.maximum(np.minimum(sizes[found[:, 0]], sizes[found[:, 1]]), 1.0)
    kept = (shared >= min_shared) & (rare > 0) & _beyond_chance(lake, found, shared)
    found, shared, rare, share = found[kept], shared[kept], rare[kept], (shared / smaller)[kept]
    return ColumnEvidence(
        first=found[:, 0],
        second=found[:, 1],
        shared=shared,
        share=share,
        rarity=rare,
        likeness=_likeness(lake, found),
        is_folder=_folders(lake)[lake.table_of[found[:, 0]]] == _folders(lake)[lake.table_of[found[:, 1]]],
        copied=_copied(lake, found, share >= COPIED_SHARE),
    )


def _incidence(lake: Lake) -> sparse.csr_array:
    """Columns by values, 1 where the column has the value."""
    ones = np.ones(len(lake.values), np.float32)
    return sparse.csr_array((ones, lake.values, lake.indptr), shape=(lake.n, len(lake.hashes)))


def _meeting(held: sparse.csr_array, table_of: Int64) -> Int64:
    """Pairs of columns of different tables with a value in common, ascending, a block of columns at a time."""
    transposed = sparse.csr_array(held.T)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, held.shape[0], BLOCK_ROWS):
        block = sparse.coo_array(held[start : start + BLOCK_ROWS] @ transposed)
        first, second = block.coords[0].astype(np.int64) + start, block.coords[1].astype(np.int64)
        kept = (first < second) & (table_of[first] != table_of[second])
        found.append(np.stack([first[kept], second[kept]], axis=1))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _shared(held: sparse.csr_array, rarity: Float, pairs: Int64) -> tuple[Float, Float]:
    """How many values each pair shares, and the sum of their rarities."""
    weights = np.stack([np.ones(len(rarity)), rarity], axis=1)
    found = shared_neighbour_scores(held, pairs, weights)
    return found[:, 0], found[:, 1]


def _beyond_chance(lake: Lake, pairs: Int64, shared: Float) -> Bools:
    """Whether whole numbers meet more often than draws from the range of both would; of all else it is always so.

    Poisson's tail (Chernoff 1952): s values where m are expected have a chance of at most exp(-(s·log(s/m) - s + m)).
    """
    a, b = pairs[:, 0], pairs[:, 1]
    is_whole = lake.kind == KINDS.index("int")
    both = is_whole[a] & is_whole[b]
    kept = np.diff(lake.indptr) / np.maximum(lake.n_distinct, 1.0)
    low, high = np.minimum(lake.low[a], lake.low[b]), np.maximum(lake.high[a], lake.high[b])
    span = np.where(both, high - low + 1.0, 1.0)
    expected = np.minimum(kept[a], kept[b]) * lake.n_distinct[a] * lake.n_distinct[b] / np.maximum(span, 1.0)
    expected = np.maximum(expected, 1e-9)
    surprise = shared * np.log(np.maximum(shared, 1e-9) / expected) - shared + expected
    return np.asarray(~both | ((shared > expected) & (surprise > MIN_SURPRISE)))


def _likeness(lake: Lake, pairs: Int64) -> Float:
    """The greater of both ways: of a's name to b's, its table's, or both together."""
    if not len(pairs):
        return np.empty(0)
    names, nothing = read_names(lake), np.zeros(len(pairs))
    ways = (pairs, pairs[:, ::-1])
    return np.maximum(*(name_likeness(lake, names, Pairs(w[:, 0].copy(), w[:, 1].copy(), nothing)) for w in ways))


def _folders(lake: Lake) -> Int64:
    """The number of each table's folder."""
    names = [name.rpartition("/")[0] for name in lake.tables]
    return np.unique(np.array(names, dtype=object), return_inverse=True)[1].astype(np.int64)


def _copied(lake: Lake, pairs: Int64, is_like: Bools) -> Float:
    """Of each pair's tables the share of the smaller one's columns that stand in pairs like this one."""
    tables = lake.table_of[pairs]
    keys, place = np.unique(tables[:, 0] * len(lake.tables) + tables[:, 1], return_inverse=True)
    n_like = np.full(len(keys), np.iinfo(np.int64).max)
    for side in (0, 1):
        columns = np.unique(np.stack([place[is_like], pairs[is_like, side]], axis=1), axis=0)
        n_like = np.minimum(n_like, np.bincount(columns[:, 0], minlength=len(keys)))
    n_columns = np.bincount(lake.table_of, minlength=len(lake.tables))
    return np.asarray(n_like[place] / n_columns[tables].min(axis=1))


def told(evidence: ColumnEvidence) -> list[str]:
    """Why each pair is told, in words."""
    parts = (evidence.shared, evidence.share, evidence.rarity, evidence.likeness, evidence.is_folder, evidence.copied)
    return [_told(*row) for row in zip(*(part.tolist() for part in parts), strict=True)]


def _told(shared: float, share: float, rarity: float, likeness: float, is_folder: bool, copied: float) -> str:
    reasons = [f"{int(shared):,} shared values, {share:.0%} of the smaller column's"]
    reasons.append(f"a value stands in one of {np.exp(rarity / shared):,.0f} columns")
    reasons.append(f"names alike {likeness:.0%}" if likeness > 0 else "names unlike")
    reasons += [] if is_folder else ["in another folder"]
    reasons += [f"{copied:.0%} of the smaller table's columns have a partner there"] if copied >= COPIED_SHARE else []
    return "; ".join(reasons)
