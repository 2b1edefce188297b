import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.graph import is_weighted, node_features, node_hashes, prepare
from lakebed.tasks.embeddings.kernel.fastrp import embed
from tests.tasks.embeddings.artifacts import N_NODES, tables

CONFIG = EmbeddingsConfig(dim=16, weights=(0.5, 1.0), threads=1)


def test_a_hash_depends_on_the_key_alone() -> None:
    keys = pa.array(["a", "b", "c"])
    np.testing.assert_array_equal(node_hashes(keys)[::-1], node_hashes(keys.take([2, 1, 0])))
    assert len(set(node_hashes(keys).tolist())) == 3


def test_nodes_come_in_the_order_of_their_numbers() -> None:
    nodes, edges = tables()
    shuffled = nodes.take(np.random.default_rng(0).permutation(N_NODES))
    first, second = (embed(prepare(table, edges, None, CONFIG).graph, CONFIG) for table in (nodes, shuffled))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_ones_are_no_weights() -> None:
    assert not is_weighted(tables()[1], CONFIG)
    weighted = tables(is_weighted=True)[1]
    assert is_weighted(weighted, CONFIG)
    assert not is_weighted(weighted, CONFIG.model_copy(update={"use_weights": False}))


def test_text_and_numbers_as_features() -> None:
    nodes = pa.table({"kind": ["a", "b", None, "a"], "size": [1.5, None, float("nan"), 2.0]})
    found = node_features(nodes, ("kind", "size"))
    expected = [[1, 0, 1.5], [0, 1, 0], [0, 0, 0], [1, 0, 2]]
    np.testing.assert_array_equal(found.values.toarray(), np.array(expected, np.float32))
    assert len(set(found.feature_hash.tolist())) == 3


def test_a_feature_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither"):
        node_features(pa.table({"x": [[1], [2]]}), ("x",))


def test_kinds_of_edges() -> None:
    config = CONFIG.model_copy(update={"edge_types": {"column_value": 1.0, "table_column": 2.0}})
    prepared = prepare(*tables(), None, config)
    assert [kind.weight for kind in prepared.graph.transitions] == [1.0, 2.0]
    assert prepared.n_entries == 2 * tables()[1].num_rows
    assert np.isfinite(embed(prepared.graph, config).vectors).all()


def test_features_of_nodes_take_part() -> None:
    config = CONFIG.model_copy(update={"features": ("kind",)})
    with_kind = embed(prepare(*tables(), None, config).graph, config).vectors
    assert (with_kind != embed(prepare(*tables(), None, CONFIG).graph, CONFIG).vectors).any()
