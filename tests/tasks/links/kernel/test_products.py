import numpy as np
import pytest
import torch

from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.products import GraphProducts
from lakebed.tasks.links.kernel.propagation import normalised_adjacency, transition_matrix
from tests.tasks.links.graphs import communities


@pytest.mark.parametrize("max_edges", [0, 1_000_000])
@pytest.mark.parametrize(("kind", "form"), [("gcn", normalised_adjacency), ("sage", transition_matrix)])
def test_products_and_their_gradients_are_those_of_the_matrix(kind, form, max_edges):
    edges, n = communities(3, 12)
    graph = adjacency(edges, n)
    products = GraphProducts.of(graph, max_edges, 0)
    assert (products.layout is None) == (max_edges == 0)
    matrix = torch.from_numpy(form(graph).toarray())
    rows = torch.randn(n, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    weight = torch.randn(n, 5, generator=torch.Generator().manual_seed(1))
    (products.propagation(kind, 5)(ours) * weight).sum().backward()
    (matrix @ theirs * weight).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    product = products.propagation(kind, 5).forward(rows.numpy())
    assert np.allclose(product, (matrix @ rows).numpy(), atol=1e-5)
