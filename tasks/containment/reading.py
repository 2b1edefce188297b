"""How a table would be read: what decides its row hashes, file by file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.inventory.splits import InventoryTables
from lakebed.tasks.runtime.keys import canonical_json

_FILE_COLUMNS = (
    "path", "size", "n_rows", "row_group_rows", "row_group_bytes", "partition_values", "casts",
    "sha256", "mtime_ns", "etag", "staged_path",
)  # fmt: skip


@dataclass(frozen=True)
class TableReading:
    """Equal readings give equal row hashes under every projection.

    Attributes:
        how: digest of what all files share: reader, path, types of partition columns, for Spark the version.
        files: path → digest of identity, row groups, constants and casts.
    """

    how: str
    files: Mapping[str, str]


def table_readings(inventory: InventoryTables, table_ids: Sequence[int]) -> dict[int, TableReading]:
    """The readings of the given tables, by table_id. O(their files)."""
    wanted = pa.array(table_ids, pa.int32())
    tables = inventory.tables.filter(pc.is_in(inventory.tables["table_id"], value_set=wanted))
    is_partition = pc.and_(inventory.columns["is_partition"], pc.is_in(inventory.columns["table_id"], value_set=wanted))
    partitions: dict[int, list[tuple[str, str]]] = {}
    for row in inventory.columns.filter(is_partition).select(["table_id", "token", "type"]).to_pylist():
        partitions.setdefault(row["table_id"], []).append((row["token"], row["type"]))
    files: dict[int, dict[str, str]] = {}
    found = inventory.files.filter(pc.is_in(inventory.files["table_id"], value_set=wanted))
    for row in found.select(["table_id", *_FILE_COLUMNS]).sort_by("path").to_pylist():
        files.setdefault(row.pop("table_id"), {})[row["path"]] = _state(row)
    return {
        row["table_id"]: TableReading(
            _how(row, partitions.get(row["table_id"], [])),
            files.get(row["table_id"], {}),
        )
        for row in tables.to_pylist()
    }


def _how(row: dict[str, Any], partitions: list[tuple[str, str]]) -> str:
    via = row["read_via"]
    version = row["delta_version"] if via == "spark" else None
    return _digest([via, row["path"], version, sorted(partitions)])


def _state(row: dict[str, Any]) -> str:
    """A copy of text may lie under another name in each artifact; its bytes follow from those of the text."""
    identity = row.pop("sha256") or row.pop("etag") or row["mtime_ns"]
    kept = {name: row[name] for name in _FILE_COLUMNS[:7]}
    return _digest([kept, identity, row["staged_path"] is not None])


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
