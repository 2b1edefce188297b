import numpy as np
import pytest
import torch

from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.propagation import Propagation, normalised_adjacency, transition_matrix
from tests.tasks.links.graphs import communities


@pytest.mark.parametrize("form", [normalised_adjacency, transition_matrix])
def test_forward_and_backward_equal_those_of_the_dense_matrix(form):
    edges, n = communities(2, 10)
    matrix = form(adjacency(edges, n))
    dense = torch.from_numpy(matrix.toarray())
    rows = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    weight = torch.randn(n, 3, generator=torch.Generator().manual_seed(1))
    for value, product in ((ours, Propagation.by_matrix(matrix)(ours)), (theirs, dense @ theirs)):
        (product.tanh() * weight).sum().backward()
        assert value.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


def test_an_isolated_node_keeps_itself_or_gets_nothing():
    edges, n = communities(2, 10)
    graph = adjacency(edges, n)
    assert normalised_adjacency(graph)[n - 1, n - 1] == 1.0
    assert transition_matrix(graph)[[n - 1]].sum() == 0.0
    sums = transition_matrix(graph).sum(axis=1)[: n - 1]
    assert np.allclose(sums[sums > 0], 1.0, atol=1e-6)
