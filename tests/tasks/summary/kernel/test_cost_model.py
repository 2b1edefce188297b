import numpy as np
import pytest

from lakebed.tasks.summary.kernel.cost_model import Choice, choose
from lakebed.tasks.summary.kernel.model import Layout, SignedEdges, Summary, lay_out
from tests.tasks.summary.kernel.summaries import random_sample


def clique(n_nodes: int) -> Layout:
    """One root with a self edge."""
    parent = np.full(n_nodes + 1, n_nodes, np.int32)
    parent[-1] = -1
    ends = np.array([n_nodes], np.int32)
    return lay_out(Summary(n_nodes, parent, SignedEdges(ends, ends, np.ones(1, np.int8))))


def path(n_nodes: int) -> Layout:
    """No internal node: each edge is a p-edge."""
    ends = np.arange(n_nodes, dtype=np.int32)
    edges = SignedEdges(ends[:-1], ends[1:], np.ones(n_nodes - 1, np.int8))
    return lay_out(Summary(n_nodes, np.full(n_nodes, -1, np.int32), edges))


@pytest.mark.parametrize("n_columns", [1, 16, 100, 128, 512])
def test_a_clique_goes_over_the_summary_and_a_path_does_not(n_columns: int) -> None:
    assert choose(clique(1_000), 1_000 * 999, n_columns).way == "summary"
    assert choose(path(1_000), 2 * 999, n_columns).way == "csr"


def test_costs_grow_with_columns() -> None:
    few, many = choose(clique(100), 9_900, 16), choose(clique(100), 9_900, 512)
    assert few.summary_cost < many.summary_cost
    assert few.csr_cost < many.csr_cost


def test_the_choice_is_the_cheaper_way() -> None:
    for choice in (choose(clique(100), 9_900, 64), choose(path(100), 198, 64)):
        assert choice.way == ("summary" if choice.summary_cost < choice.csr_cost else "csr")
    assert Choice.only("csr").way == "csr"


def test_a_summary_is_judged_as_its_layout() -> None:
    for seed in range(5):
        summary = random_sample(seed, 24, 300).summary
        assert summary.n_added == lay_out(summary).n_added
        assert choose(summary, 600, 64) == choose(lay_out(summary), 600, 64)
