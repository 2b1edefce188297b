import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.tasks.retention.kernel.model import NOTHING, cheapest_edges, retention_graph, total_cost
from lakebed.tasks.retention.kernel.solve import Effort, local_choice, reduce_graph, solve
from tests.seeds import seeds
from tests.tasks.retention.kernel.graphs import optimum, random_graph, random_tree

PATIENT = 60.0


def assert_sound(graph, found):
    """Every deleted table has a kept parent, pins hold, and the cost is what the choice costs."""
    deleted = np.flatnonzero(~found.keep)
    places = {number: place for place, number in enumerate(graph.number.tolist())}
    for v in deleted:
        edge = places[found.edge[v]]
        assert graph.child[edge] == v
        assert found.keep[graph.parent[edge]]
    assert (found.edge[found.keep] == NOTHING).all()
    assert found.keep[graph.is_pinned].all()
    assert found.cost == pytest.approx(total_cost(graph, found.keep))
    assert found.bound <= found.cost


@pytest.mark.parametrize("seed", seeds(520, 130))
def test_the_optimum_of_random_graphs_is_that_of_trying_every_choice(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 11)) if seed % 26 else 14
    graph = random_graph(rng, n, rng.uniform(0.05, 0.6), ties=seed % 4 == 0)
    found = solve(graph, Effort(PATIENT))
    assert_sound(graph, found)
    assert found.cost == pytest.approx(optimum(graph), rel=1e-9, abs=1e-9)
    assert found.gap == 0.0


@pytest.mark.parametrize("seed", range(60))
def test_one_component_is_solved_by_the_ilp_and_by_the_greedy_choice_alone(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 9, 0.5)
    exact, greedy = solve(graph, Effort(PATIENT)), solve(graph, Effort(0.0))
    assert_sound(graph, greedy)
    assert greedy.bound <= exact.cost + 1e-9 <= greedy.cost + 2e-9
    assert greedy.gap >= (greedy.cost - exact.cost) / greedy.cost - 1e-9


def test_methods_are_told():
    rng = np.random.default_rng(1)
    methods = {c.method for seed in range(40) for c in solve(random_graph(rng, 9, 0.4), Effort(PATIENT)).components}
    assert methods == {"local", "tree", "ilp"}
    methods = {c.method for seed in range(40) for c in solve(random_graph(rng, 9, 0.4), Effort(0.0)).components}
    assert methods == {"local", "tree", "greedy"}


@pytest.mark.parametrize("seed", range(10))
def test_the_same_graph_gives_the_same_choice(seed):
    graph = random_graph(np.random.default_rng(seed), 40, 0.1, ties=True)
    first, second = solve(graph, Effort(PATIENT)), solve(graph, Effort(PATIENT))
    assert np.array_equal(first.keep, second.keep)
    assert np.array_equal(first.edge, second.edge)


def copies(n, rank, keep_cost=1.0):
    """n tables that are all equal, rebuilt for nothing."""
    child, parent = np.nonzero(~np.eye(n, dtype=bool))
    edges = (child, parent, np.zeros(len(child)))
    return retention_graph(np.full(n, keep_cost), np.zeros(n, bool), edges, np.array(rank))


@pytest.mark.parametrize("effort", [PATIENT, 0.0])
def test_of_copies_that_cost_the_same_the_first_in_rank_is_kept(effort):
    for rank in ([2, 0, 1], [3, 1, 2, 0], [1, 0]):
        found = solve(copies(len(rank), rank), Effort(effort))
        assert found.keep.tolist() == [place == 0 for place in rank]


def test_free_access_keeps_one_table_of_each_maximal_class():
    """Containment is transitive: two chains over two pairs of copies leave one copy of each pair."""
    above = {0: [1], 1: [0], 2: [0, 1], 3: [0, 1, 2], 4: [5], 5: [4], 6: [4, 5]}
    child, parent = (np.array(ends) for ends in zip(*((c, p) for c, ps in above.items() for p in ps), strict=True))
    graph = retention_graph(np.arange(1.0, 8.0), np.zeros(7, bool), (child, parent, np.zeros(len(child))))
    assert np.flatnonzero(solve(graph, Effort(PATIENT)).keep).tolist() == [0, 4]


def test_what_saves_nothing_is_kept():
    graph = retention_graph(np.array([5.0, 2.0]), np.zeros(2, bool), (np.array([1]), np.array([0]), np.array([2.0])))
    assert solve(graph, Effort(PATIENT)).keep.all()


def test_small_tables_beside_huge_ones_are_decided_exactly():
    """A component whose costs differ by 10^12: the solver's absolute tolerance must not swallow the small ones."""
    keep = np.array([1e9, 1e9, 1e9, 1e-3, 1e-3, 1e-3])
    ends = [(a, b) for a in range(3) for b in range(3) if a != b]
    ends += [(a, b) for a in range(3, 6) for b in range(3, 6) if a != b] + [(3, 0), (4, 1)]
    child, parent = (np.array(side) for side in zip(*ends, strict=True))
    cost = np.where(child < 3, 1.0, 1e-4)
    found = solve(retention_graph(keep, np.zeros(6, bool), (child, parent, cost)), Effort(PATIENT))
    assert found.keep.sum() == 2
    assert found.cost == pytest.approx(optimum(retention_graph(keep, np.zeros(6, bool), (child, parent, cost))))


def test_nothing_to_decide():
    empty = np.empty(0, np.int64)
    found = solve(retention_graph(np.empty(0), np.empty(0, bool), (empty, empty, np.empty(0))), Effort(1.0))
    assert (found.cost, found.gap, found.components) == (0.0, 0.0, ())
    alone = solve(retention_graph(np.array([3.0]), np.zeros(1, bool), (empty, empty, np.empty(0))), Effort(1.0))
    assert alone.keep.all()
    assert alone.cost == 3.0


def test_of_parallel_edges_the_cheapest_counts():
    ends = np.array([1, 1]), np.array([0, 0])
    graph = retention_graph(np.array([5.0, 5.0]), np.zeros(2, bool), (*ends, np.array([4.0, 1.0])))
    assert graph.edge_cost.tolist() == [1.0]
    assert solve(graph, Effort(1.0)).edge.tolist() == [NOTHING, 1]
    assert cheapest_edges(graph, np.array([False, False])).tolist() == [NOTHING, NOTHING]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([1.0], [False, False], ([], [], []), None), "differ in length"),
        (([1.0, 1.0], [False, False], ([0], [1], []), None), "differ in length"),
        (([1.0, 1.0], [False, False], ([0], [2], [1.0]), None), "not there"),
        (([1.0, 1.0], [False, False], ([0], [0], [1.0]), None), "own parent"),
        (([1.0, -1.0], [False, False], ([0], [1], [1.0]), None), "negative"),
        (([1.0, 1.0], [False, False], ([0], [1], [float("nan")]), None), "not finite"),
        (([1.0, 1.0], [False, False], ([0], [1], [1.0]), [0, 0]), "permutation"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(parts, message):
    keep, pins, (child, parent, cost), rank = parts
    edges = (np.array(child, np.int64), np.array(parent, np.int64), np.array(cost))
    with pytest.raises(GraphError, match=message):
        retention_graph(np.array(keep), np.array(pins), edges, None if rank is None else np.array(rank))


@pytest.mark.parametrize("seed", seeds(100, 40))
@pytest.mark.parametrize("is_line", [True, False])
def test_trees_and_lines_by_dynamic_programming_equal_the_ilp(seed, is_line):
    from lakebed.tasks.retention.kernel.ilp import Programme, solve_ilp
    from lakebed.tasks.retention.kernel.tree import solve_forest

    rng = np.random.default_rng(seed)
    graph = random_tree(rng, int(rng.integers(2, 60)), is_line=is_line)
    sure = np.where(rng.random(graph.n_tables) < 0.2, rng.gamma(1.0, 5.0, graph.n_tables), np.inf)
    keep = solve_forest(graph.keep_cost, sure, graph.child, graph.parent, graph.edge_cost)
    programme = Programme(graph.keep_cost, sure, graph.child, graph.parent, graph.edge_cost)
    result = solve_ilp(programme, PATIENT)
    assert cost_with(programme, keep) == pytest.approx(cost_with(programme, result.keep), rel=1e-9)


def cost_with(programme, keep):
    cheapest = programme.sure_cost.copy()
    for c, p, cost in zip(programme.child, programme.parent, programme.edge_cost, strict=True):
        cheapest[c] = min(cheapest[c], cost) if keep[p] else cheapest[c]
    return float(np.where(keep, programme.keep_cost, cheapest).sum())


def reduced(keep, pins, edges):
    child, parent, cost = (np.array(part) for part in zip(*edges, strict=True))
    graph = retention_graph(np.array(keep, float), np.array(pins), (child, parent, cost.astype(float)))
    return graph, reduce_graph(graph)


def test_a_table_without_a_cheap_edge_is_fixed_and_a_sure_parent():
    graph, found = reduced([5, 4, 3], [False] * 3, [(0, 1, 9.0), (1, 2, 1.0), (2, 0, 3.0)])
    assert found.is_fixed.tolist() == [True, False, True]
    assert found.sure_cost.tolist() == [np.inf, 1.0, np.inf]
    assert len(found.edges) == 0
    assert local_choice(graph, found).tolist() == [True, False, True]


def test_pinned_tables_are_fixed():
    _, found = reduced([5, 5], [True, False], [(0, 1, 1.0), (1, 0, 1.0)])
    assert found.is_fixed.tolist() == [True, False]
    assert found.sure_cost.tolist() == [np.inf, 1.0]


def test_edges_that_cost_more_than_a_sure_parent_are_out():
    edges = [(1, 0, 2.0), (1, 2, 3.0), (2, 1, 1.0), (1, 3, 1.0), (3, 1, 1.0)]
    graph, found = reduced([9, 9, 9, 9], [True, False, False, False], edges)
    left = {(int(graph.child[edge]), int(graph.parent[edge])) for edge in found.edges}
    assert left == {(2, 1), (1, 3), (3, 1)}
