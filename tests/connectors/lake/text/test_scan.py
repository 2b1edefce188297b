import csv
import gzip
import io
import multiprocessing
import os
import pickle
import random
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.connectors.errors import ArtifactError, ConfigError, SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text import scan as text_scan
from lakebed.connectors.lake.text.model import MAX_BOUND_LENGTH, Bounds, TextScan
from lakebed.connectors.lake.text.renderings import BOOLS, FLOAT_STYLES
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.connectors.lake.text.types import cast_staged

OUT = "staged.parquet"


def scan(
    folder: Path, data: bytes, name: str = "t.csv", types: dict[str, str] | None = None, **config: object
) -> TextScan:
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return scan_text_file(str(folder), name, "csv", str(folder / "out" / OUT), TextConfig(**config), types or {})


def staged(folder: Path) -> list[list[str | None]]:
    table = pq.ParquetFile(folder / "out" / OUT).read()
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def types(found: TextScan) -> list[str]:
    return [str(column.type) for column in resolve_types([found])]


def test_a_csv_file_becomes_staged_parquet(tmp_path: Path) -> None:
    found = scan(tmp_path, b'id,name,x\n1,"a, b",1.5\n2,"",2\n3,,\n')
    assert staged(tmp_path) == [["1", "a, b", "1.5"], ["2", "", "2"], ["3", None, None]]
    assert (found.n_rows, found.n_bytes, found.delimiter, found.has_header) == (3, 34, ",", True)
    assert types(found) == ["int64", "string", "double"]
    assert [column.n_nulls for column in found.columns] == [0, 1, 1]
    assert found.columns[0].candidates["int64"] == Bounds(1, 3)
    assert found.columns[0].candidates["float64"] == Bounds(1.0, 3.0)
    assert found.columns[1].candidates == {"string": Bounds("", "a, b")}
    assert found.staged_schema.equals(pq.read_schema(tmp_path / "out" / OUT))
    assert found.staged_bytes == os.path.getsize(tmp_path / "out" / OUT)


def test_a_scan_is_small_and_can_be_pickled(tmp_path: Path) -> None:
    found = scan(tmp_path, b"a,b\n" + b"x" * 100_000 + b",1\n" + b"y" * 100_000 + b",2\n")
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes
    assert len(pickle.dumps(found)) < 4_000
    bounds = found.columns[0].candidates["string"]
    assert bounds == Bounds("x" * MAX_BOUND_LENGTH, "y" * MAX_BOUND_LENGTH, is_minimum_cut=True, is_maximum_cut=True)


@pytest.mark.parametrize(
    ("data", "config", "rows"),
    [
        (b"a,b\r\n1,x\r\n2,y", {}, [["1", "x"], ["2", "y"]]),
        (b"a,b\r1,x\r2,y", {}, [["1", "x"], ["2", "y"]]),
        (b'a,b\n1,"x\r\ny,""z"""\n', {}, [["1", 'x\r\ny,"z"']]),
        (b"\xef\xbb\xbfa,b\n1,x\n", {}, [["1", "x"]]),
        (b"\n\na,b\n\n1,x\n\n", {}, [["1", "x"]]),
        (b"a\n1\n\n2\n", {}, [["1"], [None], ["2"]]),
        (b'a\n1\n""\n', {}, [["1"], [""]]),
        (b"1,x\n2,y\n", {}, [["1", "x"], ["2", "y"]]),
        (b'a,b\n1,NA\n2,"NA"\n3,\n', {"null_values": ("NA",)}, [["1", None], ["2", "NA"], ["3", ""]]),
        ("a,b\n1,é\n".encode("latin-1"), {"encoding": "latin-1"}, [["1", "é"]]),
        ("a,b\n1,é\n".encode("utf-16"), {}, [["1", "é"]]),
        ("a,b\n1,é\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [["1", "é"]]),
        ("\ufeffa,b\n1,é\n".encode(), {"encoding": "latin-1"}, [["1", "é"]]),
        (b"a,b\n", {}, []),
    ],
)
def test_forms_of_csv(tmp_path: Path, data: bytes, config: dict[str, object], rows: list[list[str | None]]) -> None:
    assert scan(tmp_path, data, **config).n_rows == len(rows)
    assert staged(tmp_path) == rows


def test_gzip_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    found = scan(tmp_path, b"a\tb\n1\t2\n" * 100, "t.tsv.gz", header="yes")
    assert found.n_bytes == os.path.getsize(tmp_path / "t.tsv.gz")
    assert (found.n_rows, found.delimiter) == (199, "\t")


def test_names_that_repeat_or_are_empty_become_tokens(tmp_path: Path) -> None:
    found = scan(tmp_path, b"a,a,,b.c\n1,2,3,4\n")
    assert [column.token for column in found.columns] == ['["a"]', '["a",2]', '["c3"]', '["b.c"]']
    assert staged(tmp_path) == [["1", "2", "3", "4"]]


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "2"], "int64"),
        (["1", "2.5"], "double"),
        (["1", "00501"], "string"),
        (["1", "1.0"], "string"),
        (["1", "1e5"], "string"),
        (["1", " 1"], "string"),
        (["9007199254740993", "2"], "int64"),
        (["9007199254740993", "0.5"], "string"),
        (["true", "false"], "bool"),
        (["true", "1"], "string"),
        (["2020-01-01", "2020-01-02"], "date32[day]"),
        (["2020-01-01", "2020-01-02 00:00:00"], "string"),
        (["2020-01-01 00:00:00", "2020-01-01 00:00:01"], "timestamp[us]"),
        (["", ""], "string"),
        (["", "5"], "int64"),
    ],
)
def test_types_of_columns(tmp_path: Path, cells: list[str], type_: str) -> None:
    body = "".join(f"{cell},k{i}\n" for i, cell in enumerate(cells))
    assert types(scan(tmp_path, f"v,w\n{body}".encode()))[0] == type_


def test_a_late_cell_changes_the_type(tmp_path: Path) -> None:
    body = "".join(f"{i},x{i:030d}\n" for i in range(200_000))
    assert types(scan(tmp_path, f"a,b\n{body}".encode())) == ["int64", "string"]
    found = scan(tmp_path, f"a,b\n{body}1.5,y\n".encode())
    assert types(found)[0] == "double"
    assert found.columns[0].candidates["float64"] == Bounds(0.0, 199_999.0)
    assert types(scan(tmp_path, f"a,b\n{body}007,y\n".encode()))[0] == "string"


def test_types_given_by_the_config(tmp_path: Path) -> None:
    data = b"zip,x,d\n00501,1.0,2020-01-01\n00502,1e5,\n"
    found = scan(tmp_path, data, types={"zip": "int64", '["x"]': "float64", "d": "string"})
    assert types(found) == ["int64", "double", "string"]
    assert found.columns[1].candidates == {"float64": Bounds(1.0, 1e5)}
    with pytest.raises(SourceError, match=r"data row 70001 of column 'a' is no int64"):
        scan(tmp_path, b"a\n" + b"1\n" * 70_000 + b"x\n" + b"1\n" * 5, types={"a": "int64"})
    with pytest.raises(SourceError, match="has no column 'zap'"):
        scan(tmp_path, data, types={"zap": "int64"})


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "t.csv", "empty file: no header, no rows"),
        (b"\xef\xbb\xbf", "t.csv", "empty file: no header, no rows"),
        (b"", "t.csv.gz", "empty file"),
        (b" \n\t\r\n", "t.csv", "only white space"),
        (b"a,b\n1,2\n3\n", "t.csv", "row 3 has 1 cell"),
        (b"a,b\n1,2\n3,4,5\n", "t.csv", r"row 3 has 3 cells[\s\S]*expected: 2 cells"),
        (b"a,b\n" + b"1,2\n" * 3_000_000 + b"3\n", "t.csv", "row 3000002 has 1 cell"),
        (b"a,b\n1,\xc3\xa9\xc3\xa9\n1,\xe9\n", "t.csv", r"row 3, column 2: invalid UTF-8[\s\S]*lake.text.encoding"),
        (b"a,b\n1,\x00\n", "t.csv", "NUL bytes"),
        ("a,b\n1,2\n".encode("utf-32-le"), "t.csv", "NUL bytes"),
        (b"a,b\n" + b"1,2\n" * 3_000_000 + b"1,\x00\n", "t.csv", "NUL bytes"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, data: bytes, name: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        scan(tmp_path, data, name)
    assert caught.match(message)
    assert name in str(caught.value)
    assert not (tmp_path / "out" / OUT).exists()
    assert not list(tmp_path.glob("out/.*"))


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(random.Random(1).randbytes(50_000).hex().encode())[:-100])
    (tmp_path / "u.csv.gz").write_bytes(b"a,b\n1,2\n")
    for name, message in (("t.csv.gz", "cannot unpack"), ("u.csv.gz", "cannot unpack"), ("v.csv", "cannot open")):
        with pytest.raises(SourceError, match=message):
            scan_text_file(str(tmp_path), name, "csv", str(tmp_path / OUT), TextConfig(), {})


def test_a_wrong_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown character encoding"):
        scan(tmp_path, b"a\n", encoding="utf-99")
    with pytest.raises(SourceError, match="not in the expected encoding"):
        scan(tmp_path, "a,b\n1,é\n".encode(), encoding="ascii")


def test_rows_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x\n" * 3_000_000
    found = scan(tmp_path, f'a,b\n1,"{long}"\n2,y\n'.encode())
    assert (found.n_rows, staged(tmp_path)[0][1]) == (2, long)
    monkeypatch.setattr(text_scan, "MAX_ROW_BYTES", 1 << 22)
    with pytest.raises(SourceError, match=r"a row of t\.csv is longer than 4 MiB"):
        scan(tmp_path, f'a,b\n1,"{long * 3}"\n2,y\n'.encode())


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a quote is never closed"):
        scan(tmp_path, b'a,b\n1,"x\n2,y\n3,z\n')
    assert scan(tmp_path, b'a,b\n1,5" pipe\n2,"x\ny"\n3,z\n').n_rows == 3


def test_a_wide_table(tmp_path: Path) -> None:
    names = ",".join(f"column {i}" for i in range(5_000))
    row = ",".join(str(i) for i in range(5_000))
    found = scan(tmp_path, f"{names}\n{row}\n{row}\n".encode())
    assert len(found.columns) == 5_000
    assert set(types(found)) == {"int64"}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    data = b"a,b\n" + b"".join(b"%d,x%d\n" % (i, i % 7) for i in range(50_000))
    scan(tmp_path, data)
    first = (tmp_path / "out" / OUT).read_bytes()
    scan(tmp_path, data)
    assert (tmp_path / "out" / OUT).read_bytes() == first


def test_an_artifact_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot write a staged file"):
        scan_text_file(str(tmp_path), "t.csv", "csv", str(tmp_path / "file" / OUT), TextConfig(), {})


def write_rows(path: Path, n_rows: int) -> None:
    with open(path, "w") as file:
        file.write("id,text\n")
        for i in range(n_rows):
            file.write(f"{i},{i * 7919 % 1_000_003:094d}\n")


def peak_growth(folder: Path) -> int:
    """KiB by which this process's peak grows from a file to one of twice the size."""
    write_rows(folder / "big.csv", 600_000)
    scan_text_file(str(folder), "big.csv", "csv", str(folder / OUT), TextConfig(), {})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_rows(folder / "big.csv", 1_200_000)
    scan_text_file(str(folder), "big.csv", "csv", str(folder / OUT), TextConfig(), {})
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A file of twice the size, 120 MB, makes a process grow by far less than its cells would."""
    # in a process of its own: what earlier tests hold would stand in the peak
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(peak_growth, (tmp_path,)) < 100_000
    assert pq.ParquetFile(tmp_path / OUT).metadata.num_row_groups > 1


CELL = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["1", "-7", "007", "1.5", "1.0", "0.1", "true", "false", "2020-01-01", "2020-01-01 10:00:00", "NA", "nan", "-0"]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> list[list[str | None]]:
    n_columns = draw(st.integers(1, 4))
    column_cells = [draw(st.sampled_from([CELL, st.integers().map(str), st.booleans().map(str).map(str.lower)]))
                    for _ in range(n_columns)]  # fmt: skip
    return draw(st.lists(st.tuples(*column_cells).map(list), min_size=1, max_size=12))


@settings(max_examples=100, deadline=None)
@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_any_table_of_strings_survives(table: list[list[str | None]], delimiter: str, line_end: str) -> None:
    """Written by Python's csv module, staged, typed and rendered again: the same cells."""
    lines = [[f"name {i}" for i in range(len(table[0]))], *table]
    text = line_end.join(delimiter.join(written(cell) for cell in row) for row in lines) + line_end
    with TemporaryDirectory() as folder:
        found = scan(Path(folder), text.encode(), delimiter=delimiter, header="yes")
        assert staged(Path(folder)) == table
        columns = pq.ParquetFile(Path(folder) / "out" / OUT).read()
        for i, column in enumerate(resolve_types([found])):
            typed = cast_staged(columns.column(i).combine_chunks(), column.casts[0] or "")
            rule = str(column.casts[0] or "")
            assert [rendered(value, rule) for value in typed.to_pylist()] == [row[i] for row in table]


def rendered(value: object, rule: str) -> str | None:
    """A value as its column's rule writes it."""
    if value is None or isinstance(value, str):
        return value
    if rule in BOOLS:
        return BOOLS[rule][0 if value else 1]
    if rule in FLOAT_STYLES:
        return repr(value)
    if isinstance(value, bool):
        return str(value).lower()
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)


def written(cell: str | None) -> str:
    """A cell as the csv module writes it; unquoted only where that cannot matter, so that null is an empty cell."""
    if cell is None:
        return ""
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="", quoting=csv.QUOTE_ALL).writerow([cell])
    return cell if cell.isalnum() else sink.getvalue()
