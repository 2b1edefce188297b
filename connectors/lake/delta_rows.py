"""How the rows of a Delta table's files are read: the names of columns in them, and which rows are live."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.delta import open_table
from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.delta_errors import log_errors
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.leaves import schema_leaves, token_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deltalake import DeltaTable

    from lakebed.connectors.lake.leaves import Leaf


@dataclass(frozen=True)
class DeltaRows:
    """How the rows of a table's files are read: by token the token in the files, by file name the live rows."""

    names: Mapping[str, str]
    live: Mapping[str, pa.Array]


@lru_cache(maxsize=4)
def delta_rows(root: str, path: str, version: int, ignore_case: bool) -> DeltaRows:
    """The same of one version of the table at `path`; kept, as a worker reads many files of a table.

    Raises:
        SourceError: if the log cannot be read.
    """
    with log_errors(path):
        table = open_table(place_uri(root, path))
        if table.version() != version:
            table.load_as_version(version)
        leaves = schema_leaves(pa.schema(table.schema().to_arrow()), ignore_case)
        columns = table.metadata().partition_columns
        partitions = {token_of((name.casefold() if ignore_case else name,)) for name in columns}
        data = [leaf for leaf in leaves if leaf.token not in partitions]
        return DeltaRows(physical_tokens(table, data), live_rows(table))


def physical_tokens(table: DeltaTable, leaves: Sequence[Leaf]) -> dict[str, str]:
    """For each leaf of a Delta table's schema the token that its column has in the data files."""
    schema = pa.schema(table.schema().to_arrow())
    physical = physical_names(json.loads(table.schema().to_json()))
    return {leaf.token: token_of(physical_path(leaf, schema, physical)) for leaf in leaves}


def physical_names(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Logical name → physical name and children, where columns are mapped."""
    return {
        field["name"]: {
            "name": field.get("metadata", {}).get("delta.columnMapping.physicalName", field["name"]),
            "children": physical_names(field["type"])
            if isinstance(field["type"], dict) and field["type"].get("type") == "struct"
            else {},
        }
        for field in schema["fields"]
    }


def physical_path(leaf: Leaf, schema: pa.Schema, physical: Mapping[str, Any]) -> list[str]:
    """The names under which the log keeps a leaf's statistics."""
    names, fields = [], list(schema)
    for index in leaf.indices:
        entry = physical[fields[index].name]
        names.append(str(entry["name"]))
        physical = entry["children"]
        type_ = fields[index].type
        fields = [type_.field(i) for i in range(type_.num_fields)] if pa.types.is_struct(type_) else []
    return names


def live_rows(table: DeltaTable) -> dict[str, pa.Array]:
    """For each file with a deletion vector, by the last part of its path, which of its rows are live."""
    if "deletionVectors" not in (table.protocol().reader_features or []):
        return {}
    vectors = pa.table(table.deletion_vectors())
    names = [unquote(uri).rpartition("/")[2] for uri in vectors["filepath"].to_pylist()]
    return {name: vector.values for name, vector in zip(names, vectors["selection_vector"], strict=True)}


def row_deletes(table: DeltaTable, paths: Sequence[str]) -> dict[str, int]:
    """Deleted rows of each file that has a deletion vector, by the file's path relative to the lake root."""
    live, by_name = live_rows(table), {path.rpartition("/")[2]: path for path in paths}
    if live and len(by_name) < len(paths):
        raise SourceError("files of the log share a name, so its deletion vectors cannot be told apart")
    return {by_name[name]: pc.sum(pc.invert(rows)).as_py() or 0 for name, rows in live.items()}
