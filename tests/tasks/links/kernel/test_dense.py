import numpy as np
import pytest
import torch

from lakebed.tasks.links.kernel import dense
from lakebed.tasks.links.kernel.dense import DenseInputs, StoredInputs
from lakebed.tasks.links.kernel.networks import derived_random
from lakebed.tasks.links.kernel.row_cache import RowCache

N, D = 1000, 13
ROWS = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


class Source:
    shape = (N, D)

    def gather(self, nodes, out, places):
        out[places] = ROWS[nodes]


@pytest.fixture(params=[0, 100, N])
def both(request, monkeypatch):
    monkeypatch.setattr(dense, "PASS_ROWS", 64)
    monkeypatch.setattr(dense, "TAPE_ROWS", 256)
    return DenseInputs.of(ROWS), StoredInputs(RowCache(Source(), np.ones(N, np.int64), request.param * 4 * D))


def weights():
    random = torch.Generator().manual_seed(0)
    return [torch.randn(D, width, generator=random).requires_grad_() for width in (5, 8)]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_products_and_gradients_are_the_same_to_the_bit(both, share):
    found = []
    for inputs in both:
        rows = inputs.dropped(share, derived_random(0, 1, 2)) if share else inputs
        given = weights()
        results = rows.times(given)
        sum((result.square().sum() for result in results), torch.zeros(())).backward()
        found.append([*(result.detach() for result in results), *(weight.grad for weight in given)])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_they_are_the_products(both):
    for inputs in both:
        given = weights()
        results = inputs.times(given)
        results[1].sum().backward()
        assert np.allclose(results[0].detach(), ROWS @ given[0].detach().numpy(), atol=1e-4)
        assert np.allclose(given[1].grad, ROWS.sum(axis=0)[:, None].repeat(8, axis=1), atol=1e-3)
        with torch.no_grad():
            assert torch.equal(inputs.times(given)[0], results[0])


def test_what_is_drawn_afterwards_is_the_same(both):
    drawn = []
    for inputs in both:
        random = derived_random(3, 1, 0)
        inputs.dropped(0.3, random)
        drawn.append(random.bytes(16))
    assert drawn[0] == drawn[1]


def test_some_nodes_of_dropped_rows(both):
    nodes = np.array([0, 7, 63, 64, 999])
    taken = [inputs.dropped(0.5, derived_random(0, 1, 0)).take(nodes).rows for inputs in both]
    assert torch.equal(*taken)
    assert (taken[0] == 0).any()
    assert torch.equal(both[1].take(nodes).rows, torch.from_numpy(ROWS[nodes]))
