"""Folders: what was built is what is read, and nothing damaged is ever loaded."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

import lakebed.connectors.hnsw
from lakebed.connectors.errors import ArtifactError, ConfigError, GraphError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.folder import HEAD, build_folder, folder_files, open_folder, read_head
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import recall_by_distance

SMALL = IndexConfig(max_flat=100, shard_vectors=400)


def items_of(ids):
    return pa.table({"id": pa.array(ids, pa.string()), "label": [f"label {i}" for i in ids]})


def vectors_of(n=1_000, dim=12, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "one"
    ids = [f"item {i:04d}" for i in range(1_000)]
    order = np.random.default_rng(4).permutation(1_000)
    build_folder(str(path), items_of([ids[i] for i in order]), vectors_of()[order], SMALL)
    return path


def test_shards_are_built_searched_and_merged(folder):
    head, index = read_head(str(folder)), open_folder(str(folder))
    assert (head.method, len(head.shards), head.n_items) == ("hnsw", 3, 1_000)
    queries = vectors_of(50, seed=8)
    exact = flat_search(prepared(vectors_of(), "cosine"), prepared(queries, "cosine"), 10, "cosine")
    found = index.search(queries, 10)
    assert recall_by_distance(found.distance, exact.distance) >= 0.97
    near = index.nearest(vectors_of()[7], 3)
    assert near.ids[0] == "item 0007"
    assert near.distance[0] == pytest.approx(0, abs=1e-5)
    assert index.items["label"][near.position[0]].as_py() == "label item 0007"


def test_the_order_of_the_rows_changes_no_byte(folder, tmp_path):
    ids = [f"item {i:04d}" for i in range(1_000)]
    build_folder(str(tmp_path / "other"), items_of(ids), vectors_of(), SMALL)
    for name in folder_files(read_head(str(folder))):
        assert (tmp_path / "other" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_thousand_damages_are_refused_before_anything_is_loaded(folder, tmp_path, monkeypatch):
    loads = []
    real = lakebed.connectors.hnsw.hnswlib.Index

    def counted(*args, **kwargs):
        loads.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(lakebed.connectors.hnsw.hnswlib, "Index", counted)
    copy, rng = tmp_path / "copy", np.random.default_rng(12)
    shutil.copytree(folder, copy)
    names = sorted(folder_files(read_head(str(folder))))
    for number in range(1_000):
        path = copy / names[number % len(names)]
        data = path.read_bytes()
        if number % 2:
            path.write_bytes(data[: rng.integers(len(data))])
        else:
            at = int(rng.integers(len(data)))
            path.write_bytes(data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :])
        with pytest.raises(ArtifactError):
            open_folder(str(copy))
        path.write_bytes(data)
    assert loads == []
    assert len(open_folder(str(copy))) == 1_000
    assert len(loads) == 3


def test_half_written_missing_and_foreign_folders(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "shard-0001.hnsw").unlink()
    with pytest.raises(ArtifactError, match="damaged or half-written"):
        open_folder(str(copy))
    (copy / HEAD).unlink()
    with pytest.raises(ArtifactError, match="no whole index"):
        open_folder(str(copy))


OTHERS = [("format", 99, "another version"), ("library", "hnswlib 9", "another version"), ("dim", 13, "do not fit")]


@pytest.mark.parametrize(("key", "value", "what"), OTHERS)
def test_other_versions_and_dimensions(folder, tmp_path, key, value, what):
    from lakebed.tasks.index.folder import _digest

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    facts = json.loads((copy / HEAD).read_text())
    facts["index"][key] = value
    facts["sha256"] = _digest(facts["index"])
    (copy / HEAD).write_text(json.dumps(facts, indent=1))
    with pytest.raises(ArtifactError, match=what):
        open_folder(str(copy))


def test_small_ones_are_exact_and_an_empty_one_answers_nothing(tmp_path):
    head = build_folder(str(tmp_path / "flat"), items_of(["a", "b"]), vectors_of(2), IndexConfig())
    assert (head.method, head.recall) == ("flat", 1.0)
    assert open_folder(str(tmp_path / "flat")).nearest(vectors_of(1), 9).ids[0] == "a"
    build_folder(str(tmp_path / "empty"), items_of([]), np.empty((0, 3), np.float32), IndexConfig())
    empty = open_folder(str(tmp_path / "empty"))
    assert empty.nearest(np.ones(3), 2).ids == []
    with pytest.raises(ConfigError, match="nothing of this name"):
        empty.vector("x")


def test_what_cannot_be_indexed(tmp_path):
    with pytest.raises(ConfigError, match="do not fit"):
        build_folder(str(tmp_path / "1"), items_of(["a", "a"]), vectors_of(2), IndexConfig())
    with pytest.raises(ConfigError, match="do not fit"):
        build_folder(str(tmp_path / "2"), items_of(["a"]), vectors_of(2), IndexConfig())
    with pytest.raises(GraphError, match="NaN"):
        build_folder(str(tmp_path / "3"), items_of(["a"]), np.full((1, 2), np.nan), IndexConfig())
    with pytest.raises(GraphError, match="no direction"):
        build_folder(str(tmp_path / "4"), items_of(["a"]), np.zeros((1, 2)), IndexConfig())
