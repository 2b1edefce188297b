"""Edge files of every form, and what is said of broken ones."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.delta import write_table
from lakebed.connectors.edges import EdgeTable, read_edges
from lakebed.connectors.errors import ConfigError, GraphError


def pairs(table: EdgeTable) -> list[tuple[object, object]]:
    return list(zip(table.source.to_pylist(), table.target.to_pylist(), strict=True))


def written(folder: Path, text: str, name: str = "edges.txt") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(
    "text",
    [
        "1\t2\n2\t3\n",
        "1,2\n2,3\n",
        "1 2\n2 3\n",
        "  1    2 \n2 \t 3\n",
        "# from to\n1\t2\n# more\n2\t3\n",
        "% matrix\n1 2\n\n2 3",
        "1\t2\r\n2\t3\r\n",
        "source,target\n1,2\n2,3\n",
    ],
)
def test_text(tmp_path: Path, text: str) -> None:
    table = read_edges(written(tmp_path, text))
    assert pairs(table) == [(1, 2), (2, 3)]
    assert table.is_integer


def test_strings_stay_as_they_are_written(tmp_path: Path) -> None:
    table = read_edges(written(tmp_path, "007,7\nanna,null\n"))
    assert pairs(table) == [("007", "7"), ("anna", "null")]
    assert not table.is_integer


def test_leading_zeros_are_no_integers(tmp_path: Path) -> None:
    assert pairs(read_edges(written(tmp_path, "007,7\n"))) == [("007", "7")]


def test_gzip(tmp_path: Path) -> None:
    (tmp_path / "edges.tsv.gz").write_bytes(gzip.compress(b"1\t2\n5\t6\n"))
    assert pairs(read_edges(str(tmp_path / "edges.tsv.gz"))) == [(1, 2), (5, 6)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n"])
def test_empty(tmp_path: Path, text: str) -> None:
    assert pairs(read_edges(written(tmp_path, text))) == []


def test_parquet_and_delta(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int32()), "b": pa.array([2, 3], pa.int64())})
    pq.write_table(table, tmp_path / "edges.parquet")
    write_table(str(tmp_path / "delta"), table)
    for name in ("edges.parquet", "delta"):
        assert pairs(read_edges(str(tmp_path / name))) == [(1, 2), (2, 3)]


def test_columns_of_two_types_become_strings(tmp_path: Path) -> None:
    pq.write_table(pa.table({"column": ["x", "y"], "value": [1, 2]}), tmp_path / "edges.parquet")
    assert pairs(read_edges(str(tmp_path / "edges.parquet"))) == [("x", "1"), ("y", "2")]


def test_weights(tmp_path: Path) -> None:
    path = written(tmp_path, "1\t2\t0.5\n2\t3\t1\n")
    with pytest.raises(GraphError, match="weights") as caught:
        read_edges(path)
    assert "--weights drop" in caught.value.hint
    assert read_edges(path, "drop").weight is None
    kept = read_edges(path, "keep").weight
    assert kept is not None
    assert kept.to_pylist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("1\t2\n3\n4\t5\n", "row 2: 3"),
        ("# c\n1 2\n\n3 4 5\n5 6\n", "row 4: 3 4 5"),
        ("1,2\n,3\n", "row 2: ,3"),
        ("1\t2\n3\t\n", "row 2: 3"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, text: str, row: str) -> None:
    with pytest.raises(GraphError, match="no edges") as caught:
        read_edges(written(tmp_path, text))
    assert caught.value.examples[0] == row
    assert caught.value.hint


def test_a_file_that_ends_in_the_middle_of_a_row(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="middle of a row") as caught:
        read_edges(written(tmp_path, "1\t2\n2\t3\n4"))
    assert caught.value.examples == ("row 3: 4",)


def test_a_cut_gzip(tmp_path: Path) -> None:
    (tmp_path / "edges.gz").write_bytes(gzip.compress(b"1\t2\n" * 5_000)[:-20])
    with pytest.raises(GraphError, match="unpacked"):
        read_edges(str(tmp_path / "edges.gz"))


def test_null_keys(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, None, 3], "b": [2, 3, None]}), tmp_path / "edges.parquet")
    with pytest.raises(GraphError, match="null keys") as caught:
        read_edges(str(tmp_path / "edges.parquet"))
    assert caught.value.examples == ("row 2, column a",)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such edge file"):
        read_edges(str(tmp_path / "none"))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(GraphError):
        read_edges(written(tmp_path, "one\ntwo\n"))
    with pytest.raises(GraphError, match="two key columns"):
        read_edges(written(tmp_path, "1 2 3 4\n"))
    with pytest.raises(GraphError, match="cannot be read"):
        read_edges(written(tmp_path, "no parquet", "edges.parquet"))
