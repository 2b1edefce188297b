"""Parts of tables: the partitions of a partitioned table, the files of another that has several."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.scan.splits import InventoryTables


@dataclass(frozen=True)
class Part:
    """One part of a table.

    Attributes:
        item: its number, above those of the tables.
        label: partition values as `column=value`, or the file's path.
        paths: of its files, as splits name them.
        files: of its files, relative to the lake.
    """

    item: int
    table_id: int
    label: str
    paths: frozenset[str]
    files: tuple[str, ...]
    n_rows: int
    n_bytes: int


def table_parts(inventory: InventoryTables, max_parts: int) -> list[Part]:
    """The parts of every table that has two or more and that is read file by file; none where there are too many.

    A file that only Spark can read (deletion vectors, column mapping) is no part: its live rows are not its own.
    """
    readable = inventory.tables.filter(pc.field("read_via") != "spark")["table_id"]
    files = inventory.files.filter(pc.is_in(inventory.files["table_id"], value_set=readable.combine_chunks()))
    names = ["table_id", "path", "staged_path", "partition_values", "n_rows", "size"]
    groups = _groups(files.select(names).sort_by([("table_id", "ascending"), ("path", "ascending")]))
    n_parts: dict[int, int] = {}
    for table, _ in groups:
        n_parts[table] = n_parts.get(table, 0) + 1
    chosen = [(key, rows) for key, rows in groups.items() if n_parts[key[0]] > 1 and sum(r["n_rows"] for r in rows)]
    if len(chosen) > max_parts:
        return []
    first = inventory.tables.num_rows
    return [
        Part(
            item=first + number,
            table_id=table,
            label=label,
            paths=frozenset(row["staged_path"] or row["path"] for row in rows),
            files=tuple(row["path"] for row in rows),
            n_rows=sum(row["n_rows"] for row in rows),
            n_bytes=sum(row["size"] for row in rows),
        )
        for number, ((table, label), rows) in enumerate(chosen)
    ]


def _groups(files: pa.Table) -> dict[tuple[int, str], list[dict[str, Any]]]:
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in files.to_pylist():
        label = _label(row["partition_values"]) if row["partition_values"] != "{}" else row["path"]
        groups.setdefault((row["table_id"], label), []).append(row)
    return groups


def _label(partition_values: str) -> str:
    """`column=value/…` from the JSON object of tokens; a null value has none."""
    values: dict[str, str | None] = json.loads(partition_values)
    return "/".join(
        f"{'.'.join(map(str, json.loads(token)))}={'' if value is None else value}" for token, value in values.items()
    )
