import threading

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.versions import IndexReader, change, current_version, fold, is_fold_due, publish

CONFIG = IndexConfig(max_flat=50)


def items_of(names):
    return pa.table({"id": pa.array(names, pa.string()), "kind": ["x"] * len(names)})


def vectors_of(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)


def published(root, n=200):
    names = [f"n{i:03d}" for i in range(n)]
    return publish(str(root), items_of(names), vectors_of(n), CONFIG)


def test_readers_pick_up_a_new_version_without_a_restart(tmp_path):
    first = published(tmp_path)
    reader = IndexReader(str(tmp_path), refresh_s=0)
    old = reader.get()
    assert reader.get() is old
    second = published(tmp_path, 210)
    assert first != second == current_version(str(tmp_path))
    assert (len(old), len(reader.get())) == (200, 210)
    assert published(tmp_path) == first
    assert len(reader.get()) == 200


def test_a_reader_that_looked_just_now_does_not_look_again(tmp_path):
    published(tmp_path)
    reader = IndexReader(str(tmp_path), refresh_s=3_600)
    reader.get()
    published(tmp_path, 210)
    assert len(reader.get()) == 200


def test_changes_are_searched_beside_and_folded_in_by_the_next_build(tmp_path):
    root = str(tmp_path)
    published(tmp_path)
    reader = IndexReader(root, refresh_s=0)
    extra = vectors_of(2, seed=9)
    change(root, {"new": extra[0], "n000": extra[1]}, ["n001"], items_of(["new", "n000"]).drop_columns("id"))
    assert reader.get().nearest(extra[0], 1).ids == ["new"]
    assert not is_fold_due(reader.get(), CONFIG)
    change(root, removed=["new"])
    assert "new" not in reader.get().nearest(extra[0], 300).ids
    change(root, {"later": extra[0]}, metadata=pa.table({"kind": ["y"]}))
    before = reader.get()
    assert is_fold_due(before, IndexConfig(delta_share=0.01))
    folded = fold(root, CONFIG)
    after = reader.get()
    assert current_version(root) == folded
    assert (len(after.changes.added), len(after.changes.removed)) == (0, 0)
    assert len(before) == len(after) == after.items.num_rows == 200
    assert after.nearest(extra[1], 1).ids == ["n000"]
    assert after.items["kind"][after.require_position("later")].as_py() == "y"
    for seed in range(5):
        query = vectors_of(1, seed + 50)
        assert before.nearest(query, 10).distance == pytest.approx(after.nearest(query, 10).distance, abs=1e-4)


def test_a_query_during_a_publish_sees_one_whole_version(tmp_path):
    published(tmp_path)
    reader, sizes, is_over = IndexReader(str(tmp_path), refresh_s=0), set(), threading.Event()

    def read():
        while not is_over.is_set():
            sizes.add(len(reader.get().nearest(vectors_of(1), 500).ids))

    thread = threading.Thread(target=read)
    thread.start()
    for n in (210, 220, 230):
        published(tmp_path, n)
    is_over.set()
    thread.join()
    assert sizes <= {200, 210, 220, 230}


def test_a_half_written_version_is_built_again_and_bad_pointers_are_typed(tmp_path):
    with pytest.raises(ArtifactError, match="no index was published"):
        current_version(str(tmp_path))
    version = published(tmp_path)
    (tmp_path / "versions" / version / "index.json").unlink()
    with pytest.raises(ArtifactError, match="no whole index"):
        IndexReader(str(tmp_path)).get()
    assert published(tmp_path) == version
    assert len(IndexReader(str(tmp_path)).get()) == 200
    for text in ("{", "[]", '{"version": "../../etc"}', '{"version": 3}'):
        (tmp_path / "current.json").write_text(text)
        with pytest.raises(ArtifactError, match="damaged"):
            current_version(str(tmp_path))


def test_an_added_vector_must_fit(tmp_path):
    published(tmp_path)
    with pytest.raises(ConfigError, match="another dimension"):
        change(str(tmp_path), {"new": np.ones(3)})
