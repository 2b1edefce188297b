"""The columns of a table from the scans of its text files."""

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.leaves import path_of, schema_leaves
from lakebed.connectors.lake.text.model import Bounds, ColumnScan, ResolvedColumn, StagedCast, TextScan
from lakebed.connectors.lake.text.types import CANDIDATE_TYPES, cast_type
from lakebed.connectors.lake.type_text import column_type

_NUMBERS = {"int", "float", "number_text"}


def resolve_types(scans: Sequence[TextScan]) -> tuple[ResolvedColumn, ...]:
    """One type for each column over all files of a table.

    A type is taken where every value of every file survives it (int64 and float64 meet in float64); else the column
    is text: of CSV and of JSON numbers the literals as written, of JSON values of several kinds their canonical JSON
    text. A column without any value is a string. Files may lack columns; of CSV only those with headers, and not most.

    Raises:
        SourceError: if CSV files disagree on their columns, or a JSON column is an object in one file and none in
            another.
    """
    _check_columns(scans)
    by_token = [{column.token: column for column in scan.columns} for scan in scans]
    types = [{leaf.token: leaf.type for leaf in schema_leaves(scan.staged_schema)} for scan in scans]
    n_rows = [scan.n_rows for scan in scans]
    resolved = []
    for token in dict.fromkeys(column.token for scan in scans for column in scan.columns):
        columns = [columns.get(token) for columns in by_token]
        type_, casts = _resolve(columns, [staged.get(token) for staged in types])
        resolved.append(_column(token, type_, casts, columns, n_rows))
    return tuple(resolved)


def _resolve(
    columns: Sequence[ColumnScan | None], staged: Sequence[pa.DataType | None]
) -> tuple[pa.DataType, tuple[StagedCast | None, ...]]:
    """The type of one column, and each file's cast to it."""
    valued = [column for column in columns if column and column.has_values]
    kinds = {column.kind for column in valued}
    overrides = {column.override for column in columns if column and column.override}
    if not overrides and kinds == {"list"}:
        lists = {type_ for column, type_ in zip(columns, staged, strict=True) if column and column.has_values}
        if len(lists) == 1:
            return lists.pop(), tuple("" if column and column.has_values else None for column in columns)
    if not overrides and len(kinds) > 1 and not kinds <= _NUMBERS:
        return pa.string(), tuple(_json_cast(column) for column in columns)
    if not overrides and kinds == {"list"}:
        return pa.string(), tuple(_json_cast(column) for column in columns)
    if overrides:
        chosen = overrides.pop()
        return column_type(chosen), tuple(None if column is None else chosen for column in columns)
    return _common_type(valued, columns)


def _json_cast(column: ColumnScan | None) -> StagedCast | None:
    if column is None:
        return None
    return "" if column.kind == "json" else "json"


def _common_type(
    valued: Sequence[ColumnScan], columns: Sequence[ColumnScan | None]
) -> tuple[pa.DataType, tuple[StagedCast | None, ...]]:
    """The preferred type that every file's values survive, each file by a rendering of its own."""
    for name in sorted(valued[0].candidates, key=_preference) if valued else ():
        type_ = cast_type(name)
        found = [_cast_to(column, type_) for column in columns]
        has_all = all(cast for cast, column in zip(found, columns, strict=True) if column and column.has_values)
        has_form = name != "timestamp" or len({column.form for column in valued}) == 1
        if has_all and has_form:
            return type_, tuple(found)
    return pa.string(), tuple(None if column is None else "string" for column in columns)


def _cast_to(column: ColumnScan | None, type_: pa.DataType) -> StagedCast | None:
    """The preferred cast of one file's column to a type; any does where it has no value."""
    if column is None:
        return None
    if not column.has_values:
        return _PLAIN.get(type_, "string")
    return next((name for name in sorted(column.candidates, key=_preference) if cast_type(name) == type_), "")


def _preference(name: StagedCast) -> int:
    return CANDIDATE_TYPES.index(name if name in CANDIDATE_TYPES else name.partition(":")[0])


_PLAIN = {column_type(name): name for name in CANDIDATE_TYPES if ":" not in name and name != "decimal"}


def _column(
    token: str,
    type_: pa.DataType,
    casts: tuple[StagedCast | None, ...],
    columns: Sequence[ColumnScan | None],
    n_rows: Sequence[int],
) -> ResolvedColumn:
    n_nulls = sum(column.n_nulls if column else n for column, n in zip(columns, n_rows, strict=True))
    file_bounds = tuple(_bounds(column, cast) for column, cast in zip(columns, casts, strict=True))
    n_valued = sum(column is not None and column.has_values for column in columns)
    known = [bounds for bounds in file_bounds if bounds]
    bounds = reduce(Bounds.merge, known) if known and len(known) == n_valued else None
    return ResolvedColumn(token, type_, casts, n_nulls, bounds, file_bounds)


def _bounds(column: ColumnScan | None, cast: StagedCast | None) -> Bounds | None:
    return None if column is None or not cast or cast == "json" else column.candidates.get(cast)


def _check_columns(scans: Sequence[TextScan]) -> None:
    first = scans[0]
    for scan in scans[1:] if first.format == "csv" else ():
        if not _may_differ(scan, first):
            raise SourceError(
                f"the CSV files of one table have different columns: {first.path} and {scan.path}",
                value=_names(scan),
                expected=_names(first),
                hint="set `lake.text.header`, or list the folder under `lake.split` so that each file is a table",
            )
    if first.format == "json":
        _check_objects(scans)


def _may_differ(scan: TextScan, first: TextScan) -> bool:
    """Whether CSV files are parts of one table: by place where they have no header, else by most of their names."""
    mine, others = [column.token for column in scan.columns], [column.token for column in first.columns]
    if mine == others:
        return True
    n_common = len(set(mine) & set(others))
    return scan.has_header and first.has_header and 2 * n_common >= max(len(mine), len(others))


def _check_objects(scans: Sequence[TextScan]) -> None:
    enclosing = {path_of(column.token)[:n] for scan in scans for column in scan.columns for n in _prefixes(column)}
    for scan in scans:
        for column in scan.columns:
            if column.has_values and path_of(column.token) in enclosing:
                raise SourceError(
                    f"column {column.token} is an object in one file and none in {scan.path}",
                    value=column.kind,
                    expected="an object in every file of the table, or in none",
                    hint="list the folder under `lake.split` so that each file is a table",
                )


def _prefixes(column: ColumnScan) -> range:
    return range(1, len(path_of(column.token)))


def _names(scan: TextScan) -> str:
    names = [".".join(map(str, path_of(column.token))) for column in scan.columns]
    return ", ".join(names[:8]) + (f", … ({len(names)} columns)" if len(names) > 8 else "")
