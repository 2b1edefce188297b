"""The encoding against exhaustive search over recursive splits."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel import encoding
from lakebed.tasks.summary.kernel.encoding import encode, encode_forest, new_work
from lakebed.tasks.summary.kernel.forest import binary_forest
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from tests.tasks.summary.graphs import clique

Tree = int | tuple["Tree", "Tree"]


class Splits:
    """Every way to encode a block: an edge here or none, then a split of either side, down to vertices."""

    def __init__(self, edges: set[tuple[int, int]]) -> None:
        self._edges = edges
        self.cheapest = lru_cache(maxsize=None)(self._cheapest)

    def _cheapest(self, x: Tree, y: Tree, c: int) -> int:
        return min(self._without_edge(x, y, c), 1 + self._without_edge(x, y, 1 - c))

    def _without_edge(self, x: Tree, y: Tree, c: int) -> int:
        if x == y:
            if isinstance(x, int):
                return 0
            a, b = x
            return self.cheapest(a, a, c) + self.cheapest(a, b, c) + self.cheapest(b, b, c)
        if isinstance(x, int) and isinstance(y, int):
            return 0 if ((min(x, y), max(x, y)) in self._edges) == bool(c) else 1 << 20
        ways = []
        if not isinstance(x, int):
            ways.append(sum(self.cheapest(a, y, c) for a in x))
        if not isinstance(y, int):
            ways.append(sum(self.cheapest(x, b, c) for b in y))
        return min(ways)


@st.composite
def trees_with_graph(draw: st.DrawFn) -> tuple[np.ndarray, int, MergeLog]:
    n = draw(st.integers(2, 9))
    pairs = clique(n)
    edges = pairs[np.array(draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))), bool)]
    roots = list(range(n))
    absorbed, kept = [], []
    for _ in range(draw(st.integers(0, n - 1))):
        a = roots.pop(draw(st.integers(0, len(roots) - 1)))
        absorbed.append(a)
        kept.append(draw(st.sampled_from(roots)))
    counts = np.array([len(kept)])
    return edges, n, MergeLog(np.array(absorbed, np.int32), np.array(kept, np.int32), counts, counts)


def roots_of(n: int, log: MergeLog) -> list[Tree]:
    trees: dict[int, Tree] = dict(enumerate(range(n)))
    for a, b in zip(log.absorbed.tolist(), log.kept.tolist(), strict=True):
        trees[b] = (trees.pop(a), trees[b])
    return list(trees.values())


@given(trees_with_graph())
@settings(max_examples=200)
def test_encoding_is_the_cheapest(drawn: tuple[np.ndarray, int, MergeLog]) -> None:
    edges, n, log = drawn
    graph = build_graph(edges, n)
    forest = binary_forest(n, log)
    placed = encode(forest, graph.indptr, graph.neighbours, new_work(len(forest.parent)), 0, len(forest.parent))
    splits = Splits(set(map(tuple, edges.tolist())))
    roots = roots_of(n, log)
    expected = sum(splits.cheapest(x, y, 0) for i, x in enumerate(roots) for y in roots[i:])
    assert len(placed.sign) == expected
    assert decoded(forest, placed) == {tuple(edge) for edge in edges.tolist()}


def decoded(forest: object, placed: object) -> set[tuple[int, int]]:
    """Expands each edge pair by pair; every sum must be 0 or 1."""
    sums: dict[tuple[int, int], int] = {}
    for x, y, sign in zip(placed.source, placed.target, placed.sign, strict=True):  # type: ignore[attr-defined]
        pairs = {(min(u, w), max(u, w)) for u in members(forest, int(x)) for w in members(forest, int(y)) if u != w}
        for pair in pairs:
            sums[pair] = sums.get(pair, 0) + int(sign)
    assert set(sums.values()) <= {0, 1}
    return {pair for pair, total in sums.items() if total == 1}


def members(forest: object, x: int) -> list[int]:
    inside = forest.vertex[x : forest.end[x]]  # type: ignore[attr-defined]
    return [int(v) for v in inside if v >= 0]


@pytest.mark.parametrize("cut", [3, 11, 20])
def test_trees_can_be_encoded_in_parts(cut: int) -> None:
    edges = clique(14)[::2]
    graph = build_graph(edges, 14)
    ids = np.array([1, 3, 5, 7, 9, 3], np.int32), np.array([0, 2, 4, 6, 8, 1], np.int32)
    log = MergeLog(ids[0][:5], ids[1][:5], np.array([5]), np.array([5]))
    forest = binary_forest(14, log)
    roots = np.flatnonzero(forest.parent < 0)
    middle = int(roots[roots <= cut].max())
    work = new_work(len(forest.parent))
    parts = [encode(forest, graph.indptr, graph.neighbours, work, a, b) for a, b in ((0, middle), (middle, 19))]
    whole = encode(forest, graph.indptr, graph.neighbours, new_work(len(forest.parent)), 0, 19)
    np.testing.assert_array_equal(np.concatenate([part.source for part in parts]), whole.source)
    np.testing.assert_array_equal(np.concatenate([part.target for part in parts]), whole.target)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("least", [1, 1000])
def test_threads_and_parts_do_not_show(monkeypatch: pytest.MonkeyPatch, n_threads: int, least: int) -> None:
    monkeypatch.setattr(encoding, "_LEAST_EDGES", least)
    graph = build_graph(np.random.default_rng(7).zipf(1.4, (4000, 2)) % 900, 900)
    forest = binary_forest(graph.n_nodes, merge_graph(graph, SummaryConfig(iterations=6)))
    whole = encode(forest, graph.indptr, graph.neighbours, new_work(len(forest.parent)), 0, len(forest.parent))
    assert len(encoding._cut_trees(forest, graph.indptr, graph.neighbours, 32, least)) > 3 - (least > 1)
    for one, other in zip(encode_forest(forest, graph, n_threads), whole, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_parts_share_the_working_arrays_of_their_thread(monkeypatch: pytest.MonkeyPatch, n_threads: int) -> None:
    monkeypatch.setattr(encoding, "_LEAST_EDGES", 1)
    made = []
    monkeypatch.setattr(encoding, "new_work", lambda n: made.append(n) or new_work(n))
    graph = build_graph(np.random.default_rng(7).zipf(1.4, (4000, 2)) % 900, 900)
    forest = binary_forest(graph.n_nodes, merge_graph(graph, SummaryConfig(iterations=6)))
    encode_forest(forest, graph, n_threads)
    assert 1 <= len(made) <= n_threads
    n_bytes = sum(column.nbytes for column in new_work(len(forest.parent)))
    monkeypatch.setattr(encoding, "usable_cores", lambda: n_threads)
    assert (n_threads - 1) * n_bytes <= encoding.more_work_bytes(graph.n_nodes)


def test_a_forest_of_nothing_has_no_edges() -> None:
    graph = build_graph(np.empty((0, 2), np.int64), 0)
    assert all(not len(column) for column in encode_forest(binary_forest(0, MergeLog.none()), graph))
