"""Reads a lake's tables without lakebed: pyarrow for Parquet, delta-rs for Delta, the standard library for text."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def read_any(root: Path, path: str, kind: str) -> pa.Table:
    """The rows of one table; `kind` is its format."""
    readers: dict[str, Callable[[Path], pa.Table]] = {
        "parquet": read_parquet,
        "delta": read_delta,
        "csv": read_csv,
        "json": read_json_lines,
    }
    return readers[kind](root / path)


def read_parquet(path: Path) -> pa.Table:
    """A file, or a folder of files with Hive partitions (values stay text)."""
    if path.is_file():
        return pq.ParquetFile(path).read()
    files = [file for file in sorted(path.rglob("*.parquet")) if not file.name.startswith((".", "_"))]
    return pa.concat_tables([_with_partitions(file, path) for file in files])


def read_delta(path: Path) -> pa.Table:
    """A Delta table through delta-rs's SQL, which honours deletion vectors."""
    batches = QueryBuilder().register("lake", DeltaTable(path)).execute("select * from lake").read_all()
    return pa.table(batches)


def read_csv(path: Path) -> pa.Table:
    """A CSV file; the delimiter is the one that its first line has, a header is what holds no digit-only cell."""
    text = _text(path)
    delimiter = next(mark for mark in ";\t|," if mark in text.splitlines()[0] or mark == ",")
    # csv.reader cannot tell an empty cell from a quoted one; none of the sample lake's cells is an empty string
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    has_header = not any(cell.isdigit() for cell in rows[0])
    names = rows[0] if has_header else [f"c{number}" for number in range(1, len(rows[0]) + 1)]
    columns = zip(*rows[1 if has_header else 0 :], strict=True)
    return pa.table({name: _typed(cells) for name, cells in zip(names, columns, strict=True)})


def read_json_lines(path: Path) -> pa.Table:
    """One object a line; absent keys are null."""
    return pa.Table.from_pylist(_same_keys([json.loads(line) for line in _text(path).splitlines()]))


def _same_keys(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def _with_partitions(file: Path, root: Path) -> pa.Table:
    table = pq.ParquetFile(file).read()
    for part in file.relative_to(root).parts[:-1]:
        name, text = (unquote(piece) for piece in part.split("=", 1))
        value = None if text == HIVE_NULL else text
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return table


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def _typed(cells: Sequence[str]) -> pa.Array:
    """Cells as the first type in which each of them is written as that type writes it."""
    values = [cell or None for cell in cells]
    for parse in (_boolean, _integer, _decimal, date.fromisoformat):
        try:
            return pa.array([None if value is None else _canonical(parse, value) for value in values])
        except ValueError:
            continue
    places = {len(value.partition(".")[2]) for value in values if value is not None}
    if len(places) == 1 and all(value is None or re.fullmatch(r"-?(0|[1-9]\d*)\.\d+", value) for value in values):
        return pa.array([None if value is None else Decimal(value) for value in values])
    return pa.array(values, pa.string())


def _canonical(parse: Callable[[str], object], text: str) -> object:
    value = parse(text)
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    if shown != text:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _integer(text: str) -> int:
    return int(text)


def _decimal(text: str) -> float | int:
    if not re.fullmatch(r"-?\d+(\.\d*[1-9])?", text):
        raise ValueError(text)
    return float(text) if "." in text else int(text)
