"""A table's schema as text, its leaves, and a table made of leaves again."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from lakebed.connectors.lake.leaves import LeafArray, batch_leaves, schema_leaves, storage_type
from lakebed.tasks.encoding.types import type_text
from lakebed.tasks.retention.recipes.model import LeafRef

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


def schema_to_text(schema: pa.Schema) -> str:
    """The whole schema, metadata included, as base64 of Arrow's own form."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """The inverse of `schema_to_text`."""
    return pa.ipc.read_schema(pa.BufferReader(base64.b64decode(text)))


def leaf_refs(schema: pa.Schema, partitions: Collection[str], ignore_case: bool) -> tuple[LeafRef, ...]:
    """The leaves of a schema, with their nullability; `partitions` are the tokens of partition columns."""
    return tuple(
        LeafRef(
            token=leaf.token,
            type=str(leaf.type),
            is_nullable=_is_nullable(schema, leaf.indices),
            is_partition=leaf.token in partitions,
        )
        for leaf in schema_leaves(schema, ignore_case)
    )


def table_leaves(table: pa.Table, ignore_case: bool) -> dict[str, LeafArray]:
    """The cells of a table in memory, by token."""
    leaves = schema_leaves(table.schema, ignore_case)
    parts = [batch_leaves(batch, leaves) for batch in table.combine_chunks().to_batches()]
    return {leaf.token: joined([part[leaf.token] for part in parts], leaf.type) for leaf in leaves}


def joined(parts: Sequence[LeafArray], type_: pa.DataType) -> LeafArray:
    """The cells of several batches as one array of the given type."""
    if not parts:
        return LeafArray(pa.array([], type_), None)
    arrays = [part.values if part.values.type == type_ else pc.cast(part.values, type_) for part in parts]
    values = pa.concat_arrays(arrays) if len(arrays) > 1 else arrays[0]
    if all(part.null_depth is None for part in parts):
        return LeafArray(values, None)
    depths = [_depths(part) for part in parts]
    return LeafArray(values, np.concatenate(depths))


def taken(cells: LeafArray, rows: np.ndarray) -> LeafArray:
    """The cells of the given rows, or of those where a mask holds. Shapes: rows (k,) or (n,) bool."""
    is_mask = rows.dtype == np.bool_
    values = cells.values.filter(pa.array(rows)) if is_mask else cells.values.take(pa.array(rows))
    return LeafArray(values, None if cells.null_depth is None else cells.null_depth[rows])


def assembled(schema: pa.Schema, cells: Mapping[str, LeafArray], ignore_case: bool) -> pa.Table:
    """A table of the given schema from the cells of its leaves."""
    leaves = {leaf.indices: cells[leaf.token] for leaf in schema_leaves(schema, ignore_case)}
    columns = [_column(field, (index,), leaves) for index, field in enumerate(schema)]
    return pa.Table.from_arrays(columns, schema=schema)


def columns_text(schema: pa.Schema) -> str:
    """Names, types, nullability and order of all columns, unambiguously."""
    return json.dumps([_field_text(field) for field in schema], ensure_ascii=False)


def _field_text(field: pa.Field) -> list[object]:
    return [field.name, _type_text(field.type), field.nullable]


def _type_text(type_: pa.DataType) -> object:
    """The type with the nullability inside of it; dictionaries and extensions are named too."""
    if isinstance(type_, pa.BaseExtensionType):
        return ["extension", type_.extension_name, _type_text(type_.storage_type)]
    if t.is_dictionary(type_):
        return ["dictionary", str(type_.index_type), _type_text(type_.value_type), type_.ordered]
    if t.is_struct(type_):
        return ["struct", *(_field_text(field) for field in type_)]
    if t.is_map(type_):
        return ["map", _type_text(type_.key_type), _type_text(type_.item_type), type_.item_field.nullable]
    if t.is_nested(type_) and not t.is_union(type_):
        kind = str(type_).partition("<")[0]
        return [kind, _type_text(type_.value_type), type_.value_field.nullable, str(getattr(type_, "list_size", ""))]
    return type_text(type_)


def _is_nullable(schema: pa.Schema, indices: Sequence[int]) -> bool:
    fields = list(_fields_to(schema, indices))
    return any(field.nullable for field in fields)


def _fields_to(schema: pa.Schema, indices: Sequence[int]) -> Iterator[pa.Field]:
    field = schema.field(indices[0])
    yield field
    for index in indices[1:]:
        field = storage_type(field.type).field(index)
        yield field


def _depths(part: LeafArray) -> np.ndarray:
    return np.zeros(len(part.values), np.uint8) if part.null_depth is None else part.null_depth


def _column(field: pa.Field, indices: tuple[int, ...], leaves: Mapping[tuple[int, ...], LeafArray]) -> pa.Array:
    if indices in leaves:
        return dressed(leaves[indices].values, field.type)
    type_ = storage_type(field.type)
    fields = [type_.field(i) for i in range(type_.num_fields)]
    children = [_column(child, (*indices, i), leaves) for i, child in enumerate(fields)]
    first = next(cells for place, cells in leaves.items() if place[: len(indices)] == indices)
    level = len(indices) - 1
    is_null = _depths(first) == level
    struct = pa.StructArray.from_arrays(children, fields=fields, mask=pa.array(is_null) if is_null.any() else None)
    return dressed(struct, field.type)


def dressed(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Plain values in the dictionary, run-end encoding or extension that a type asks for."""
    if values.type == type_:
        return values
    if isinstance(type_, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(type_, dressed(values, type_.storage_type))
    if t.is_dictionary(type_):
        encoded = dressed(values, type_.value_type).dictionary_encode()
        indices = encoded.indices.cast(type_.index_type)
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=type_.ordered)
    if t.is_run_end_encoded(type_):
        return pc.run_end_encode(dressed(values, type_.value_type), run_end_type=type_.run_end_type)
    return pc.cast(values, type_)
