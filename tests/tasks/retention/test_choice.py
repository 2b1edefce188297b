from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.retention.choice import choose
from lakebed.tasks.retention.kernel.costs import TableCosts
from lakebed.tasks.retention.kernel.model import NOTHING
from lakebed.tasks.retention.kernel.solve import Effort, solve
from lakebed.tasks.retention.problem import Edges, Problem, Tables
from lakebed.tasks.retention.recipes.model import Outcome, Refusal
from lakebed.tasks.scan.splits import InventoryTables
from tests.tasks.retention.kernel.graphs import random_graph

NO_TABLE = pa.table({})


class StoredOnly:
    """What `choose` asks of a recipe."""

    def __init__(self, stored_bytes):
        self.stored_bytes = stored_bytes


def problem_of(graph):
    """A problem of the same numbers, its edges in the graph's order."""
    n, m = graph.n_tables, len(graph.child)
    zeros = np.zeros(n)
    tables = Tables(
        names=[f"t{place}" for place in range(n)],
        n_rows=np.ones(n, np.int64),
        n_bytes=np.ones(n, np.int64),
        n_accesses=np.ones(n),
        costs=TableCosts(graph.keep_cost, zeros, zeros),
        pins=["veto" if pinned else "" for pinned in graph.is_pinned],
        limits=np.full(n, 1e9),
        rank=graph.rank,
        n_unknown_in_log=0,
    )
    edges = Edges(graph.child, graph.parent, graph.edge_cost, np.ones(m), [""] * m, [""] * m, ["{}"] * m, ["set"] * m)
    return Problem(tables, edges, InventoryTables(NO_TABLE, NO_TABLE, NO_TABLE))


def maker(refused, stored, calls):
    def make(pairs):
        calls.append(list(pairs))
        outcomes = []
        for pair in pairs:
            refusal = Refusal(code="differs_strictly", reason="x") if pair in refused else None
            recipe = None if refusal else StoredOnly(stored.get(pair, 0))
            outcomes.append(
                Outcome.model_construct(child="c", parents=("p",), recipe=recipe, refusal=refusal, bytes_read=1)
            )
        return outcomes

    return make


@pytest.mark.parametrize("seed", range(60))
def test_the_choice_is_the_optimum_over_the_edges_that_have_recipes(seed):
    """Recipes are tried for few edges, but the result is that of trying all."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 9, 0.4)
    pairs = list(zip(graph.child.tolist(), graph.parent.tolist(), strict=True))
    refused = {pair for pair in pairs if rng.random() < 0.4}
    of_child = rng.integers(0, 5, 9).tolist()
    stored = {pair: of_child[pair[0]] for pair in pairs}
    calls = []
    choice = choose(problem_of(graph), maker(refused, stored, calls), Effort(60.0), 0.5)
    good = np.array([pair not in refused for pair in pairs], bool)
    cost = graph.edge_cost + np.array([0.5 * stored[pair] for pair in pairs])
    from lakebed.tasks.retention.kernel.model import retention_graph

    edges = (graph.child[good], graph.parent[good], cost[good])
    best = solve(retention_graph(graph.keep_cost, graph.is_pinned, edges, graph.rank), Effort(60.0))
    assert choice.retention.cost == pytest.approx(best.cost)
    tried = [pair for call in calls for pair in call]
    assert len(tried) == len(set(tried))
    for edge in choice.chosen:
        assert pairs[edge] not in refused
        assert pairs[edge] in tried


def test_a_child_refused_by_all_its_parents_needs_few_rounds():
    n = 60
    child, parent = np.zeros(n, np.int64), np.arange(1, n + 1)
    from lakebed.tasks.retention.kernel.model import retention_graph

    graph = retention_graph(np.full(n + 1, 10.0), np.zeros(n + 1, bool), (child, parent, np.linspace(1, 2, n)))
    calls = []
    choice = choose(problem_of(graph), maker({(0, p) for p in range(1, n + 1)}, {}, calls), Effort(60.0), 0.0)
    assert (choice.retention.edge == NOTHING).all()
    assert sum(map(len, calls)) == n
    assert choice.n_rounds == len(calls) <= 5


def test_copies_of_a_parent_are_not_tried_in_turn_for_the_hope_of_fewer_row_numbers():
    from lakebed.tasks.retention.kernel.model import retention_graph

    n = 40
    pairs = [(child, parent) for child in range(n) for parent in range(n) if child != parent]
    pairs += [(n, parent) for parent in range(n)]
    child, parent = (np.array(side) for side in zip(*pairs, strict=True))
    graph = retention_graph(np.full(n + 1, 10.0), np.zeros(n + 1, bool), (child, parent, np.full(len(child), 1.0)))
    calls = []
    choice = choose(problem_of(graph), maker(set(), {(n, p): 3 for p in range(n)}, calls), Effort(60.0), 0.5)
    assert choice.retention.keep.sum() == 1
    assert len(calls) <= 2


def test_nothing_usable_makes_no_recipe():
    graph = random_graph(np.random.default_rng(0), 5, 0.0)
    problem = problem_of(graph)
    choice = choose(problem, maker(set(), {}, []), Effort(1.0), 0.0)
    assert choice.retention.keep.all()
    assert choice.n_rounds == 0
    assert replace(choice).bytes_read == 0
