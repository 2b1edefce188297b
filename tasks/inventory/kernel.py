"""From what the metadata of files says to the inventory's tables. Pure: no file is opened here."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.canonical import Canonical, canonical_values
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.connectors.lake.type_text import cast_text
from lakebed.tasks.encoding.order_keys import order_keys
from lakebed.tasks.encoding.types import type_class as slow_type_class
from lakebed.tasks.inventory.bounds import Bounds, FileColumn, describe, merge_bounds

Rows = list[dict[str, object]]

type_class = lru_cache(maxsize=4096)(slow_type_class)

_NULL_ID = pa.null().id
# entries whose keys are made together: enough for numpy, few enough to hold
_BATCH_ENTRIES = 50_000


@dataclass
class TableFacts:
    """A table and what is known of its files, sorted by path.

    `partition_types` are the Arrow types of the constant columns, by token; `read_via` says who can read the rows;
    `positions` are the tokens in schema order where the format fixes it; `leaf_types` are given at first where it
    declares them, since a Delta table may have no file.
    """

    source: TableSource
    files: list[FileFacts]
    read_via: str
    partition_types: dict[str, pa.DataType] = field(default_factory=dict)
    positions: list[str] = field(default_factory=list)
    delta_version: int | None = None
    leaf_types: dict[str, pa.DataType] = field(default_factory=dict)


@dataclass
class InventoryRows:
    """The rows of the inventory's tables, by table name."""

    tables: Rows = field(default_factory=list)
    columns: Rows = field(default_factory=list)
    files: Rows = field(default_factory=list)
    file_bounds: Rows = field(default_factory=list)
    partition_values: Rows = field(default_factory=list)


def unify_schema(table: TableFacts) -> None:
    """Fills `leaf_types`: the union of declared and files' leaves, in order of appearance, partition columns last.

    A column that some files lack reads as null there. Integers and floats of any width go together, as do all types
    of one class.

    Raises:
        SourceError: if files disagree on a column's class, or on whether it is an object.
    """
    types = dict(table.leaf_types)
    for file in table.files:
        for leaf in file.leaves:
            if leaf.token not in table.partition_types:
                known = types.setdefault(leaf.token, leaf.type)
                if known is not leaf.type and known != leaf.type:
                    types[leaf.token] = _common_type(leaf.token, known, leaf.type)
    types |= table.partition_types
    _require_flat(types)
    table.leaf_types = {token: types[token] for token in table.positions if token in types} | types


def schema_digest(tokens: Iterable[str]) -> str:
    """Hex SHA-256 over the sorted tokens, each behind its length."""
    digest = hashlib.sha256()
    for token in sorted(tokens):
        data = token.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def describe_tables(tables: Sequence[TableFacts]) -> InventoryRows:
    """The rows of the inventory; tables are numbered in the order given, which is that of their names."""
    rows = InventoryRows()
    for table_id, (table, columns) in enumerate(_with_columns(tables)):
        bounds = {token: merge_bounds(parts) for token, parts in columns.items()}
        rows.columns += list(_column_rows(table_id, table, bounds))
        rows.files += list(_file_rows(table_id, table))
        rows.partition_values += list(_partition_rows(table_id, table))
        if len(table.files) > 1:
            rows.file_bounds += list(_file_bound_rows(table_id, columns))
        rows.tables.append(_table_row(table_id, table))
    return rows


def _common_type(token: str, one: pa.DataType, other: pa.DataType) -> pa.DataType:
    classes = type_class(one), type_class(other)
    if "null" in classes:
        return other if classes[0] == "null" else one
    if classes[0] != classes[1]:
        raise SourceError(
            "its files disagree on the type of a column",
            value=f"column {token} is {one} in one file and {other} in another",
            hint="name the folder in `split` in the lake section of the config, or rewrite the files",
        )
    fields = [pa.schema([pa.field("x", type_)]) for type_ in (one, other)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return one


def _require_flat(types: Iterable[str]) -> None:
    """A path may not be both a leaf and an enclosing object."""
    paths = {path_of(token) for token in types}
    # a number behind a name is its occurrence, not a step down
    enclosing = {path[:end] for path in paths for end in range(1, len(path)) if isinstance(path[end], str)}
    clash = sorted(map(str, paths & enclosing))
    if clash:
        raise SourceError("a column is an object in one file and a value in another", value=clash[0])


def _with_columns(tables: Sequence[TableFacts]) -> Iterator[tuple[TableFacts, dict[str, list[FileColumn]]]]:
    """Each table with its columns' entries, one per file; the keys of several tables are made together."""
    batch: list[TableFacts] = []
    n_entries = 0
    for table in tables:
        batch.append(table)
        n_entries += len(table.files) * len(table.leaf_types)
        if n_entries >= _BATCH_ENTRIES:
            yield from _batch_columns(batch)
            batch, n_entries = [], 0
    yield from _batch_columns(batch)


def _batch_columns(tables: Sequence[TableFacts]) -> Iterator[tuple[TableFacts, dict[str, list[FileColumn]]]]:
    made = [_table_columns(table) for table in tables]
    entries: dict[str, list[FileColumn]] = {}
    for table, columns in zip(tables, made, strict=True):
        for token, parts in columns.items():
            entries.setdefault(type_class(table.leaf_types[token]), []).extend(parts)
    for kind, parts in entries.items():
        _add_keys(kind, parts)
    yield from zip(tables, made, strict=True)


def _add_keys(kind: str, parts: Sequence[FileColumn]) -> None:
    keys = [order_keys([part.values[end] for part in parts], kind, is_upper=end in (1, 3)) for end in range(4)]
    for index, part in enumerate(parts):
        part.keys = (keys[0][index], keys[1][index], keys[2][index], keys[3][index])


def _table_columns(table: TableFacts) -> dict[str, list[FileColumn]]:
    columns: dict[str, list[FileColumn]] = {token: [] for token in table.leaf_types}
    constants = _partition_constants(table)
    for file in table.files:
        found = {leaf.token: index for index, leaf in enumerate(file.leaves)}
        texts = dict(file.partition_values)
        for token, parts in columns.items():
            if token in texts:
                parts.append(_constant_column(constants[token, texts[token]], file.n_rows))
            elif token in found:
                parts.append(_file_column(file, found[token]))
            else:
                parts.append(FileColumn(file.n_rows, file.n_rows, 0))
    return columns


def _file_column(file: FileFacts, index: int) -> FileColumn:
    stats = file.statistics
    n_nulls = file.n_rows if file.leaves[index].type.id == _NULL_ID else stats.n_nulls[index]
    values = stats.min_lower[index], stats.min_upper[index], stats.max_lower[index], stats.max_upper[index]
    return FileColumn(file.n_rows, n_nulls, stats.n_bytes[index], values, stats.tightness[index])


def _partition_constants(table: TableFacts) -> dict[tuple[str, str | None], Canonical | None]:
    """The plain value of each partition text, by token and text."""
    constants: dict[tuple[str, str | None], Canonical | None] = {}
    for token, type_ in table.partition_types.items():
        texts = list(dict.fromkeys(dict(file.partition_values)[token] for file in table.files))
        values = canonical_values(cast_text(pa.array(texts, pa.string()), type_))
        constants |= {(token, text): value for text, value in zip(texts, values, strict=True)}
    return constants


def _constant_column(value: Canonical | None, n_rows: int) -> FileColumn:
    if value is None:
        return FileColumn(n_rows, n_rows, 0)
    return FileColumn(n_rows, 0, 0, (value, value, value, value), "tight")


def _table_row(table_id: int, table: TableFacts) -> dict[str, object]:
    source = table.source
    return {
        "table_id": table_id,
        "name": source.name,
        "path": source.path or ".",
        "format": source.format,
        "n_files": len(table.files),
        "n_rows": sum(file.n_rows for file in table.files),
        "n_bytes": sum(file.size if file.n_bytes is None else file.n_bytes for file in table.files),
        "n_columns": len(table.leaf_types),
        "schema_digest": schema_digest(table.leaf_types),
        "delta_version": table.delta_version,
        "read_via": table.read_via,
        "partition_columns": list(table.partition_types),
    }


def _column_rows(table_id: int, table: TableFacts, bounds: dict[str, Bounds]) -> Iterator[dict[str, object]]:
    for position, (token, type_) in enumerate(table.leaf_types.items()):
        merged = bounds[token]
        kind = type_class(type_)
        yield {
            "table_id": table_id,
            "position": position,
            "token": token,
            "type": str(type_),
            "type_class": kind,
            "n_nulls": merged.n_nulls,
            "min_lower": merged.keys[0],
            "min_upper": merged.keys[1],
            "max_lower": merged.keys[2],
            "max_upper": merged.keys[3],
            "min_text": describe(merged.least, kind),
            "max_text": describe(merged.greatest, kind),
            "tightness": merged.tightness,
            "is_partition": token in table.partition_types,
            "n_bytes": merged.n_bytes,
        }


def _file_rows(table_id: int, table: TableFacts) -> Iterator[dict[str, object]]:
    listed: dict[str, FileEntry] = {entry.path: entry for entry in table.source.files}
    for file_id, file in enumerate(table.files):
        entry = listed.get(file.path)
        yield {
            "table_id": table_id,
            "file_id": file_id,
            "path": file.path,
            "size": file.size,
            "n_rows": file.n_rows,
            "row_group_rows": file.row_group_rows,
            "row_group_bytes": file.row_group_bytes,
            "partition_values": json.dumps(dict(file.partition_values), ensure_ascii=False),
            "staged_path": file.staged_path,
            "casts": json.dumps(file.casts, ensure_ascii=False),
            "sha256": entry.sha256 if entry else "",
            "mtime_ns": entry.mtime_ns if entry else 0,
            "etag": entry.etag if entry else "",
        }


def _file_bound_rows(table_id: int, columns: dict[str, list[FileColumn]]) -> Iterator[dict[str, object]]:
    for token, parts in columns.items():
        for file_id, part in enumerate(parts):
            yield {
                "table_id": table_id,
                "file_id": file_id,
                "token": token,
                "min_lower": part.keys[0],
                "max_upper": part.keys[3],
                "n_nulls": part.n_nulls,
            }


def _partition_rows(table_id: int, table: TableFacts) -> Iterator[dict[str, object]]:
    constants = _partition_constants(table)
    for token, type_ in table.partition_types.items():
        texts = {dict(file.partition_values)[token] for file in table.files if file.n_rows}
        plain = [constants[token, text] for text in texts if text is not None]
        keys = {key for key in order_keys(plain, type_class(type_)) if key is not None}
        for key in [*sorted(keys), *([None] if None in texts else [])]:
            yield {"table_id": table_id, "token": token, "value": key}
