import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.tasks.embeddings.config import EmbeddingsConfig

PAIRS = [("a", "b"), ("a", "c"), ("b", "c"), ("d", "e")]


@pytest.fixture
def edges(tmp_path):
    path = tmp_path / "edges.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS))
    return path


def summarized(path, **options):
    return lakebed.summarize(path, progress=False, **options)


def test_text_keys(edges):
    graph = summarized(edges)
    assert len(graph) == 5 and graph.facts["n_edges"] == 4
    assert graph.neighbours("a") == ["b", "c"] and graph.neighbours("e") == ["d"]
    assert [tuple(pair) for pair in graph.decode().tolist()] == PAIRS
    assert repr(graph).startswith("<Graph: 5 nodes, 4 edges")


def test_integer_keys_of_a_parquet_file(tmp_path):
    path = tmp_path / "edges.parquet"
    pq.write_table(pa.table({"s": [-7, 10, 10], "t": [10, 20, 30]}), path)
    graph = summarized(path)
    assert graph.neighbours(10) == [-7, 20, 30] and graph.neighbours("-7") == [10]
    assert graph.decode().tolist() == [[-7, 10], [10, 20], [10, 30]]


@pytest.mark.parametrize("node", ["x", "", 7, "A"])
def test_a_node_that_is_not_there(edges, node):
    with pytest.raises(lakebed.errors.GraphError, match="no such node") as caught:
        summarized(edges).neighbours(node)
    assert "from a to e" in caught.value.expected


@pytest.mark.parametrize("node", ["x", "1.5", 1.5, 99, "²"])
def test_a_number_that_is_not_there(tmp_path, node):
    (tmp_path / "e.txt").write_text("1 2\n")
    with pytest.raises(lakebed.errors.GraphError, match="no such node"):
        summarized(tmp_path / "e.txt").neighbours(node)


def test_what_was_written_is_the_same_graph(edges, tmp_path):
    made, read = summarized(edges, out=tmp_path / "summary"), lakebed.Graph.load(tmp_path / "summary")
    assert read.neighbours("b") == made.neighbours("b")
    assert read.decode().tolist() == made.decode().tolist()
    assert np.array_equal(read.embed(dim=8).vectors, made.embed(dim=8).vectors)
    with pytest.raises(lakebed.errors.ConfigError, match="no finished summary"):
        lakebed.Graph.load(tmp_path)


def test_vectors_depend_on_graph_keys_and_settings_alone(edges, tmp_path):
    names, vectors = summarized(edges).embed(dim=16)
    assert names.tolist() == ["a", "b", "c", "d", "e"]
    assert vectors.shape == (5, 16) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    packed = tmp_path / "other.tsv.gz"
    packed.write_bytes(gzip.compress("".join(f"{b}\t{a}\n" for a, b in PAIRS[::-1]).encode()))
    assert np.array_equal(summarized(packed, seed=9, iterations=3).embed(dim=16).vectors, vectors)
    assert not np.array_equal(summarized(edges).embed(dim=16, seed=1).vectors, vectors)
    assert lakebed.Graph.embed.__kwdefaults__["weights"] == EmbeddingsConfig().weights


def test_wrong_settings_are_errors_of_the_config(edges):
    with pytest.raises(lakebed.errors.ConfigError, match=r"embeddings\.dim"):
        summarized(edges).embed(dim=1)
    with pytest.raises(lakebed.errors.ConfigError, match=r"unknown config key summary\.nope"):
        summarized(edges, nope=1)
    with pytest.raises(lakebed.errors.ConfigError, match="no such edge file"):
        summarized("nowhere.tsv")


def test_progress_is_told_or_not_and_whoever_told_before_goes_on(edges, capfd):
    from lakebed.tasks.runtime.progress import shown

    before = shown()
    lakebed.summarize(edges)
    assert "Decoding the summary" in capfd.readouterr().err
    summarized(edges)
    assert capfd.readouterr().err == ""
    assert shown() is before


def test_arrays_in_arrays_out_ids_beside(edges):
    names, vectors = lakebed.embed(PAIRS, dim=16)
    assert names.tolist() == ["a", "b", "c", "d", "e"]
    assert vectors.shape == (5, 16) and vectors.dtype == np.float32
    of_file = summarized(edges).embed(dim=16).vectors
    np.testing.assert_allclose(vectors, of_file, atol=1e-4)
    shuffled = np.array(PAIRS, object)[[3, 1, 0, 2]][:, ::-1]
    assert np.array_equal(lakebed.embed(shuffled, dim=16).vectors, vectors)
    numbers = np.array([[10, -7], [10, 20], [20, 10], [20, 20], [99, 99]])
    names, vectors = lakebed.embed(numbers, dim=8, method="orthogonal")
    assert names.tolist() == [-7, 10, 20, 99] and np.isfinite(vectors).all() and vectors.any(axis=1).all()


def test_weights_of_an_edge_that_stands_there_twice_are_added():
    once = lakebed.embed(PAIRS, weights=[1, 2, 3, 4], dim=16).vectors
    twice = [*PAIRS[:3], ("e", "d"), PAIRS[1]]
    assert np.array_equal(lakebed.embed(twice, weights=[1, 1, 3, 4, 1], dim=16).vectors, once)
    assert not np.array_equal(lakebed.embed(PAIRS, dim=16).vectors, once)
    assert np.array_equal(
        lakebed.embed(PAIRS, weights=np.ones(4), dim=16).vectors, lakebed.embed(PAIRS, dim=16).vectors
    )


WRONG_EDGES = [
    ([], None, "no edges"),
    (np.empty((0, 2), int), None, "no edges"),
    ([1, 2, 3], None, "no edges"),
    (np.ones((3, 3), int), None, "no edges"),
    ([[0.5, 1.5]], None, "neither integers nor text"),
    ([[float("nan"), 1.0]], None, "neither integers nor text"),
    ([[None, "a"]], None, "neither integers nor text"),
    (PAIRS, [1, 2, 3], "do not fit"),
    (PAIRS, [1, 2, float("nan"), 4], "cannot be used"),
    (PAIRS, [1, 2, 0, 4], "cannot be used"),
    (PAIRS, [1, 2, float("inf"), 4], "cannot be used"),
]


@pytest.mark.parametrize(("wrong", "weights", "what"), WRONG_EDGES)
def test_edges_that_are_none(wrong, weights, what):
    with pytest.raises(lakebed.errors.GraphError, match=what):
        lakebed.embed(wrong, weights=weights)


def test_settings_of_embed_are_those_of_the_section():
    with pytest.raises(lakebed.errors.ConfigError, match=r"embeddings\.dim"):
        lakebed.embed(PAIRS, dim=1)
    with pytest.raises(lakebed.errors.ConfigError, match="neither features nor edge_types"):
        lakebed.embed(PAIRS, method="orthogonal", features=("x",))
    with pytest.raises(lakebed.errors.ConfigError, match="no such column"):
        lakebed.embed(PAIRS, features=("x",))
