"""Workbooks of Excel and of LibreOffice: each sheet with cells is a table, read by calamine.

Cells have the values that the program saw last: of a formula its result, of merged cells the one, the others are null.
Titles above the header and blank rows are left out; the header is found as in CSV.
"""

import datetime as dt
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.batches import batch_rows
from lakebed.connectors.lake.books import Book
from lakebed.connectors.lake.files import local_path, open_file
from lakebed.connectors.lake.formats.error_cells import error_cells
from lakebed.connectors.lake.formats.values import (
    MAX_SAFE_INTEGER,
    ColumnType,
    mixed_notes,
    some_of,
    text_of,
    type_of_kinds,
)
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.text.csv_start import MAX_LINES_BEFORE, N_SAMPLE_ROWS, count_titles
from lakebed.connectors.lake.text.sniff import is_header
from lakebed.connectors.storage import is_object_store

_BEAT_S, _MAX_BEATS = 5.0, 120
Row = Sequence[Any]


@contextmanager
def open_spreadsheet(root: str, path: str) -> Iterator["SpreadsheetBook"]:
    """A workbook, read into memory sheet by sheet.

    Raises:
        SourceError: if it is none, is damaged, or needs a password, or calamine is not installed.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        hint = extra_hint("workbooks")
        raise SourceError(f"cannot read {path}", value="python-calamine is not installed", hint=hint) from error
    try:
        source = _source(root, path)
        with _beating(), calamine.CalamineWorkbook.from_object(source) as workbook:
            yield SpreadsheetBook(workbook, source)
    except calamine.PasswordError as error:
        raise SourceError(
            f"cannot read {path}",
            value="it is protected by a password",
            expected="a workbook that opens without one",
            hint="save it without a password, or leave it out with `exclude` in the lake section of the config",
        ) from error
    except calamine.CalamineError as error:
        raise SourceError(
            f"cannot read {path}",
            value=f"it is damaged: {error}",
            expected="a workbook that is whole",
            hint="restore the file, or leave it out with `exclude` in the lake section of the config",
        ) from error


def _source(root: str, path: str) -> str | io.BytesIO:
    if not is_object_store(root):
        return local_path(root, path)
    with open_file(root, path) as source:
        return io.BytesIO(source.read())


@contextmanager
def _beating() -> Iterator[None]:
    """Tells the parent that all is well while one call reads a whole sheet, for some minutes."""
    is_over = threading.Event()

    def beat() -> None:
        for _ in range(_MAX_BEATS):
            if is_over.wait(_BEAT_S):
                return
            alive()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class SpreadsheetBook:
    """The sheets of an open workbook."""

    def __init__(self, workbook: Any, source: str | io.BytesIO) -> None:
        self._workbook, self._source = workbook, source

    def contents(self) -> Book:
        """Its sheets that have cells, hidden ones too, in their order."""
        sheets = [sheet.name for sheet in self._workbook.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
        return Book(tuple(name for name in sheets if self._workbook.get_sheet_by_name(name).height))

    def rows(self, part: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch], tuple[str, ...]]:
        """Schema and rows of a sheet, and what is said of how it is read.

        Raises:
            SourceError: if it has no cells.
        """
        # row by row, so that other threads come to run
        sheet = self._workbook.get_sheet_by_name(part)
        rows, n_titles = below_titles([[_cell(cell) for cell in row] for row in sheet.iter_rows()])
        if not rows:
            raise SourceError(f"cannot read the sheet {part}", value="it has no cells", expected="cells")
        names, body = _header(rows)
        columns = list(zip(*body, strict=True)) or [() for _ in names]
        types = [_type(name, column) for name, column in zip(names, columns, strict=True)]
        schema = pa.schema([pa.field(name, type_.type) for name, type_ in zip(names, types, strict=True)])
        errors = _error_notes(error_cells(self._source, part), names, sheet.start[1])
        notes = (*errors, *mixed_notes(zip(names, types, strict=True)))
        if n_titles:
            notes = (f"{n_titles} title row{'s' if n_titles > 1 else ''} before the header left out", *notes)
        return schema, _batches(schema, types, columns), notes


def _cell(cell: object) -> object:
    return None if cell == "" else cell


def _error_notes(found: Mapping[int, int], names: Sequence[str], first: int) -> tuple[str, ...]:
    """What is said of cells with errors, by column; `first` is the number of the first column that is read."""
    n_cells = sum(found.values())
    columns = [names[place - first] for place in sorted(found) if 0 <= place - first < len(names)]
    said = f"{n_cells} error cell{'s' if n_cells > 1 else ''} read as null"
    return (f"{said}: {some_of(columns)}" if columns else said,) if n_cells else ()


def below_titles(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """The rows from the header on without blank ones, and how many titles stood above it.

    What a title is tells the rule of CSV. In a sheet of one column a blank row below the first is a cell, which is
    null.
    """
    filled = [row for row in rows if any(cell is not None for cell in row)]
    if not filled:
        return [], 0
    if len(rows[0]) == 1:
        first = next(place for place, (cell,) in enumerate(rows) if cell is not None)
        return list(rows[first:]), 0
    texts = _texts(rows[: MAX_LINES_BEFORE + N_SAMPLE_ROWS])
    n_titles = sum(map(any, texts[: count_titles(texts)]))
    return filled[n_titles:], n_titles


def _header(rows: Sequence[Row]) -> tuple[list[str], Sequence[Row]]:
    """The columns' names, and the rows below; columns without a name are c1, c2, …, as in CSV."""
    sample = _texts(rows[: N_SAMPLE_ROWS + 1])
    has_header = is_header(sample[0], sample[1:])
    names = [cell if has_header and cell else f"c{number}" for number, cell in enumerate(sample[0], start=1)]
    return names, rows[1:] if has_header else rows


def _texts(rows: Sequence[Row]) -> list[list[str]]:
    return [["" if cell is None else text_of(cell) for cell in row] for row in rows]


def _type(name: str, column: Sequence[Any]) -> ColumnType:
    """The type of a column; all numbers of a sheet are floats, of which whole ones make integers."""
    kinds = {type(cell) for cell in column} - {type(None)}
    if kinds <= {float, int} and kinds:
        numbers = pa.array(column, pa.float64(), from_pandas=False)
        is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less_equal(pc.abs(numbers), MAX_SAFE_INTEGER))
        return ColumnType(pa.int64() if pc.all(is_whole).as_py() else pa.float64())
    return type_of_kinds(name, kinds)


def _batches(
    schema: pa.Schema, types: Sequence[ColumnType], columns: Sequence[Sequence[Any]]
) -> Iterator[pa.RecordBatch]:
    n_rows, n_batch_rows = len(columns[0]), batch_rows(range(len(columns)))
    for start in range(0, n_rows, n_batch_rows):
        part = slice(start, start + n_batch_rows)
        arrays = [_array(type_, column[part]) for type_, column in zip(types, columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(column: ColumnType, cells: Sequence[Any]) -> pa.Array:
    if pa.types.is_integer(column.type):
        return pa.array(cells, pa.float64()).cast(pa.int64())
    if pa.types.is_timestamp(column.type):
        return pa.array([_moment(cell) for cell in cells], column.type)
    return column.array(cells)


def _moment(cell: dt.date | None) -> dt.date | None:
    """A day among moments begins at midnight: a workbook does not tell the two apart."""
    return cell if cell is None or isinstance(cell, dt.datetime) else dt.datetime.combine(cell, dt.time())
