import numpy as np
import pytest

from connectors.errors import GraphError
from connectors.lake.config import LakeConfig
from tasks.index.config import IndexConfig
from tasks.index.folder import open_folder, read_head
from tasks.index.stage import index_stage, run_index
from tasks.runtime.workspace import Workspace
from tests.tasks.search.lakes import publish_lake, publish_vectors


def test_an_index_of_each_kind_is_published_and_reused(tmp_path):
    store, refs = publish_lake(tmp_path)
    rows = {row["kind"]: row for row in store.read(refs["index"], "indexes").to_pylist()}
    assert set(rows) == {"table", "column", "node"}
    assert all(row["recall"] >= 0.99 and row["query_us"] > 0 for row in rows.values())
    uri = store.folder("index", refs["index"].key)
    assert len(open_folder(f"{uri}/vectors/table")) == rows["table"]["n_items"]
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    stage = index_stage(refs["lakegraph"], refs["embeddings"], space, IndexConfig())
    assert stage.reuse() == refs["index"]
    assert index_stage(refs["lakegraph"], refs["embeddings"], space, IndexConfig(links=8)).reuse() is None


def test_the_same_vectors_give_the_same_digest(tmp_path):
    _, one = publish_lake(tmp_path / "1", config=IndexConfig(max_flat=5))
    _, two = publish_lake(tmp_path / "2", config=IndexConfig(max_flat=5))
    assert one["index"] == two["index"]


@pytest.mark.parametrize(("row", "what"), [(np.nan, "NaN"), (0.0, "no direction")])
def test_vectors_that_are_none_publish_nothing(tmp_path, row, what):
    store, refs = publish_lake(tmp_path)
    n = store.read(refs["lakegraph"], "nodes").num_rows
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    vectors = np.ones((n, 4), np.float32)
    vectors[0] = row
    embeddings = publish_vectors(space, refs["lakegraph"], vectors)
    with pytest.raises(GraphError, match=what):
        run_index(refs["lakegraph"], embeddings, space, IndexConfig())


def test_kinds_that_are_not_there_are_nothing_to_index(tmp_path):
    _, refs = publish_lake(tmp_path, {"a": {"x": [1]}})
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    with pytest.raises(GraphError, match="nothing to index"):
        run_index(refs["lakegraph"], refs["embeddings"], space, IndexConfig(kinds=("value",)))


@pytest.mark.spark
def test_shards_on_spark_are_those_built_here(tmp_path, spark):
    from tasks.index.spark import build_on_spark
    from tasks.index.versions import build_folder
    from tests.tasks.index.test_folder import items_of, vectors_of

    config, ids = IndexConfig(max_flat=100, shard_vectors=400), [f"{i:04d}" for i in range(1_000)]
    here = build_folder(str(tmp_path / "here"), items_of(ids), vectors_of(), config)
    there = build_folder(
        str(tmp_path / "there"), items_of(ids), vectors_of(), config, lambda works: build_on_spark(spark, works)
    )
    assert here == there
    assert read_head(str(tmp_path / "there")) == here
    assert len(open_folder(str(tmp_path / "there"))) == 1_000
