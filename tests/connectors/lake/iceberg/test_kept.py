"""Metadata that is kept for a rebuild: put back beside other data files it describes these; nothing else changes."""

import io
import json
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.iceberg.kept import catalog_sign, read_kept, restored
from lakebed.connectors.lake.iceberg.model import READING, FileReading
from tests.connectors.lake.iceberg.reading import facts_of
from tests.iceberg_tables import HandMade, column, folder_table


def rows(start: int, end: int) -> pa.Table:
    numbers = range(start, end)
    return pa.table({"id": pa.array(numbers, pa.int64()), "day": [number % 2 for number in numbers]})


def readings(root: Path) -> dict[str, FileReading]:
    return {file.path: FileReading.from_text(file.casts[READING]) for file in facts_of(root, "ice").files}


def again(root: Path, kept: dict[str, bytes], paths: list[str], *, is_exact: bool = True) -> dict[str, bytes]:
    """Writes the data files otherwise; the metadata for them, which is written too."""
    sizes = {}
    for path in paths:
        pq.write_table(pq.read_table(root / path, partitioning=None), root / path, compression="zstd")
        sizes[path] = (root / path).stat().st_size
    made = dict(restored(str(root), "ice", kept, sizes, is_exact=is_exact))
    for path, data in made.items():
        (root / path).write_bytes(data)
    return made


@pytest.mark.parametrize("partition_by", ["", "day"])
def test_snapshots_branches_and_partitions_are_those_of_before(tmp_path: Path, partition_by: str) -> None:
    folder_table(tmp_path / "ice", rows(0, 50), rows(50, 80), partition_by=partition_by, branch="audit")
    metadata = tmp_path / "ice" / "metadata" / "v3.metadata.json"
    before, data = StaticTable.from_metadata(str(metadata)), readings(tmp_path)
    looked = [before.scan(snapshot_id=one.snapshot_id).to_arrow().sort_by("id") for one in before.snapshots()]
    kept = read_kept(str(tmp_path), "ice", data)
    made = again(tmp_path, kept, [*data])
    after = StaticTable.from_metadata(str(metadata))
    assert [after.scan(snapshot_id=one.snapshot_id).to_arrow().sort_by("id") for one in after.snapshots()] == looked
    sizes = {file["file_path"]: file["file_size_in_bytes"] for file in after.inspect.files().to_pylist()}
    assert sizes == {path: Path(path.removeprefix("file://")).stat().st_size for path in sizes}
    # all but manifests and their lists is byte for byte what it was, and these keep their headers
    for path, was in kept.items():
        if not path.endswith(".avro"):
            assert made[path] == was
            continue
        one, other = (fastavro.reader(io.BytesIO(content)) for content in (was, made[path]))
        own = [dict(reader.metadata) for reader in (one, other)]
        schemas = [json.loads(header.pop("avro.schema")) for header in own]
        assert schemas[0] == schemas[1] and own[0] == own[1]
    assert [*made][-1] == "ice/metadata/version-hint.text"


def test_rows_may_change_places_where_no_snapshot_and_partition_tells_files_apart(tmp_path: Path) -> None:
    table = HandMade(tmp_path / "ice", [column(1, "id", "long"), column(2, "day", "long")])
    table.commit(table.data(rows(0, 10)), table.data(rows(10, 20)))
    data = readings(tmp_path)
    again(tmp_path, read_kept(str(tmp_path), "ice", data), [*data], is_exact=False)
    assert readings(tmp_path).keys() == data.keys()
    table.commit(table.data(rows(20, 30)))
    data = readings(tmp_path)
    kept = read_kept(str(tmp_path), "ice", data)
    with pytest.raises(SourceError, match="the order of its rows is lost"):
        again(tmp_path, kept, [*data], is_exact=False)


def test_what_shows_a_catalog() -> None:
    base = "a/ice/metadata/"
    own = {f"{base}v1.metadata.json", f"{base}version-hint.text"}
    assert catalog_sign("a/ice", own) == ""
    assert "version-hint.text" in catalog_sign("a/ice", {f"{base}v1.metadata.json"})
    assert "called as a catalog" in catalog_sign("a/ice", own | {f"{base}00002-3f.metadata.json"})
    # of another table
    assert catalog_sign("a/ice", own | {"a/ice2/metadata/00002-3f.metadata.json"}) == ""


def test_data_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    table = HandMade(tmp_path / "ice", [column(1, "id", "long"), column(2, "day", "long")])
    entry = table.data(rows(0, 10))
    path = Path(entry["data_file"]["file_path"])
    path.rename(tmp_path / path.name)
    entry["data_file"]["file_path"] = str(tmp_path / path.name)
    table.commit(entry)
    with pytest.raises(SourceError, match="outside of its folder"):
        read_kept(str(tmp_path), "ice", readings(tmp_path))
