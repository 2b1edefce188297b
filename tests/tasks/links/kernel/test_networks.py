import numpy as np
import pytest
import torch
from scipy import sparse

from lakebed.tasks.links.kernel.dense import DenseInputs
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.networks import Inputs, Network, Outputs, derived_random, pair_logits
from lakebed.tasks.links.kernel.propagation import Propagation, normalised_adjacency
from tests.tasks.links.graphs import communities, group_features


@pytest.fixture(scope="module")
def sample():
    edges, n = communities(2, 10)
    return Inputs.of(sparse.csr_array(group_features(n, 10))), normalised_adjacency(adjacency(edges, n))


def test_gcn_is_its_formula(sample):
    inputs, matrix = sample
    network = Network("gcn", (inputs.rows.shape[1], 8, 4), 0.0, 0)
    first, second = network.weights.values()
    x, a = torch.from_numpy(inputs.rows.toarray()), torch.from_numpy(matrix.toarray())
    expected = a @ torch.relu(a @ x @ first) @ second
    assert torch.allclose(network.embed(inputs, Propagation.by_matrix(matrix), None), expected, atol=1e-5)


def test_sage_adds_what_a_node_is_itself(sample):
    inputs, matrix = sample
    network = Network("sage", (inputs.rows.shape[1], 4), 0.0, 0)
    around, own = network.weights["layer_0.neighbours"], network.weights["layer_0.self"]
    x, a = torch.from_numpy(inputs.rows.toarray()), torch.from_numpy(matrix.toarray())
    expected = a @ x @ around + x @ own
    assert torch.allclose(network.embed(inputs, Propagation.by_matrix(matrix), None), expected, atol=1e-5)


def test_dropped_inputs_keep_their_expectation_and_follow_the_generator(sample):
    inputs, _ = sample
    many = [inputs.dropped(0.5, derived_random(0, epoch, 0)).rows.sum() for epoch in range(200)]
    assert sum(many) / 200 == pytest.approx(inputs.rows.sum(), rel=0.05)
    again = inputs.dropped(0.5, derived_random(0, 7, 0)).rows.sum()
    assert again == many[7]


@pytest.mark.parametrize("kind", ["gcn", "sage"])
@pytest.mark.parametrize("widths", [(8,), (8, 4)])
@pytest.mark.parametrize("is_dense", [False, True])
def test_the_last_layer_for_some_nodes_is_that_of_all(sample, kind, widths, is_dense):
    inputs, matrix = sample
    inputs = DenseInputs.of(inputs.rows.toarray()) if is_dense else inputs
    network, nodes = Network(kind, (inputs.rows.shape[1], *widths), 0.5, 0), np.array([2, 3, 11, 20])
    propagation, outputs = Propagation.by_matrix(matrix), Outputs.of(nodes, matrix)
    whole = network.embed(inputs, propagation, derived_random(0, 1, 0))[nodes]
    gradients = [
        torch.autograd.grad(whole.square().sum(), weight, retain_graph=True)[0] for weight in network.weights.values()
    ]
    some = network.embed(inputs, propagation, derived_random(0, 1, 0), outputs)
    assert torch.allclose(some, whole, atol=1e-4)
    for weight, expected in zip(network.weights.values(), gradients, strict=True):
        found = torch.autograd.grad(some.square().sum(), weight, retain_graph=True)[0]
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_logits_are_inner_products():
    vectors = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert pair_logits(vectors, torch.tensor([[0, 1], [1, 1]])).tolist() == [1.0, 10.0]
