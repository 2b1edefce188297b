from dataclasses import replace

import numpy as np
import pytest

from lakebed.tasks.links.config import LinksConfig, SplitConfig
from lakebed.tasks.links.kernel.features import unit_vectors
from lakebed.tasks.links.kernel.geometry import (
    _weights,
    neighbourhood_sketch,
    rung_directions,
    rung_weights,
    stacked_vectors,
)
from lakebed.tasks.links.kernel.ladder import LadderInputs
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.split import split_edges
from tests.tasks.links.graphs import communities

CONFIG = LinksConfig(split=SplitConfig(valid_share=0.15))


@pytest.fixture(scope="module")
def inputs():
    edges, n = communities()
    split = split_edges(edges, n, CONFIG.split)
    graph, random = adjacency(split.train, n), np.random.default_rng(0)
    fastrp = random.standard_normal((n, 8)).astype(np.float32)
    gcn = random.standard_normal((n, 6)).astype(np.float32) + 3 * np.eye(7, 6)[np.arange(n) // 20 % 7].astype(
        np.float32
    )
    return LadderInputs(split, graph, graph, fastrp, None, {"gcn": gcn})


def test_cosines_of_stacked_vectors_are_the_weighted_mean_of_the_rungs(inputs):
    nodes = np.arange(40, 90)
    directions, weights = rung_directions(inputs, CONFIG, nodes), {"neighbourhoods": 0.5, "fastrp": 0.2, "gcn": 0.3}
    stacked = stacked_vectors(directions, weights)
    expected = sum(weights[name] * rows @ rows.T for name, rows in directions.items())
    assert stacked @ stacked.T == pytest.approx(expected, abs=1e-5)
    assert np.diag(stacked @ stacked.T) == pytest.approx(1.0, abs=1e-5)


def test_the_sketch_has_the_cosines_of_the_neighbourhoods(inputs):
    dense = inputs.graph.toarray() / np.sqrt(np.maximum(np.diff(inputs.graph.indptr), 1))
    exact = unit_vectors(dense.astype(np.float32))
    sketch = neighbourhood_sketch(inputs.graph, np.arange(len(dense)), 0)
    assert np.abs(sketch @ sketch.T - exact @ exact.T).max() < 6 / np.sqrt(sketch.shape[1])
    assert not sketch[-1].any()


def test_weights_add_up_and_a_rung_of_noise_gets_little(inputs):
    weights = rung_weights(inputs, CONFIG)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= 0
    assert weights["gcn"] > weights["fastrp"]


def test_with_too_few_pairs_to_fit_on_all_weigh_the_same(inputs):
    few = replace(inputs.split, valid=inputs.split.valid[:1], valid_negative=inputs.split.valid_negative[:1])
    assert set(rung_weights(replace(inputs, split=few), CONFIG).values()) == {1 / 3}


def test_a_rung_that_counts_against_links_gets_no_weight():
    is_link = np.arange(200) % 2 == 0
    noise = np.random.default_rng(0).standard_normal((200, 2))
    cosines = np.stack([is_link + noise[:, 0], -2.0 * is_link + noise[:, 1]], axis=1)
    assert _weights(cosines, is_link).tolist() == [1.0, 0.0]
    assert _weights(-np.abs(cosines) * is_link[:, None], is_link).tolist() == [0.5, 0.5]
