"""The graph of tables: one target for each column, by its chance to be a key and by how like the tables are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from lakebed.tasks.keys.kernel.candidates import KnownLists, PairLists, Pairs, best_pairs, find_lists
from lakebed.tasks.keys.kernel.columns import Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts, PairFacts, containers_of, pair_facts
from lakebed.tasks.keys.kernel.likeness import name_likeness
from lakebed.tasks.topics.kernel.cosines import table_cosines

Judge = Callable[[PairFacts], Float64]

LEAST_SHARE, LEAST_UNIQUE, LEAST_LIKENESS = 0.5, 0.9, 0.15
# how much a table that has nothing in common with the other still counts
UNLIKE = 0.2
# targets whose score is as near to the best share the column among them
TIE = 0.02
BLOCK = 100_000


@dataclass(frozen=True)
class TableGraph:
    """Undirected edges between n tables, each once, a < b, ascending. Shapes: a, b (m,); weight (m,) in (0, 1]."""

    n: int
    a: Int64
    b: Int64
    weight: Float64

    @property
    def adjacency(self) -> sp.csr_array:
        """Symmetric, (n, n), without a diagonal."""
        ends = (np.concatenate([self.a, self.b]), np.concatenate([self.b, self.a]))
        found = sp.csr_array((np.concatenate([self.weight, self.weight]), ends), shape=(self.n, self.n))
        found.sort_indices()
        return found


def table_graph(facts: ColumnFacts, judge: Judge, least: float, lists: PairLists | None = None) -> TableGraph:
    """The graph of a lake's tables; no folder is looked at.

    Each column chooses the target of the greatest chance times (.2 + cosine of the tables), and brings its chance as
    weight; several columns of two tables add up, to 1 at most.

    Args:
        facts: of the columns.
        judge: who says how likely a pair is a key.
        least: chance from which a pair counts.
        lists: those of `blind_lists`.
    """
    pairs = blind_pairs(facts, lists)
    return graph_of(facts, pairs, blind_chances(facts, pairs, judge), least)


def blind_lists(facts: ColumnFacts, known: KnownLists | None = None) -> PairLists:
    """Pairs of columns, whatever their folders: half of the values in a nearly unique column."""
    lake = facts.lake
    is_target = (lake.n_distinct > 0) & (lake.n_distinct >= LEAST_UNIQUE * lake.n_filled)
    return find_lists(lake, np.zeros(lake.n, np.int64), LEAST_SHARE, is_target, known)


def blind_pairs(facts: ColumnFacts, lists: PairLists | None = None) -> Pairs:
    """Those of `blind_lists` whose names are a bit alike."""
    lake = facts.lake
    pairs = best_pairs(lake, lists or blind_lists(facts))
    return pairs.take(name_likeness(lake, facts.names, pairs) >= LEAST_LIKENESS)


def blind_chances(facts: ColumnFacts, pairs: Pairs, judge: Judge) -> Float64:
    """The chance of each pair, (p,), block by block, so that memory stays bounded."""
    containers = containers_of(facts, pairs)
    blocks = (pairs.take(slice(start, start + BLOCK)) for start in range(0, len(pairs.a), BLOCK))
    return np.concatenate([np.empty(0), *(judge(pair_facts(facts, block, containers)) for block in blocks)])


def graph_of(facts: ColumnFacts, pairs: Pairs, chance: Float64, least: float) -> TableGraph:
    """The graph from pairs and their chances, (p,)."""
    lake = facts.lake
    likely = np.flatnonzero(chance >= least)
    pairs, chance = pairs.take(likely), chance[likely]
    source, target = lake.table_of[pairs.a], lake.table_of[pairs.b]
    score = chance * (UNLIKE + table_cosines(facts, source, target))
    best = np.zeros(lake.n)
    np.maximum.at(best, pairs.a, score)
    is_best = score >= best[pairs.a] * (1 - TIE)
    n_best = np.bincount(pairs.a[is_best], minlength=lake.n)
    share = chance[is_best] / n_best[pairs.a[is_best]]
    return _undirected(len(lake.tables), source[is_best], target[is_best], share)


def _undirected(n: int, source: Int64, target: Int64, weight: Float64) -> TableGraph:
    """Directed weights added up, of both directions the greater one, 1 at most."""
    directed = sp.csr_array((weight, (source, target)), shape=(n, n))
    both = sp.coo_array(sp.triu(directed.maximum(directed.T), k=1).tocsr())
    row, column = np.asarray(both.coords[0], np.int64), np.asarray(both.coords[1], np.int64)
    return TableGraph(n, row, column, np.minimum(both.data, 1.0))
