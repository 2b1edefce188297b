import numpy as np
import pytest

from lakebed.connectors.errors import GraphError, StageError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.folder import open_folder, read_head
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.local import LocalEngine
from lakebed.tasks.scan.spark import SparkEngine
from tests.tasks.search.lakes import publish_lake, publish_trained_vectors, publish_vectors


def test_an_index_of_each_kind_is_published_and_reused(tmp_path):
    store, refs = publish_lake(tmp_path)
    rows = {row["kind"]: row for row in store.read(refs["index"], "indexes").to_pylist()}
    assert set(rows) == {"table", "column", "node"}
    assert all(row["recall"] >= 0.99 and row["query_us"] > 0 for row in rows.values())
    uri = store.folder("index", refs["index"].key)
    assert len(open_folder(f"{uri}/vectors/table")) == rows["table"]["n_items"]
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    stage = INDEX.open(Inputs.of(space, refs["lakegraph"], refs["embeddings"], IndexConfig()))
    assert stage.reuse() == refs["index"]
    assert INDEX.open(Inputs.of(space, refs["lakegraph"], refs["embeddings"], IndexConfig(links=8))).reuse() is None


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
        run_stage(INDEX, Inputs.of(space, refs["lakegraph"], embeddings, IndexConfig()))


def test_kinds_that_are_not_there_are_nothing_to_index(tmp_path):
    _, refs = publish_lake(tmp_path, {"a": {"x": [1]}})
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    with pytest.raises(GraphError, match="nothing to index"):
        run_stage(INDEX, Inputs.of(space, refs["lakegraph"], refs["embeddings"], IndexConfig(kinds=("value",))))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A lake's artifacts, and vectors of all its columns and tables but one, of which the first is zero."""
    root = tmp_path_factory.mktemp("trained")
    store, refs = publish_lake(root)
    space = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root))
    nodes = store.read(refs["lakegraph"], "nodes").to_pandas()
    asked = nodes[nodes["kind"].isin(["column", "table"])]["node_id"].to_numpy()[:-1]
    vectors = np.random.default_rng(0).standard_normal((len(asked), 12)).astype(np.float32)
    vectors[0] = 0
    links = publish_trained_vectors(space, refs["lakegraph"], asked, vectors, np.repeat(vectors, 2, axis=1))
    return store, refs, space, links, (asked, vectors)


@pytest.mark.parametrize(("vectors", "dim"), [("gnn", 12), ("stack", 24)])
def test_an_index_of_trained_vectors(trained, vectors, dim):
    store, refs, space, links, (asked, held) = trained
    config, inputs = IndexConfig(vectors=vectors), (refs["lakegraph"], refs["embeddings"])
    ref = run_stage(INDEX, Inputs.of(space, *inputs, config, links))
    rows = {row["kind"]: row for row in store.read(ref, "indexes").to_pylist()}
    assert {*rows} == {"table", "column"}
    assert {row["dim"] for row in rows.values()} == {dim}
    summary = store.manifest(ref).summary
    # the one that is zero, and the one without a vector
    assert (summary["source"], summary["drawn"]) == (vectors, 2)
    columns = open_folder(f"{store.folder('index', ref.key)}/vectors/column")
    assert len(columns) == rows["column"]["n_items"] == (asked < rows["column"]["n_items"]).sum()
    place = columns.items["node_id"].to_pylist().index(3)
    expected = (held if vectors == "gnn" else np.repeat(held, 2, axis=1))[3]
    found = columns.vector(columns.items["id"][place].as_py())
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert INDEX.open(Inputs.of(space, *inputs, config, links)).reuse() == ref
    other = links.model_copy(update={"digest": "0" * 64})
    assert INDEX.open(Inputs.of(space, *inputs, config, other)).reuse() is None


def test_where_no_predictor_was_trained_the_embeddings_are_indexed(trained):
    store, refs, space, _, _ = trained
    untrained = publish_trained_vectors(
        space, refs["lakegraph"], np.empty(0, np.int64), np.empty((0, 1)), np.empty((0, 1))
    )
    ref = run_stage(
        INDEX, Inputs.of(space, refs["lakegraph"], refs["embeddings"], IndexConfig(vectors="stack"), untrained)
    )
    assert store.manifest(ref).summary["source"] == "fastrp"
    plain = store.read(refs["index"], "indexes", ["kind", "n_vectors", "dim"])
    assert store.read(ref, "indexes", ["kind", "n_vectors", "dim"]).equals(plain)


def test_trained_vectors_without_a_predictor_are_a_typed_error(trained):
    _, refs, space, _, _ = trained
    with pytest.raises(StageError, match="there is none") as caught:
        run_stage(INDEX, Inputs.of(space, refs["lakegraph"], refs["embeddings"], IndexConfig(vectors="gnn")))
    assert "--to index" in caught.value.hint


@pytest.mark.spark
@pytest.mark.parametrize("engine", [LocalEngine(LocalConfig()), SparkEngine(SparkConfig())], ids=["local", "spark"])
def test_shards_of_workers_are_those_built_here(tmp_path, engine):
    from lakebed.tasks.index.build import build_by
    from lakebed.tasks.index.folder import build_folder
    from tests.tasks.index.test_folder import items_of, vectors_of

    config, ids = IndexConfig(max_flat=100, shard_vectors=400), [f"{i:04d}" for i in range(1_000)]
    here = build_folder(str(tmp_path / "here"), items_of(ids), vectors_of(), config)
    there = build_folder(
        str(tmp_path / "there"), items_of(ids), vectors_of(), config, lambda works, _: build_by(engine, works)
    )
    assert here == there
    assert read_head(str(tmp_path / "there")) == here
    assert len(open_folder(str(tmp_path / "there"))) == 1_000
