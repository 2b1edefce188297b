"""Links of a lake graph: pairs of columns, and of tables, that share values which the graph does not show.

Values are told apart once, by the seed: held-out ones define which pairs are linked, the others stay in the graph. So
nothing that a rung may read says what it is asked.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.links.config import LakeLinksConfig, SplitConfig
from lakebed.tasks.links.kernel.neighbours import shared_neighbour_scores
from lakebed.tasks.links.kernel.split import EdgeSplit, TooFewLinksError, pair_keys

Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
MAX_DRAWS, MAX_TAIL_DRAWS = 200, 20
BLOCK_ROWS = 2048


@dataclass(frozen=True)
class LakeGraph:
    """A lake graph as arrays.

    Shapes: source, target (m,) node ids, source < target; is_value (m,) whether it joins a column to a value;
    column (c,) ids of the columns; table (c,) the table's node of each.
    """

    n_nodes: int
    source: Int64
    target: Int64
    is_value: Bools
    column: Int64
    table: Int64


@dataclass(frozen=True)
class LakePairs:
    """The graph that may be read, and the pairs that are asked for.

    Shapes: visible (v, 2) edges; positive, negative (k, 2) node pairs, the lower node first; kind (n,) int8 of each
    node that a pair may hold: 0 a column, 1 a table, -1 neither; owner (n,) the table of a column, any other node
    itself; node_type (n,) int8: 0 a column, 1 a table, 2 a value, 3 a name.
    """

    visible: Int64
    positive: Int64
    negative: Int64
    kind: NDArray[np.int8]
    owner: Int64
    linked: Int64
    node_type: NDArray[np.int8] | None = None

    def may_be_asked(self, heads: Int64, tails: Int64) -> Bools:
        """Whether pairs of nodes are neither linked nor of one owner. Shapes: any, broadcast."""
        low, high = np.minimum(heads, tails), np.maximum(heads, tails)
        is_linked = np.isin(low * len(self.kind) + high, self.linked)
        return np.asarray(~is_linked & (self.owner[heads] != self.owner[tails]))


NO_PAIRS = np.empty((0, 2), np.int64)


def hold_values_out(graph: LakeGraph, config: LakeLinksConfig, seed: int, keys: Int64 = NO_PAIRS) -> LakePairs:
    """Draws the held-out values, and from them the linked pairs and as many that are none.

    Two columns of different tables are linked when they share at least `min_shared` held-out values, and at least
    `min_overlap` of the smaller one's, or when one refers to the other; two tables when columns of theirs are. O(Σ over
    values of columns²), a value of more than `max_value_columns` columns defining none.

    Shapes: keys (k, 2) columns of which one refers to the other.
    Raises: TooFewLinksError: if no pair is linked, or there are too few that are not.
    """
    random = np.random.Generator(np.random.PCG64([seed, 9]))
    is_held = np.zeros(graph.n_nodes, np.bool_)
    values = distinct(graph.target[graph.is_value])
    is_held[values[random.random(len(values)) < config.held_share]] = True
    hidden = graph.is_value & is_held[graph.target]
    columns = np.unique(np.concatenate([_linked_columns(graph, hidden, config), np.sort(keys, axis=1)]), axis=0)
    tables = _linked_tables(graph, columns)
    positive = _capped(np.concatenate([columns, tables]), config.max_pairs, random)
    if len(positive) < 2:
        raise TooFewLinksError(
            "no two columns of the lake share values that were held out",
            value=f"{int(hidden.sum())} held-out edges",
            expected="tables that share values",
            hint="run without the links stage, or lower links.lake.min_shared and min_overlap",
        )
    kind = _kinds(graph)
    linked = distinct(pair_keys(np.concatenate([columns, tables]), graph.n_nodes))
    negative = _negatives(graph, hidden, (positive, linked), random)
    visible = np.stack([graph.source, graph.target], axis=1)[~hidden]
    return LakePairs(visible, positive, negative, kind, owners(graph), linked, _node_types(graph, kind))


def owners(graph: LakeGraph) -> Int64:
    """The table of each column, any other node itself. Shapes: result (n,)."""
    owner = np.arange(graph.n_nodes)
    owner[graph.column] = graph.table
    return owner


def split_pairs(pairs: LakePairs, n_nodes: int, config: SplitConfig) -> EdgeSplit:
    """The linked pairs told apart for training, validation and test, with their negatives.

    Raises: TooFewLinksError: if there are too few.
    """
    n_valid, n_test = (round(share * len(pairs.positive)) for share in (config.valid_share, config.test_share))
    if min(n_valid, n_test) < 5:
        raise TooFewLinksError(
            "too few pairs of columns and tables are linked to train and test on",
            value=f"{len(pairs.positive)}",
            expected="100 or more",
            hint="lower links.lake.min_shared and min_overlap, or leave the stage out",
        )
    random = np.random.Generator(np.random.PCG64([config.seed, 10]))
    order = random.permutation(len(pairs.positive))
    test, valid, train = np.split(order, [n_test, n_test + n_valid])
    negative = pairs.negative[random.permutation(len(pairs.negative))]
    return EdgeSplit(
        n_nodes=n_nodes,
        train=pairs.positive[train],
        valid=pairs.positive[valid],
        test=pairs.positive[test],
        valid_negative=negative[n_test : n_test + n_valid],
        test_negative=negative[:n_test],
    )


def lake_tails(pairs: LakePairs, test: Int64, n_tails: int, seed: int) -> Int64:
    """For each test pair (head, tail) nodes of the tail's kind that are not linked to the head, drawn by the seed.

    Where a head has few such nodes they repeat; none is ever linked, or of the head's own table.
    Shapes: test (k, 2); result (k, n_tails).
    Raises: TooFewLinksError: if a head is linked to every node of the kind.
    """
    random = np.random.Generator(np.random.PCG64([seed, 11]))
    tails = np.empty((len(test), n_tails), np.int64)
    for kind in (0, 1):
        pool = np.flatnonzero(pairs.kind == kind)
        for start in range(0, len(test), BLOCK_ROWS):
            rows = start + np.flatnonzero(pairs.kind[test[start : start + BLOCK_ROWS, 1]] == kind)
            if len(rows):
                tails[rows] = _draw_tails(pairs, test[rows, 0], pool, n_tails, random)
    return tails


def _draw_tails(pairs: LakePairs, heads: Int64, pool: Int64, n_tails: int, random: np.random.Generator) -> Int64:
    drawn = pool[random.integers(0, len(pool), (len(heads), n_tails))]
    spread = np.broadcast_to(heads[:, None], drawn.shape)
    bad = ~pairs.may_be_asked(spread, drawn)
    for _ in range(MAX_TAIL_DRAWS):
        if not bad.any():
            return drawn
        drawn[bad] = pool[random.integers(0, len(pool), int(bad.sum()))]
        bad[bad] = ~pairs.may_be_asked(spread[bad], drawn[bad])
    for row in np.flatnonzero(bad.any(axis=1)).tolist():
        free = pool[pairs.may_be_asked(np.full(len(pool), heads[row]), pool)]
        if not len(free):
            raise TooFewLinksError(
                "a column or table is linked to every other: it has no pair that is not",
                value=f"node {heads[row]}, {len(pool)} nodes of its kind",
                expected="nodes that share nothing with it",
                hint="raise links.lake.min_overlap, or leave the stage out",
            )
        drawn[row, bad[row]] = free[random.integers(0, len(free), int(bad[row].sum()))]
    return drawn


def _linked_columns(graph: LakeGraph, hidden: Bools, config: LakeLinksConfig) -> Int64:
    """A block of columns at a time: the counts of all pairs together would not fit."""
    incidence = _incidence(graph, hidden)
    n_columns = np.asarray(incidence.sum(axis=0)).ravel()
    kept = sparse.csr_array(incidence[:, np.flatnonzero((n_columns > 1) & (n_columns <= config.max_value_columns))])
    transposed, size = sparse.csr_array(kept.T), np.diff(incidence.indptr)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(graph.column), BLOCK_ROWS):
        shared = sparse.coo_array(kept[start : start + BLOCK_ROWS] @ transposed)
        first, second = shared.coords[0].astype(np.int64) + start, shared.coords[1].astype(np.int64)
        smaller = np.maximum(np.minimum(size[first], size[second]), 1)
        is_linked = (shared.data >= config.min_shared) & (shared.data >= config.min_overlap * smaller)
        is_linked &= (first < second) & (graph.table[first] != graph.table[second])
        found.append(np.stack([graph.column[first[is_linked]], graph.column[second[is_linked]]], axis=1))
    return np.concatenate(found)


def _incidence(graph: LakeGraph, chosen: Bools) -> sparse.csr_array:
    """Columns by values, 1 where the column holds the value."""
    row = np.searchsorted(graph.column, graph.source[chosen])
    values, place = np.unique(graph.target[chosen], return_inverse=True)
    ones = np.ones(len(row), np.int32)
    matrix = sparse.csr_array((ones, (row, place)), shape=(len(graph.column), len(values)))
    matrix.sort_indices()
    return matrix


def _linked_tables(graph: LakeGraph, columns: Int64) -> Int64:
    tables = graph.table[np.searchsorted(graph.column, columns)]
    return np.unique(np.sort(tables, axis=1), axis=0) if len(tables) else np.empty((0, 2), np.int64)


def _capped(pairs: Int64, most: int, random: np.random.Generator) -> Int64:
    ordered = np.unique(pairs, axis=0) if len(pairs) else pairs
    if len(ordered) <= most:
        return ordered
    return ordered[np.sort(random.choice(len(ordered), most, replace=False))]


def _kinds(graph: LakeGraph) -> NDArray[np.int8]:
    kind = np.full(graph.n_nodes, -1, np.int8)
    kind[graph.column], kind[graph.table] = 0, 1
    return kind


def _node_types(graph: LakeGraph, kind: NDArray[np.int8]) -> NDArray[np.int8]:
    found = np.where(kind >= 0, kind, np.int8(3))
    found[graph.target[graph.is_value]] = 2
    return np.asarray(found, np.int8)


def _askable(graph: LakeGraph, hidden: Bools) -> list[Int64]:
    """Of each kind the nodes that have held-out values: of the others nothing is known."""
    columns = distinct(graph.source[hidden])
    tables = distinct(graph.table[np.searchsorted(graph.column, columns)])
    return [columns, tables]


def _negatives(graph: LakeGraph, hidden: Bools, known: tuple[Int64, Int64], random: np.random.Generator) -> Int64:
    """For each linked pair one of the same kind that is not; columns in it share no held-out value at all.

    `known` are the linked pairs that are used, and the keys of all.
    """
    positive, linked = known
    kind, incidence = _kinds(graph), _incidence(graph, hidden)
    parts = []
    for code, pool in enumerate(_askable(graph, hidden)):
        n_wanted = int((kind[positive[:, 0]] == code).sum())
        found = np.empty(0, np.int64)
        for _ in range(MAX_DRAWS if len(pool) > 1 else 0):
            if len(found) >= n_wanted:
                break
            drawn = np.sort(pool[random.integers(0, len(pool), (2 * n_wanted + 16, 2))], axis=1)
            drawn = drawn[drawn[:, 0] != drawn[:, 1]]
            if code == 0:
                drawn = drawn[~_meet(graph, incidence, drawn)]
            keys = pair_keys(drawn, graph.n_nodes)
            found = _first_distinct(np.concatenate([found, keys[~np.isin(keys, linked)]]))
        parts.append(found[:n_wanted])
    keys = np.concatenate(parts)
    if len(keys) < len(positive):
        raise TooFewLinksError(
            "nearly all columns or tables share values: there are not enough pairs that share none",
            value=f"{len(keys)} of {len(positive)}",
            expected="as many as linked pairs",
            hint="raise links.lake.min_overlap, or leave the stage out",
        )
    return np.stack([keys // graph.n_nodes, keys % graph.n_nodes], axis=1)


def _meet(graph: LakeGraph, incidence: sparse.csr_array, pairs: Int64) -> Bools:
    """Whether two columns share a held-out value, or are of one table."""
    rows = np.searchsorted(graph.column, pairs)
    shared = shared_neighbour_scores(incidence, rows, np.ones(incidence.shape[1]))
    return np.asarray((shared > 0) | (graph.table[rows[:, 0]] == graph.table[rows[:, 1]]))


def _first_distinct(keys: Int64) -> Int64:
    _, first = np.unique(keys, return_index=True)
    return keys[np.sort(first)]
