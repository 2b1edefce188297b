"""Folders: what was built is what is read, and nothing damaged is ever loaded."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

import lakebed.connectors.hnsw
import lakebed.tasks.index.folder
from lakebed.connectors.errors import ArtifactError, ConfigError, GraphError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.folder import HEAD, build_folder, folder_files, open_folder, read_head
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import recall_by_distance

# M 8: a shard of 334 vectors may then be searched 41 wide before exact search is as cheap
SMALL = IndexConfig(max_flat=100, shard_vectors=400, links=8)


def items_of(ids):
    return pa.table({"id": pa.array(ids, pa.string()), "label": [f"label {i}" for i in ids]})


def vectors_of(n=1_000, dim=12, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def config_of(storage):
    return SMALL.model_copy(update={"storage": storage})


@pytest.fixture(scope="module", params=["float32", "int8"])
def storage(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, storage):
    path = tmp_path_factory.mktemp("index") / "one"
    ids = [f"item {i:04d}" for i in range(1_000)]
    order = np.random.default_rng(4).permutation(1_000)
    build_folder(str(path), items_of([ids[i] for i in order]), vectors_of()[order], config_of(storage))
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


def test_the_order_of_the_rows_changes_no_byte(folder, storage, tmp_path):
    ids = [f"item {i:04d}" for i in range(1_000)]
    build_folder(str(tmp_path / "other"), items_of(ids), vectors_of(), config_of(storage))
    for name in folder_files(read_head(str(folder))):
        assert (tmp_path / "other" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_thousand_damages_are_refused_before_anything_is_loaded(folder, tmp_path, monkeypatch):
    loads = []

    def counted(real):
        return lambda *args, **kwargs: loads.append(args) or real(*args, **kwargs)

    monkeypatch.setattr(lakebed.connectors.hnsw.hnswlib, "Index", counted(lakebed.connectors.hnsw.hnswlib.Index))
    monkeypatch.setattr(lakebed.tasks.index.folder, "coded_shard", counted(lakebed.tasks.index.folder.coded_shard))
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
    next(copy.glob("shard-0001.*")).unlink()
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


def test_vectors_of_int8_are_mapped_and_answer_as_those_in_memory(tmp_path):
    items, queries = items_of([f"{i:04d}" for i in range(1_000)]), vectors_of(40, seed=3)
    found = {}
    for storage in ("float32", "int8"):
        for size in (400, 1_000):
            place = str(tmp_path / f"{storage}-{size}")
            config = config_of(storage).model_copy(update={"shard_vectors": size, "recall": 0.98})
            head = build_folder(place, items, vectors_of(), config)
            assert (head.storage, head.method) == (storage, "hnsw") and head.recall >= 0.98
            found[storage, size] = open_folder(place)
    exact = flat_search(prepared(vectors_of(), "cosine"), prepared(queries, "cosine"), 10, "cosine").distance
    where = np.arange(1_000) % 7 == 0
    for (storage, _), index in found.items():
        vectors = index.index.vectors
        assert np.array_equal(vectors, found["float32", 1_000].index.vectors)
        assert vectors.flags.writeable == (storage == "float32")
        assert recall_by_distance(index.search(queries, 10).distance, exact) >= 0.95
        filtered = index.search(queries, 3, where)
        assert np.array_equal(filtered.position, found["float32", 1_000].search(queries, 3, where).position)


def test_a_small_index_of_int8_is_exact_and_an_empty_one_answers_nothing(tmp_path):
    config = IndexConfig(storage="int8")
    for name, n in (("flat", 5), ("empty", 0)):
        head = build_folder(str(tmp_path / name), items_of([str(i) for i in range(n)]), vectors_of(n), config)
        assert head.method == "flat"
        assert open_folder(str(tmp_path / name)).nearest(vectors_of(1), 2).ids[:1] == ["0"][:n]


def test_parts_that_do_not_fit_are_refused_though_their_digests_do(tmp_path):
    items, config = items_of([f"{i:04d}" for i in range(1_000)]), config_of("int8")
    build_folder(str(tmp_path / "a"), items, vectors_of(), config)
    build_folder(str(tmp_path / "b"), items, vectors_of(dim=16), config)
    facts = {name: json.loads((tmp_path / name / HEAD).read_text()) for name in "ab"}
    facts["a"]["index"]["shards"][0]["graph"] = facts["b"]["index"]["shards"][0]["graph"]
    facts["a"]["sha256"] = lakebed.tasks.index.folder._digest(facts["a"]["index"])
    (tmp_path / "a" / HEAD).write_text(json.dumps(facts["a"], indent=1))
    shutil.copy(tmp_path / "b" / "shard-0000.npz", tmp_path / "a" / "shard-0000.npz")
    with pytest.raises(ArtifactError, match="do not fit each other"):
        open_folder(str(tmp_path / "a"))
