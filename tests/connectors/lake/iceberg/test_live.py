"""An Iceberg table as it is now, for recipes of an older version: lost deletes, files beside it, two of a version."""

import shutil

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.iceberg.live import file_readings, live_rows
from tests.connectors.lake.iceberg.reading import facts_of
from tests.iceberg_tables import HandMade, column

IDS = pa.table({"id": list(range(9))})


def made(root):
    table = HandMade(root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    data, other = table.data(IDS), table.data(IDS)
    table.commit(data, other)
    deletes = table.positions(data, [0, 7])
    table.commit(deletes)
    return table, data, other, deletes


def noted(root):
    return {file.path: (file.n_rows, file.casts) for file in facts_of(root, "ice").files}


def unlink(table, entry):
    (table.folder / "data" / entry["data_file"]["file_path"].rpartition("/")[2]).unlink()


@pytest.mark.parametrize("has_new_column", [False, True])
def test_rewritten_deletes_stand_for_those_that_are_gone(tmp_path, has_new_column):
    table, data, other, deletes = made(tmp_path)
    was = noted(tmp_path)
    columns = [*table.columns, column(2, "more", "string")] if has_new_column else None
    new = table.positions(data, [7, 0])
    table.commit(data, other, new, columns=columns, drop=True)
    unlink(table, deletes)
    found = file_readings(str(tmp_path), "ice", was)
    names = {one.path.rpartition("/")[2] for reading in found for one in reading.deletes}
    assert names == {new["data_file"]["file_path"].rpartition("/")[2]}
    assert live_rows(str(tmp_path), "ice") == {path: n_rows for path, (n_rows, _) in was.items()}


def test_deletes_that_leave_other_rows_do_not(tmp_path):
    table, data, other, deletes = made(tmp_path)
    was = noted(tmp_path)
    table.commit(data, other, table.positions(data, [0, 7, 8]), drop=True)
    assert len(file_readings(str(tmp_path), "ice", was)) == 2
    unlink(table, deletes)
    with pytest.raises(SourceError, match="a delete file of the Iceberg table is gone") as caught:
        file_readings(str(tmp_path), "ice", was)
    assert deletes["data_file"]["file_path"].rpartition("/")[2] in str(caught.value.value)


def test_data_beside_the_folder_is_looked_for_in_the_lake(tmp_path):
    table, data, other, _ = made(tmp_path)
    name = data["data_file"]["file_path"].rpartition("/")[2]
    (tmp_path / "wd").mkdir()
    (table.folder / "data" / name).rename(tmp_path / "wd" / name)
    data["data_file"]["file_path"] = f"s3://gone/lake/wd/{name}"
    table.commit(data, other, drop=True)
    assert live_rows(str(tmp_path), "ice")[f"wd/{name}"] == 9
    (tmp_path / "wd" / name).unlink()
    with pytest.raises(SourceError, match="is not in the lake"):
        live_rows(str(tmp_path), "ice")


def test_of_two_metadata_files_of_a_version_the_noted_one_counts(tmp_path):
    table, data, *_ = made(tmp_path)
    folder = table.folder / "metadata"
    (folder / "version-hint.text").unlink()
    shutil.move(folder / "v1.metadata.json", folder / "00001-b.metadata.json")
    shutil.move(folder / "v2.metadata.json", folder / "00001-a.metadata.json")
    with pytest.raises(SourceError, match="of the same version"):
        live_rows(str(tmp_path), "ice")
    for name, n_rows in (("a", 16), ("b", 18)):
        found = live_rows(str(tmp_path), "ice", f"ice/metadata/00001-{name}.metadata.json")
        assert sum(found.values()) == n_rows
    # a newer one counts more
    table.has_hint, table.name = False, "00002-c.metadata.json"
    table.commit(data, drop=True)
    assert sum(live_rows(str(tmp_path), "ice", "ice/metadata/00001-a.metadata.json").values()) == 9
