import json
import shutil

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.links import checkpoint
from lakebed.tasks.links.checkpoint import ARRAYS, MANIFEST, STATE, Checkpoints, Identity, MirroredCheckpoints
from lakebed.tasks.links.kernel.training import MOMENTS, TrainingState

IDENTITY = Identity("config", "data", 1)


def state(epoch):
    weights = {"layer_0.self": np.full((2, 3), epoch, np.float32)}
    moments = {moment: {"layer_0.self": np.ones((2, 3), np.float32)} for moment in MOMENTS}
    return TrainingState(weights, moments, epoch, epoch, weights, 0.5, epoch - 1, [0.5] * epoch)


@pytest.fixture
def store(tmp_path):
    return Checkpoints(tmp_path / "gcn", IDENTITY)


def test_what_was_saved_is_loaded(store):
    store.save(state(3))
    found = store.load()
    assert (found.epoch, found.n_steps, found.history) == (3, 3, [0.5] * 3)
    assert np.array_equal(found.weights["layer_0.self"], np.full((2, 3), 3))
    assert np.array_equal(found.moments["exp_avg"]["layer_0.self"], np.ones((2, 3)))


def test_an_empty_folder_has_none(store):
    assert store.load() is None


def test_the_last_two_are_kept(store):
    for epoch in (1, 2, 3, 4):
        store.save(state(epoch))
    assert sorted(path.name for path in store.folder.iterdir()) == ["epoch-00000003", "epoch-00000004"]


@pytest.mark.parametrize("name", [ARRAYS, STATE, MANIFEST])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_one_is_passed_over(store, name, damage):
    store.save(state(1))
    path = store.save(state(2)) / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    assert store.load().epoch == 1


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Identity("x", "data", 1), "config"),
        (Identity("config", "x", 1), "data"),
        (Identity("config", "data", 2), "n_threads"),
    ],
)
def test_one_of_another_training_is_refused_unless_drift_is_allowed(store, other, named):
    store.save(state(2))
    with pytest.raises(ArtifactError, match="another training") as caught:
        Checkpoints(store.folder, other).load()
    assert named in str(caught.value)
    assert Checkpoints(store.folder, other, allow_drift=True).load().epoch == 2


def test_another_number_of_features_is_refused_even_where_drift_is_allowed(store):
    store.save(state(2))
    other = Checkpoints(store.folder, Identity("config", "data", 1, 12), allow_drift=True)
    with pytest.raises(ArtifactError, match="another training") as caught:
        other.load()
    assert "n_features: 0 there, 12 here" in str(caught.value)
    assert "drift" not in caught.value.hint
    assert store.load().epoch == 2


def test_a_full_disk_leaves_the_last_good_one(store, monkeypatch):
    store.save(state(1))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_sync", full)
    with pytest.raises(ArtifactError, match="the disk is full"):
        store.save(state(2))
    monkeypatch.undo()
    assert store.load().epoch == 1
    assert [path.name for path in store.folder.iterdir()] == ["epoch-00000001"]


def test_what_a_killed_write_left_is_removed_by_the_next(store):
    store.save(state(1))
    shutil.copytree(store.folder / "epoch-00000001", store.folder / ".part-old")
    store.save(state(2))
    assert not (store.folder / ".part-old").exists()


def test_no_checkpoint_names_a_path_or_a_pickle(store):
    path = store.save(state(1))
    facts = json.loads((path / STATE).read_text())
    assert set(facts["identity"]) == {"config", "data", "n_threads", "n_features", "versions", "machine"}
    assert sorted(p.name for p in path.iterdir()) == sorted([ARRAYS, STATE, MANIFEST])


@pytest.fixture
def copies(tmp_path):
    return Storage.at(str(tmp_path / "copies"))


def on_a_new_machine(tmp_path, copies, name, identity=IDENTITY):
    return MirroredCheckpoints(tmp_path / name, identity, copies)


def test_a_machine_that_has_nothing_goes_on_from_the_copies(tmp_path, copies):
    first = on_a_new_machine(tmp_path, copies, "first")
    assert first.load() is None
    for epoch in (1, 2, 3):
        first.save(state(epoch))
    assert copies.list_folders() == ["epoch-00000002", "epoch-00000003"]
    assert on_a_new_machine(tmp_path, copies, "second").load().epoch == 3


@pytest.mark.parametrize("name", [ARRAYS, MANIFEST])
def test_a_copy_that_is_not_whole_is_passed_over(tmp_path, copies, name):
    first = on_a_new_machine(tmp_path, copies, "first")
    for epoch in (1, 2):
        first.save(state(epoch))
    copies.delete_file(f"epoch-00000002/{name}")
    assert on_a_new_machine(tmp_path, copies, "second").load().epoch == 1


def test_the_manifest_is_copied_last(tmp_path, copies, monkeypatch):
    written = []
    monkeypatch.setattr(copies, "write_bytes_atomic", lambda path, data: written.append(path))
    on_a_new_machine(tmp_path, copies, "first").save(state(1))
    assert written[-1].endswith(MANIFEST) and len(written) == 3


def test_a_copy_of_another_training_is_refused(tmp_path, copies):
    on_a_new_machine(tmp_path, copies, "first").save(state(1))
    with pytest.raises(ArtifactError, match="another training"):
        on_a_new_machine(tmp_path, copies, "second", Identity("other", "data", 1)).load()
