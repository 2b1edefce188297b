import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.links.checkpoint import ARRAYS, MANIFEST, Identity
from lakebed.tasks.links.mirror import MirroredCheckpoints
from tests.tasks.links.test_checkpoint import IDENTITY, state


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
