"""What a catalog calls Parquet is read as files only where no other system says which of them count."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.located import as_files, files_at

ROWS = pa.table({"a": [1, 2]})


def located(folder: Path, format_: str = "parquet", *, is_partitioned: bool = False) -> tuple[str, int] | None:
    place = folder.as_uri()
    found = as_files("u/t", format_, place, files_at(place), is_partitioned=is_partitioned)
    return (found.source.format, len(found.source.files)) if found else None


def test_plain_files_are_read_and_so_is_delta_with_icebergs_metadata(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    pq.write_table(ROWS, tmp_path / "flat" / "a.parquet")
    assert located(tmp_path / "flat") == ("parquet", 1)
    assert located(tmp_path / "flat", is_partitioned=True) is None
    write_deltalake(str(tmp_path / "d"), ROWS)
    (tmp_path / "d" / "metadata").mkdir()
    (tmp_path / "d" / "metadata" / "v1.metadata.json").write_text("{}")
    assert located(tmp_path / "d", "delta") == ("delta", 2)


@pytest.mark.parametrize("name", ["a#1", "a?b=1", "a%20b", "a b", "a;b", "ä"])
def test_a_table_is_read_where_it_lies_whatever_its_folder_is_called(tmp_path: Path, name: str) -> None:
    """Another table lies where the place would lead to were it cut at a sign of URIs, or decoded."""
    for folder, n_rows in {"a": 1, "a b": 2, name: 3}.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        pq.write_table(ROWS.slice(0, 1) if n_rows < 3 else ROWS, tmp_path / folder / "x.parquet")
    for place in (f"{tmp_path}/{name}", (tmp_path / name).as_uri(), f"file://{tmp_path}/{name.replace('%', '%25')}"):
        found = as_files("u/t", "parquet", place, files_at(place))
        assert found is not None and [file.path for file in found.source.files] == [f"{tmp_path}/{name}/x.parquet"]


@pytest.mark.parametrize(
    ("sign", "told"),
    [
        (".hoodie/hoodie.properties", "Hudi"),
        ("metadata/v1.metadata.json", "Iceberg"),
        ("_spark_metadata/0", "streaming sink"),
        ("below/_delta_log/00000000000000000000.json", "Delta"),
    ],
)
def test_files_that_another_system_keeps_are_not(tmp_path: Path, sign: str, told: str) -> None:
    pq.write_table(ROWS, tmp_path / "a.parquet")
    (tmp_path / sign).parent.mkdir(parents=True)
    (tmp_path / sign).write_text("{}")
    for is_partitioned in (False, True):
        with pytest.raises(SourceError, match=f"calls it parquet, but its files are kept by .*{told}"):
            located(tmp_path, is_partitioned=is_partitioned)


def test_neither_is_a_delta_table_nor_a_part_of_one(tmp_path: Path) -> None:
    for number in (1, 2):
        write_deltalake(str(tmp_path / "d"), ROWS.append_column("k", pa.array([number] * 2)), partition_by=["k"],
                        mode="overwrite")  # fmt: skip
    for folder in (tmp_path / "d", tmp_path / "d" / "k=1"):
        with pytest.raises(SourceError, match=r"kept by Delta"):
            located(folder)
    (tmp_path / "d" / ".hoodie").mkdir()
    (tmp_path / "d" / ".hoodie" / "x").write_text("")
    with pytest.raises(SourceError, match=r"calls it delta, but its files are kept by Hudi"):
        located(tmp_path / "d", "delta")
