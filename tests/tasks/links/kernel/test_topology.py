import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.topology import approximate_concentration, concentration, recall_of_nodes
from tests.tasks.links.graphs import communities

BETA = 0.5


def brute_concentration(edges, n):
    """The definition, word for word, on sets."""
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(edges.tolist())
    result = np.zeros(n)
    for i in graph:
        around = list(graph[i])
        for j in around:
            graph.remove_edge(i, j)
            near_i, near_j = (nx.single_source_shortest_path_length(graph, node, 2) for node in (i, j))
            graph.add_edge(i, j)
            shells_i, shells_j = ([{v for v, d in near.items() if d == k} for k in (1, 2)] for near in (near_i, near_j))
            pairs = [(k1, k2) for k1 in (0, 1) for k2 in (0, 1)]
            shared = sum(BETA ** (k1 + k2) * len(shells_i[k1] & shells_j[k2]) for k1, k2 in pairs)
            whole = sum(BETA ** (k1 + k2) * len(shells_i[k1]) for k1, k2 in pairs)
            result[i] += shared / whole / len(around) if whole else 0.0
    return result


@pytest.mark.parametrize("seed", range(3))
def test_concentration_equals_its_definition(seed):
    edges, n = communities(3, 10, seed)
    assert concentration(adjacency(edges, n), BETA) == pytest.approx(brute_concentration(edges, n))


def test_nodes_of_a_clique_are_concentrated_and_leaves_of_a_star_are_not():
    clique = np.stack(np.triu_indices(8, 1), axis=1)
    star = np.array([[8, k] for k in range(9, 16)])
    graph = adjacency(np.concatenate([clique, star]), 17)
    exact = concentration(graph)
    rough = approximate_concentration(graph, transition_matrix(graph), 256, 0)
    assert exact[:8].min() > 0.6
    assert exact[9:16].max() == 0.0
    assert exact[16] == rough[16] == 0.0
    assert rough[:8].min() > rough[9:16].max()


def test_the_approximation_orders_nodes_as_the_exact_measure_does():
    edges, n = communities(6, 20, 1)
    graph = adjacency(edges, n)
    exact, rough = concentration(graph), approximate_concentration(graph, transition_matrix(graph), 512, 0)
    assert np.corrcoef(exact, rough)[0, 1] > 0.5


def test_recall_of_nodes_counts_what_can_be_found():
    partners = sparse.csr_array(np.array([[0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.float32))
    ranked = np.array([[1, 2], [3, 2], [0, -1], [-1, -1]])
    assert recall_of_nodes(ranked, partners).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert np.isnan(recall_of_nodes(ranked, sparse.csr_array((4, 4), dtype=np.float32))).all()
