"""Layouts: what lies on disk has the property it is there for."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetFile, ParquetParts
from tests.oracle.independent_reader import read_any

_DATA = pa.table({"k": [1, 2, 3], "place": ["São Paulo", "a/b=c", None], "x": [1.5, None, 3.5]})


def test_cut_bounds_are_cut_and_incremented(tmp_path: Path) -> None:
    data = pa.table({"url": ["a" * 80, "b" * 80]})
    for name, layout in {"cut": ParquetFile(is_cutting_bounds=True), "whole": ParquetFile()}.items():
        layout.write(tmp_path, name, data)
    bounds = {name: _bounds(tmp_path / f"{name}.parquet") for name in ("cut", "whole")}
    assert bounds == {"whole": ("a" * 80, "b" * 80), "cut": ("a" * 64, "b" * 63 + "c")}
    assert pq.read_table(tmp_path / "cut.parquet").equals(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.parquet", "whole.parquet"]


def test_parts_lie_among_marker_files(tmp_path: Path) -> None:
    assert ParquetParts(2).write(tmp_path, "t", _DATA) == "t"
    assert len(list((tmp_path / "t").glob("part-*.parquet"))) == 2
    assert (tmp_path / "t" / "_SUCCESS").exists()
    assert read_any(tmp_path, "t", "parquet").equals(_DATA)


def test_partition_values_are_escaped(tmp_path: Path) -> None:
    HivePartitions(("place",)).write(tmp_path, "t", _DATA)
    folders = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert folders == ["place=S%C3%A3o%20Paulo", "place=__HIVE_DEFAULT_PARTITION__", "place=a%2Fb%3Dc"]
    assert _rows(read_any(tmp_path, "t", "parquet")) == _rows(_DATA)


def test_delta_appends(tmp_path: Path) -> None:
    DeltaTable(n_commits=3, partition_by=("place",)).write(tmp_path, "t", _DATA)
    assert len(list((tmp_path / "t" / "_delta_log").glob("*.json"))) == 3
    assert _rows(read_any(tmp_path, "t", "delta")) == _rows(_DATA)


def test_overwritten_files_still_lie_in_the_folder(tmp_path: Path) -> None:
    before = pa.table({"k": [7, 8]})
    DeltaTable(before=before).write(tmp_path, "t", before.slice(1))
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 2
    assert read_any(tmp_path, "t", "delta")["k"].to_pylist() == [8]


def test_csv_quotes_strings_only(tmp_path: Path) -> None:
    CsvFile(";").write(tmp_path, "t", _DATA)
    assert (tmp_path / "t.csv").read_text().splitlines()[:2] == ['"k";"place";"x"', '1;"São Paulo";1.5']
    CsvFile("\t", has_header=False, ending=".tsv.gz").write(tmp_path, "u", _DATA)
    assert read_any(tmp_path, "u.tsv.gz", "csv").column_names == ["c1", "c2", "c3"]


def test_json_leaves_out_nulls(tmp_path: Path) -> None:
    JsonLines(is_omitting_nulls=True).write(tmp_path, "t", _DATA)
    assert [list(json.loads(line)) for line in (tmp_path / "t.jsonl").read_text().splitlines()] == [
        ["k", "place", "x"],
        ["k", "place"],
        ["k", "x"],
    ]


def _bounds(path: Path) -> tuple[str, str]:
    statistics = pq.read_metadata(path).row_group(0).column(0).statistics
    return statistics.min, statistics.max


def _rows(table: pa.Table) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())
