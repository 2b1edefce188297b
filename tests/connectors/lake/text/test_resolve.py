from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text.model import Bounds, ResolvedColumn, TextScan
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.connectors.lake.text.types import cast_staged


def scans(folder: Path, format_: str, texts: list[str], types: dict[str, str] | None = None) -> list[TextScan]:
    found = []
    for i, text in enumerate(texts):
        (folder / f"{i}").write_text(text)
        found.append(scan_text_file(str(folder), f"{i}", format_, str(folder / f"out{i}"), TextConfig(), types or {}))
    return found


def cells(folder: Path, column: ResolvedColumn, name: str) -> list[object]:
    """The column over all files, cast as `resolve_types` says."""
    found: list[object] = []
    for i, cast in enumerate(column.casts):
        table = pq.ParquetFile(folder / f"out{i}").read()
        if cast is None:
            found += [None] * table.num_rows
            continue
        values = cast_staged(table.column(name).combine_chunks(), cast)
        assert values.type == column.type
        found += values.to_pylist()
    return found


@pytest.mark.parametrize(
    ("files", "type_", "values", "bounds"),
    [
        (["1", "2"], pa.int64(), [1, 2], Bounds(1, 2)),
        (["1", "2.5"], pa.float64(), [1.0, 2.5], Bounds(1.0, 2.5)),
        (["9007199254740993", "2.5"], pa.string(), ["9007199254740993", "2.5"], Bounds("2.5", "9007199254740993")),
        (["1", "01"], pa.string(), ["1", "01"], Bounds("01", "1")),
        (["", "7"], pa.int64(), [None, 7], Bounds(7, 7)),
        (["", ""], pa.string(), [None, None], None),
        (["true", "1"], pa.string(), ["true", "1"], Bounds("1", "true")),
        (["2020-01-01 00:00:00", "2020-01-01T00:00:00"], pa.string(),
         ["2020-01-01 00:00:00", "2020-01-01T00:00:00"], Bounds("2020-01-01 00:00:00", "2020-01-01T00:00:00")),
    ],
)  # fmt: skip
def test_files_of_a_csv_table(
    tmp_path: Path, files: list[str], type_: pa.DataType, values: list[object], bounds: Bounds | None
) -> None:
    column = resolve_types(scans(tmp_path, "csv", [f"k,v\n1,{cell}\n" for cell in files]))[1]
    assert (column.type, column.bounds) == (type_, bounds)
    assert cells(tmp_path, column, "v") == values
    assert column.n_nulls == values.count(None)


def test_bounds_of_each_file(tmp_path: Path) -> None:
    (column,) = resolve_types(scans(tmp_path, "csv", ["v\n1\n5\n", "v\n0.5\n", "v\n", "v\n\n"]))
    assert column.file_bounds == (Bounds(1.0, 5.0), Bounds(0.5, 0.5), None, None)
    assert column.bounds == Bounds(0.5, 5.0)
    assert column.n_nulls == 1


def test_a_given_type_holds_for_every_file(tmp_path: Path) -> None:
    found = scans(tmp_path, "csv", ["v,w\n1.0,a\n", "v,w\n,b\n", "v,w\n1e5,c\n"], {"v": "float64"})
    column = resolve_types(found)[0]
    assert (column.type, column.bounds) == (pa.float64(), Bounds(1.0, 1e5))
    assert cells(tmp_path, column, "v") == [1.0, None, 1e5]


def test_csv_files_must_agree_on_their_columns(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"different columns: 0 and 1[\s\S]*lake.text.header"):
        resolve_types(scans(tmp_path, "csv", ["a,b\n1,2\n", "3,4\n"]))


@pytest.mark.parametrize(
    ("files", "type_", "values"),
    [
        (["1", "2.5"], pa.float64(), [1.0, 2.5]),
        (["1", "1.0"], pa.float64(), [1.0, 1.0]),
        (["0.00000012", "1.0"], pa.float64(), [1.2e-07, 1.0]),
        (["0.1", "1.10"], pa.string(), ["0.1", "1.10"]),
        (["9007199254740993", "0.5"], pa.string(), ["9007199254740993", "0.5"]),
        (["1", '"1"'], pa.string(), ["1", '"1"']),
        (['"a\\"b\\n"', "true"], pa.string(), ['"a\\"b\\n"', "true"]),
        (['"2020-01-01"', '"x"'], pa.string(), ["2020-01-01", "x"]),
        (["null", "[1]"], pa.list_(pa.field("element", pa.int64())), [None, [1]]),
        (["[1]", "[2.5]"], pa.string(), ["[1]", "[2.5]"]),
        (["[1]", '"x"', "null"], pa.string(), ["[1]", '"x"', None]),
        (["null", "null"], pa.string(), [None, None]),
    ],
)
def test_files_of_a_json_table(tmp_path: Path, files: list[str], type_: pa.DataType, values: list[object]) -> None:
    (column,) = resolve_types(scans(tmp_path, "json", [f'{{"v":{cell}}}\n' for cell in files]))
    assert str(column.type) == str(type_).replace("element", "item")
    assert [str(v) for v in cells_of_lists(tmp_path, column)] == [str(v) for v in values]


def cells_of_lists(folder: Path, column: ResolvedColumn) -> list[object]:
    found: list[object] = []
    for i, cast in enumerate(column.casts):
        values = pq.ParquetFile(folder / f"out{i}").read().column("v").combine_chunks()
        found += [None] * len(values) if cast is None else cast_staged(values, cast).to_pylist()
    return found


def test_json_files_may_lack_columns(tmp_path: Path) -> None:
    columns = resolve_types(scans(tmp_path, "json", ['{"a":1}\n{"a":2}\n', '{"b":{"c":true}}\n']))
    assert [(c.token, str(c.type), c.casts, c.n_nulls) for c in columns] == [
        ('["a"]', "int64", ("int64", None), 1),
        ('["b","c"]', "bool", (None, "bool"), 2),
    ]


def test_an_object_in_one_file_and_none_in_another(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'column \["a"\] is an object in one file'):
        resolve_types(scans(tmp_path, "json", ['{"a":{"b":1}}\n', '{"a":1}\n']))
    assert len(resolve_types(scans(tmp_path, "json", ['{"a":{"b":1}}\n', '{"a":null,"c":1}\n']))) == 3
