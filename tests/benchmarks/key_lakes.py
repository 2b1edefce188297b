"""Lakes with known keys, as the search for keys takes them: Spider's databases, with both sets of names.

Nothing of the data is kept here; see the README beside it for its licence and origin.
"""

import csv
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.lake import lake_of_columns
from lakebed.tasks.lakegraph.value_table import value_table
from tests.tasks.lakegraph.columns import lake_column

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class KnownLake:
    """A lake and its declared foreign keys: (table, column, target table, target column), tables with their folder."""

    lake: Lake
    keys: frozenset[Key]

    @property
    def number(self) -> dict[tuple[str, str], int]:
        """Columns by table and name."""
        named = zip(self.lake.table_of.tolist(), self.lake.names, strict=True)
        return {(self.lake.tables[table], name): at for at, (table, name) in enumerate(named)}

    def pairs(self) -> set[tuple[int, int]]:
        """The keys as column numbers."""
        at = self.number
        return {(at[a, x], at[b, y]) for a, x, b, y in self.keys if (a, x) in at and (b, y) in at}


def lake_of_tables(tables: Mapping[str, pa.Table]) -> Lake:
    """The columns of tables, by the lake graph's own functions."""
    return lake_and_values(tables)[0]


def lake_and_values(tables: Mapping[str, pa.Table]) -> tuple[Lake, pa.Table]:
    """The same, and their `column_values`."""
    names = sorted(tables)
    columns = [
        lake_column(name, column, _whole(tables[name].column(column)), place)
        for name in names
        for place, column in enumerate(tables[name].column_names)
    ]
    at = {name: place for place, name in enumerate(names)}
    table_of = np.array([at[column.table] for column in columns], np.int64)
    values = value_table(columns)
    return lake_of_columns(names, [str(column.path[0]) for column in columns], table_of, values), values


def spider(folder: Path, language: str) -> dict[str, pa.Table]:
    """Every table with rows as `DATABASE/TABLE`, with the German names as they lie or the English ones."""
    named = english_names(folder) if language == "en" else {}
    tables: dict[str, pa.Table] = {}
    for path in sorted(folder.glob("*.sqlite")):
        for name, table in sqlite_tables(path):
            new = [named.get((path.stem, name, column), (name, column)) for column in table.column_names]
            title = new[0][0] if named else name
            tables[f"{path.stem}/{title}"] = table.rename_columns([column for _, column in new])
    return tables


def spider_keys(folder: Path, language: str) -> frozenset[Key]:
    """The declared foreign keys."""
    named = english_names(folder) if language == "en" else {}
    with (folder / "foreign_keys.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = set()
    for row in rows:
        db = row["database"]
        a, x = named.get((db, row["table"], row["column"]), (row["table"], row["column"]))
        b, y = named.get((db, row["target_table"], row["target_column"]), (row["target_table"], row["target_column"]))
        keys.add((f"{db}/{a}", x, f"{db}/{b}", y))
    return frozenset(keys)


def english_names(folder: Path) -> dict[tuple[str, str, str], tuple[str, str]]:
    """(table, column) in English by database, table and column."""
    with (folder / "names_en.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {(row["database"], row["table"], row["column"]): (row["table_en"], row["column_en"]) for row in rows}


def sqlite_tables(path: Path) -> Iterable[tuple[str, pa.Table]]:
    """Tables with rows, typed by what their cells are."""
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as base:
        base.text_factory = lambda text: text.decode("utf-8", "replace")
        listed = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        for (name,) in base.execute(listed).fetchall():
            quoted = name.replace('"', '""')
            cursor = base.execute(f'select * from "{quoted}" limit 200000')  # noqa: S608 - a name of the file's own list
            names, rows = [one[0] for one in cursor.description], cursor.fetchall()
            if rows:
                columns = [_typed([row[place] for row in rows]) for place in range(len(names))]
                yield name, pa.table(columns, names=names)


def _typed(cells: list[object]) -> pa.Array:
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {int} and all(cell is None or abs(int(str(cell))) < 1 << 63 for cell in cells):
        return pa.array(cells, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else float(str(cell)) for cell in cells], pa.float64())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


def _text(cell: object) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
