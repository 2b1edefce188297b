"""Workbooks, staged: a table for each sheet, with the values that their program shows."""

import datetime as dt
import random
import shutil
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.formats.duckdb import open_duckdb
from lakebed.connectors.lake.formats.spreadsheet import open_spreadsheet
from lakebed.connectors.lake.formats.staging import Copy, list_book, stage_book
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.tasks.inventory.worker import BookUnit, WorkContext, do_units
from tests.connectors.lake.formats import SEEDS
from tests.workbooks import Error, Formula, write_ods, write_xlsx

WRITERS = {"xlsx": write_xlsx, "ods": write_ods}
PROTECTED = Path(__file__).parents[3] / "fixtures" / "protected.xlsx"


def read(folder, name, *parts):
    copies = [Copy(part, str(folder / "out" / f"{place}.parquet")) for place, part in enumerate(parts)]
    staged = stage_book(str(folder), name, "spreadsheet", copies)
    for one in staged:
        if one.error:
            raise one.error
    return [pq.ParquetFile(copy.out_path).read() for copy in copies], [one.notes for one in staged]


def sheet(folder, rows, kind="xlsx"):
    WRITERS[kind](folder / f"t.{kind}", s=rows)
    (found,), (notes,) = read(folder, f"t.{kind}", "s")
    return found, notes


DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 1, 2, 3)
# cells, the type that comes of them, and the values where they are others
KINDS = {
    "integers": ([1, None, -3], pa.int64(), None),
    "the greatest integers": ([2**53, -(2**53)], pa.int64(), None),
    "floats": ([0.1, None, 2.0], pa.float64(), None),
    "numbers beyond": ([2**60, 1], pa.float64(), [float(2**60), 1.0]),
    "tiny and huge": ([5e-324, 1.7976931348623157e308], pa.float64(), None),
    "booleans": ([True, None, False], pa.bool_(), None),
    "text": (["ä & <b>", None, " a "], pa.string(), None),
    "digits as text": (["007", "1"], pa.string(), None),
    "days": ([DAY, None, dt.date(1900, 3, 1), dt.date(9999, 12, 31)], pa.date32(), None),
    "moments": ([MOMENT, None, dt.datetime(1999, 12, 31, 23, 59, 59)], pa.timestamp("us"), None),
    "days and moments": ([MOMENT, DAY], pa.timestamp("us"), [MOMENT, dt.datetime(2024, 2, 29)]),
    "midnights": ([dt.datetime(2024, 2, 29), dt.datetime(2024, 3, 1)], pa.date32(), [DAY, dt.date(2024, 3, 1)]),
    "times": ([dt.time(1, 2, 3), None, dt.time(23, 59, 59)], pa.time64("us"), None),
    "numbers and text": ([1, 2.5, "x", None], pa.string(), ["1", "2.5", "x", None]),
    "booleans and numbers": ([True, 1], pa.string(), ["TRUE", "1"]),
    "days and text": ([DAY, "soon"], pa.string(), ["2024-02-29", "soon"]),
    "nothing": ([None, None], pa.null(), None),
}


@pytest.mark.parametrize("format_", WRITERS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_decide_the_type_of_a_column(tmp_path, kind, format_):
    cells, type_, expected = KINDS[kind]
    if format_ == "ods" and kind == "midnights":
        # OpenDocument tells days from moments
        type_, expected = pa.timestamp("us"), cells
    found, notes = sheet(tmp_path, [["id", "x"], *([n, cell] for n, cell in enumerate(cells))], format_)
    assert found.column_names == ["id", "x"]
    assert found["x"].to_pylist() == (cells if expected is None else expected)
    assert found.schema.field("x").type == type_
    assert ("values of several kinds read as text: x" in notes) == (type_ == pa.string() and expected is not None)


def test_spans_of_time_results_of_formulas_and_errors(tmp_path):
    span = dt.timedelta(days=1, hours=12)
    rows = [["span", "sum", "failed"], [span, Formula("A2*2", 7), Error("#N/A")], [None, Formula("A3", 8), 5]]
    found, notes = sheet(tmp_path, rows)
    assert notes == ("1 error cell read as null: failed",)
    assert found.to_pydict() == {"span": [span, None], "sum": [7, 8], "failed": [None, 5]}
    assert found.schema.types == [pa.duration("us"), pa.int64(), pa.int64()]


@pytest.mark.parametrize("format_", WRITERS)
def test_each_sheet_with_cells_is_a_table(tmp_path, format_):
    rows = [["a", "b"], [1, "x"]]
    WRITERS[format_](tmp_path / f"t.{format_}", **{"first": rows, "empty": [], "Ä & b, c#2": [["only"]]})
    assert list_book(str(tmp_path), f"t.{format_}", "spreadsheet").parts == ("first", "Ä & b, c#2")
    found, _ = read(tmp_path, f"t.{format_}", "first", "Ä & b, c#2")
    assert found[0].to_pylist() == [{"a": 1, "b": "x"}]
    assert found[1].column_names == ["only"] and not found[1].num_rows
    with pytest.raises(SourceError, match=rf"cannot read t\.{format_}#empty"):
        read(tmp_path, f"t.{format_}", "empty")


def test_header_titles_and_blank_rows_are_told_apart_as_in_csv(tmp_path):
    titled = [["Sales of 2024", None], [None, None], ["region", "n"], ["north", 1], [None, None], ["south", 2]]
    found, notes = sheet(tmp_path, titled)
    assert found.to_pydict() == {"region": ["north", "south"], "n": [1, 2]}
    assert notes == ("1 title row before the header left out",)
    years, _ = sheet(tmp_path, [["People", None, None], [None] * 3, ["land", 2019, 2020], ["Chad", 1, 2]])
    assert years.to_pydict() == {"land": ["Chad"], "2019": [1], "2020": [2]}
    numbers, _ = sheet(tmp_path, [["People", None, None], ["Chad", 1, 2], ["Mali", 3, 4]])
    assert numbers.num_rows == 2
    plain, _ = sheet(tmp_path, [[1, "a"], [2, "b"]])
    assert plain.to_pydict() == {"c1": [1, 2], "c2": ["a", "b"]}
    unnamed, _ = sheet(tmp_path, [["n", None, "n"], [1, 2, 3]])
    assert unnamed.column_names == ["n", "c2", "n"]
    single, _ = sheet(tmp_path, [[None], ["n"], [1], [None], [3]])
    assert single.to_pydict() == {"n": [1, None, 3]}


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
@pytest.mark.parametrize(
    ("rows", "n_titles"),
    [
        # a header that names only its first column, above words
        ([["customer", None], ["Ann", "Rome"], ["Bob", "Oslo"], ["Cy", "Bern"]], 0),
        ([["item", None, None], ["pen", "red", "x1"], ["ink", "blue", "x2"]], 0),
        ([["Report", None], ["city", "country"], ["Rome", "Italy"]], 0),
        ([["Report", None], [None, None], ["city", "country"], ["Rome", "Italy"]], 1),
        ([["All our cities", None], ["city", "country"], ["Rome", "Italy"]], 1),
        ([["Report", None], ["of 2024", None], ["city", "n"], ["Rome", 1], ["Oslo", None]], 2),
        ([["Report", None], ["city", "city"], ["Rome", 1]], 0), ([["Report", None], ["city", 2024], ["Rome", 1]], 0),
        ([["Report", None], ["city", "n"]], 0),
    ],
)  # fmt: skip
def test_what_is_a_title_in_a_sheet_is_one_in_csv_too(tmp_path, ending, rows, n_titles):
    found, notes = sheet(tmp_path, rows, ending)
    text = "".join(",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows)
    (tmp_path / "t.csv").write_text(text)
    scan = scan_text_file(str(tmp_path), "t.csv", "csv", str(tmp_path / "csv.parquet"), TextConfig(), {})
    told = [one for one in notes if "title" in one]
    assert told == ([f"{n_titles} title row{'s' * (n_titles > 1)} before the header left out"] if n_titles else [])
    plain = pq.read_table(tmp_path / "csv.parquet")
    # words that one blank sets apart may hold a comma, which no cell of a sheet is cut by
    if rows[0][0] != "All our cities":
        assert (found.num_rows, found.column_names) == (plain.num_rows, plain.column_names), scan.notes


@pytest.mark.parametrize("format_", WRITERS)
def test_cells_with_errors_are_null_which_is_said(tmp_path, format_):
    rows = [[None, "a", "b"], [None, 1, 2], [None, 2, Error("#DIV/0!")], [None, Error("#N/A"), 5]]
    plain = [["a"], ["#N/A"], ['t="e"'], ['value-type="error"']]
    many = [[*"ABCDEF"], *([Error("#NUM!")] * 5 + [n] for n in range(2)), [1, 2, 3, 4, 5, 6]]
    WRITERS[format_](tmp_path / f"t.{format_}", **{"s & t": rows, "plain": plain, "many": many})
    found, notes = read(tmp_path, f"t.{format_}", "s & t", "plain", "many")
    assert found[0].to_pydict() == {"a": [1, 2, None], "b": [2, None, 5]}
    assert found[1].to_pydict() == {"a": ["#N/A", 't="e"', 'value-type="error"']}
    assert found[2]["A"].to_pylist() == [None, None, 1]
    said = "10 error cells read as null: A, B, C and 2 more"
    assert notes == [("2 error cells read as null: a, b",), (), (said,)]


def test_many_columns_with_odd_names(tmp_path):
    names = ['a"b', "ä", "select", "a\tb", " ", *(f"column {n}" for n in range(4995))]
    found, _ = sheet(tmp_path, [names, list(range(5000)), [None] * 5000, [n / 4 for n in range(5000)]])
    assert found.column_names == names
    assert found.num_rows == 2
    assert found["column 3"].to_pylist() == [8, 2]
    assert found["column 4"].to_pylist() == [9.0, 2.25]


def test_rows_beyond_one_batch_are_all_there(tmp_path):
    found, _ = sheet(tmp_path, [["n", "s"], *([n, f"text {n}"] for n in range(70_000))])
    assert found["n"].to_pylist() == list(range(70_000))
    assert found["s"][-1].as_py() == "text 69999"


def test_a_password_is_told(tmp_path):
    shutil.copy(PROTECTED, tmp_path / "t.xlsx")
    with pytest.raises(SourceError) as error:
        list_book(str(tmp_path), "t.xlsx", "spreadsheet")
    assert error.value.value == "it is protected by a password"


def test_what_is_no_workbook_is_told(tmp_path):
    (tmp_path / "page.xls").write_text("<html><table><tr><td>1</td></tr></table></html>")
    (tmp_path / "tabs.xls").write_text("a\tb\n1\t2\n")
    (tmp_path / "none.xlsx").write_bytes(b"")
    for name, what in (("page.xls", "an HTML page"), ("tabs.xls", "plain text"), ("none.xlsx", "an empty file")):
        with pytest.raises(SourceError, match="is no table") as error:
            list_book(str(tmp_path), name, "spreadsheet")
        assert error.value.value == what


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("format_", WRITERS)
def test_damaged_workbooks_cost_themselves_alone(tmp_path, format_, seed):
    rows = [["n", "s", "d"], *([n, f"text {n}", DAY] for n in range(200))]
    WRITERS[format_](tmp_path / f"t.{format_}", s=rows, u=rows)
    data, rng, units = (tmp_path / f"t.{format_}").read_bytes(), random.Random(seed), []
    members = {one.filename: zipfile.ZipFile(tmp_path / f"t.{format_}").read(one)
               for one in zipfile.ZipFile(tmp_path / f"t.{format_}").infolist()}  # fmt: skip
    for number in range(100):
        path = tmp_path / f"{number}.{format_}"
        if number % 2:
            broken = bytearray(data)
            for _ in range(rng.randint(1, 8)):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            path.write_bytes(broken if number % 4 == 1 else broken[: rng.randrange(len(broken))])
        else:
            # whole as an archive, damaged in what it holds
            with zipfile.ZipFile(path, "w") as file:
                for name, content in members.items():
                    changed = bytearray(content)
                    for _ in range(rng.randint(0, 6)):
                        changed[rng.randrange(len(changed))] = rng.randrange(256)
                    file.writestr(name, bytes(changed))
        copies = tuple(Copy(part, str(tmp_path / "out" / f"{number}-{part}.parquet")) for part in "su")
        units.append(BookUnit(path.name, "spreadsheet", copies, path.stat().st_size))
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    parts = [outcome.of_copy(place) for outcome in found for place in range(2)]
    for outcome in parts:
        assert (outcome.error is None) == bool(outcome.footers)
        assert outcome.error is None or str(outcome.error.value or outcome.error.what)
    assert sum(outcome.error is not None for outcome in parts) > len(units) // 3


@pytest.mark.parametrize(
    ("module", "name", "extra", "opened"),
    [
        ("python_calamine", "book.xlsx", "lakebed[workbooks]", open_spreadsheet),
        ("duckdb", "base.duckdb", "lakebed[duckdb]", open_duckdb),
    ],
)
def test_without_its_package_a_file_says_what_to_install(tmp_path, monkeypatch, module, name, extra, opened):
    (tmp_path / name).write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceError, match="is not installed") as caught, opened(str(tmp_path), name):
        pass
    assert extra in caught.value.hint
