import pyarrow as pa
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.previous import count_changes, previous_artifact, read_kept, write_kept
from tests.tasks.runtime.test_stage import made, stage_of

ROWS = pa.table({"name": ["a", "b"], "n": [1, 2]})


def previous(root, key, *, has=(), of_any_config=False, **more):
    return previous_artifact(stage_of(root, key, **more), has, of_any_config=of_any_config)


def test_the_previous_artifact_is_the_newest_of_the_family(tmp_path):
    assert previous(tmp_path, b"1") is None
    first = made(tmp_path, b"1")
    assert previous(tmp_path, b"1") is None
    assert previous(tmp_path, b"2").ref == first
    second = made(tmp_path, b"2")
    assert previous(tmp_path, b"3").ref == second
    assert previous(tmp_path, b"1").ref == second
    made(tmp_path, b"3", limit=2)
    assert previous(tmp_path, b"4").ref == second
    next((tmp_path / "containment" / second.key).glob("edges/*.parquet")).unlink()
    assert previous(tmp_path, b"3").ref == first


def test_one_of_another_config_will_do_where_that_is_asked_for(tmp_path):
    first = made(tmp_path, b"1", limit=2)
    assert previous(tmp_path, b"2") is None
    assert previous(tmp_path, b"2", of_any_config=True).ref == first


def test_one_without_what_is_to_be_reused_is_passed_over(tmp_path):
    first = made(tmp_path, b"1")
    assert previous(tmp_path, b"2", has=["edges"]).ref == first
    assert previous(tmp_path, b"2", has=["edges", "previous/tables.parquet"]) is None


def test_a_full_run_has_none(tmp_path):
    made(tmp_path, b"1")
    assert previous(tmp_path, b"2", is_full=True) is None
    assert previous(tmp_path, b"2", is_full=True, of_any_config=True) is None


def test_what_was_kept_is_read_back_and_damage_is_told(tmp_path):
    storage = Storage.at(str(tmp_path))
    write_kept(storage, "previous/tables.parquet", ROWS)
    assert read_kept(storage, "previous/tables.parquet").equals(ROWS)
    path = tmp_path / "previous" / "tables.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="damaged") as caught:
        read_kept(storage, "previous/tables.parquet")
    assert "--full" in caught.value.hint


def test_changes_are_counted_in_the_words_of_all_stages():
    found = count_changes(2, ["a", "b", "c"], ["a", "b", "d"], tables_new=1)
    assert found == {"tables_reused": 2, "tables_new": 1, "tables_dropped": 1}
