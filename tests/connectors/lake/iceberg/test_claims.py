"""Files beside an Iceberg table's folder: those of all its snapshots are its own, whether it can be read or not."""

import json
import shutil

import fastavro
import pyarrow as pa
import pytest

from lakebed.connectors.lake.iceberg.claims import claims_of
from tests.iceberg_tables import HandMade, column

IDS = pa.table({"id": [1, 2, 3]})


def listed(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def made(root, name="ice", **more):
    return HandMade(root / name, [column(1, "id", "long")], location=f"s3://gone/lake/{name}", **more)


def beside(table, entry, name, folder="wd"):
    """Moves a file of a table out of its folder."""
    root, file = table.folder.parent, entry["data_file"]
    (root / folder).mkdir(exist_ok=True)
    shutil.move(root / file["file_path"].removeprefix("s3://gone/lake/"), root / folder / name)
    file["file_path"] = f"s3://gone/lake/{folder}/{name}"
    return entry


def claims(root, name="ice"):
    return claims_of(str(root), [name], listed(root))[name]


def may_have(found, path):
    return found.may_have(path, is_final=False)


def grown(root, **more):
    """A table with a file of an older snapshot, a live one and an active equality delete, all in `wd`."""
    table = made(root, **more)
    table.commit(beside(table, table.data(IDS), "old.parquet"))
    live = beside(table, table.data(IDS), "live.parquet")
    table.commit(live, beside(table, table.equality(IDS.slice(0, 1)), "eq.parquet"), drop=True)
    (root / "plain.parquet").write_bytes(b"somebody's")
    return table


ALL = {"wd/old.parquet", "wd/live.parquet", "wd/eq.parquet"}


def test_data_and_deletes_of_all_snapshots_are_the_tables(tmp_path):
    grown(tmp_path)
    found = claims(tmp_path)
    assert (found.files, found.places, found.why) == (ALL, (), "")


def test_so_are_those_of_a_table_that_cannot_be_read(tmp_path):
    table = grown(tmp_path, has_hint=False)
    for name in "ab":
        shutil.copy(
            table.folder / "metadata" / "v2.metadata.json", table.folder / f"metadata/00009-{name}.metadata.json"
        )
    assert claims(tmp_path).files == ALL


@pytest.mark.parametrize("name", ["*.metadata.json", "v2.metadata.json"])
def test_manifests_tell_where_metadata_files_are_damaged(tmp_path, name):
    table = grown(tmp_path)
    for path in (table.folder / "metadata").glob(name):
        path.write_text("{")
    assert claims(tmp_path).files == ALL and not claims(tmp_path).places


def foreign(path):
    """A manifest of Avro, but not of Iceberg."""
    with path.open("wb") as stream:
        schema = {"type": "record", "name": "r", "fields": [{"name": "status", "type": "int"}]}
        fastavro.writer(stream, schema, [{"status": 1}])


@pytest.mark.parametrize("damage", [foreign, lambda path: path.write_bytes(b"Obj"), lambda path: path.unlink()])
def test_without_any_manifest_everything_may_be_the_tables(tmp_path, damage):
    table = grown(tmp_path)
    for path in (table.folder / "metadata").glob("*.avro"):
        damage(path)
    found = claims(tmp_path)
    assert may_have(found, "plain.parquet") and "none of its manifests" in found.why


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"Obj"), lambda path: path.unlink()])
def test_without_any_manifest_a_table_with_data_in_its_folder_keeps_to_it_and_to_the_places_it_writes_to(
    tmp_path, damage
):
    table = grown(tmp_path, properties={"write.data.path": "s3://gone/lake/more"})
    (table.folder / "data").mkdir(exist_ok=True)
    (table.folder / "data" / "own.parquet").write_bytes(b"its own")
    for path in (table.folder / "metadata").glob("*.avro"):
        damage(path)
    found = claims(tmp_path)
    assert may_have(found, "more/x.parquet") and not may_have(found, "plain.parquet")
    assert found.may_have("plain.parquet", is_final=True) and "none of its manifests" in found.why
    head = table.folder / "metadata" / "v2.metadata.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"format-version": 9}))
    assert may_have(claims(tmp_path), "plain.parquet")


def test_with_some_manifests_only_the_places_may_be_that_it_is_known_to_write_to(tmp_path):
    table = grown(tmp_path, properties={"write.data.path": "s3://gone/lake/more"})
    damaged = next(iter((table.folder / "metadata").glob("*-m0.avro")))
    damaged.write_bytes(b"Obj")
    found = claims(tmp_path)
    assert found.files < ALL and "is damaged" in found.why
    assert may_have(found, "wd/other.parquet") and may_have(found, "more/x.parquet")
    assert not may_have(found, "plain.parquet")


def test_a_damaged_table_that_keeps_to_its_folder_leaves_the_others_alone(tmp_path):
    table = made(tmp_path)
    table.commit(table.data(IDS))
    table.commit(table.data(IDS))
    next(iter((table.folder / "metadata").glob("*-m0.avro"))).write_bytes(b"Obj")
    (tmp_path / "plain.parquet").write_bytes(b"somebody's")
    stub = tmp_path / "stub" / "metadata"
    stub.mkdir(parents=True)
    (stub / "v1.metadata.json").write_text("1")
    for name in ("ice", "stub"):
        assert not may_have(claims(tmp_path, name), "plain.parquet") and not claims(tmp_path, name).files


def test_names_of_its_own_folder_claim_no_file_elsewhere(tmp_path):
    """The file is gone, as old snapshots' are; another of that name is somebody's."""
    table = made(tmp_path)
    entry = table.data(IDS, name="part-0.parquet")
    table.commit(entry)
    (table.folder / "data" / "part-0.parquet").rename(tmp_path / "part-0.parquet")
    assert claims(tmp_path).files == frozenset()


def test_damaged_json_of_any_shape_ends_nothing(tmp_path):
    table = grown(tmp_path)
    head = table.folder / "metadata" / "v2.metadata.json"
    right = json.loads(head.read_text())
    for key in right:
        for wrong in (None, 7, "x", [7], {"x": 1}):
            head.write_text(json.dumps({**right, key: wrong}))
            assert claims(tmp_path).files == ALL
