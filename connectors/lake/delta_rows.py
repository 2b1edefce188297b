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

_PHYSICAL_NAME, _FIELD_ID = "delta.columnMapping.physicalName", "delta.columnMapping.id"


@dataclass(frozen=True)
class DeltaRows:
    """How the rows of a table's files are read.

    Attributes:
        names: by token the token in the files.
        live: by file name the live rows.
        ids: by token the field ids that lead to it, where the table maps columns by these.
    """

    names: Mapping[str, str]
    live: Mapping[str, pa.Array]
    ids: Mapping[str, tuple[int, ...]]

    def in_file(self, schema: pa.Schema) -> Mapping[str, str]:
        """By token the token in one file: where columns are mapped by id, that of the column with its id.

        The names in such a file may be others than the log's. A file without any id has the log's names; a column whose
        id a file has not is missing in it.

        Args:
            schema: of the file, as pyarrow reads it, with ids in the fields' metadata.
        """
        if not self.ids or not any(_id_of(field) is not None for field in schema):
            return self.names
        return {token: _token_by_ids(schema, self.ids[token]) for token in self.names}


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
        return rows_of(table, ignore_case)


def rows_of(table: DeltaTable, ignore_case: bool) -> DeltaRows:
    """How the rows of an open table's files are read.

    Raises:
        SourceError: if columns are mapped by id, and one has none.
    """
    leaves = schema_leaves(pa.schema(table.schema().to_arrow()), ignore_case)
    columns = table.metadata().partition_columns
    partitions = {token_of((name.casefold() if ignore_case else name,)) for name in columns}
    data = [leaf for leaf in leaves if leaf.token not in partitions]
    return DeltaRows(_physical_tokens(table, data), live_rows(table), _field_ids(table, data))


def _physical_tokens(table: DeltaTable, leaves: Sequence[Leaf]) -> dict[str, str]:
    """For each leaf of a Delta table's schema the token that its column has in the data files."""
    schema = pa.schema(table.schema().to_arrow())
    physical = physical_names(json.loads(table.schema().to_json()))
    return {leaf.token: token_of(physical_path(leaf, schema, physical)) for leaf in leaves}


def _field_ids(table: DeltaTable, leaves: Sequence[Leaf]) -> dict[str, tuple[int, ...]]:
    """For each leaf the field ids of its path, where columns are mapped by these; else none.

    Raises:
        SourceError: if a column has none.
    """
    if table.metadata().configuration.get("delta.columnMapping.mode") != "id":
        return {}
    schema = pa.schema(table.schema().to_arrow())
    physical = physical_names(json.loads(table.schema().to_json()), _FIELD_ID)
    try:
        return {leaf.token: tuple(map(int, physical_path(leaf, schema, physical))) for leaf in leaves}
    except ValueError as error:
        raise SourceError("the Delta table maps columns by id, and a column has no id", value=str(error)) from error


def _token_by_ids(schema: pa.Schema, ids: tuple[int, ...]) -> str:
    path: list[str] = []
    fields = list(schema)
    for one in ids:
        field = next((field for field in fields if _id_of(field) == one), None)
        # no column is called so: the file has none
        path.append(f"\0{one}" if field is None else field.name)
        fields = list(field.type) if field is not None and pa.types.is_struct(field.type) else []
    return token_of(path)


def _id_of(field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(b"PARQUET:field_id")
    return None if text is None else int(text)


def physical_names(schema: Mapping[str, Any], key: str = _PHYSICAL_NAME) -> dict[str, Any]:
    """Logical name → physical name and children, where columns are mapped; `key` is of the field's metadata."""
    return {
        field["name"]: {
            "name": field.get("metadata", {}).get(key, field["name"]),
            "children": physical_names(field["type"], key)
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
