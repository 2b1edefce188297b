"""Nested columns as leaves: one token a leaf, and the nulls above it.

A struct is not a value but a path; arrays and maps are whole values. The token is the JSON text of the path, so a
column called `a.b` and the leaf b of a struct a never meet. A second column of the same name carries its occurrence.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Path = tuple[str | int, ...]

# comparing ids costs a tenth of pa.types.is_…, and a lake has many leaves
_EXTENSION_ID = pa.uuid().id
_STRUCT_ID = pa.struct([]).id
_DICTIONARY_ID = pa.dictionary(pa.int8(), pa.string()).id
_ENCODED_IDS = frozenset({_DICTIONARY_ID, pa.run_end_encoded(pa.int32(), pa.int8()).id})
# views point at their values; a batch has less text than 32 bits can number
_SIMPLE = {pa.string_view().id: pa.string(), pa.binary_view().id: pa.binary()}
# pyarrow casts no views inside of views of lists
_MADE_OF: dict[int, Callable[[pa.DataType, list[pa.Field]], pa.DataType]] = {
    _STRUCT_ID: lambda _, inner: pa.struct(inner),
    pa.list_(pa.null()).id: lambda _, inner: pa.list_(inner[0]),
    pa.large_list(pa.null()).id: lambda _, inner: pa.large_list(inner[0]),
    pa.list_(pa.null(), 1).id: lambda type_, inner: pa.list_(inner[0], type_.list_size),
    pa.map_(pa.int8(), pa.int8()).id: lambda _, inner: pa.map_(*inner[0].type),
}
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of a schema.

    `path` has the names from the outermost column on, each followed by its occurrence (2, 3, …) where the name came
    before; `type` has dictionaries and extensions unwrapped; `depth` is the number of enclosing structs; `indices` are
    the child positions that lead to the leaf in the schema it was taken from. A leaf whose `is_missing` stands for a
    column that the schema lacks: its `indices` lead to the innermost enclosing struct that is there. One that
    `is_dictionary` was a dictionary of values; `stored` is the type it has in the file where `type` is what that means.
    """

    token: str
    path: Path
    type: pa.DataType
    depth: int
    indices: tuple[int, ...] = ()
    is_missing: bool = False
    is_dictionary: bool = False
    stored: pa.DataType | None = None

    def __reduce__(self) -> tuple[type["Leaf"], tuple[Any, ...]]:
        # footers of many columns go from process to process; what a dataclass does by itself takes three times as long
        return Leaf, _values_of(self)


_values_of = attrgetter(*(field.name for field in fields(Leaf)))


@dataclass(frozen=True)
class LeafArray:
    """The cells of one leaf.

    Shapes: values (n,); null_depth (n,) uint8, at a null cell the level on which the null sits (0 = the outermost
    struct is null, `depth` = the leaf itself is null); None where the depth is 0 everywhere.
    """

    values: pa.Array
    null_depth: np.ndarray | None

    def filter(self, mask: pa.Array | None) -> "LeafArray":
        """The cells where the mask, (n,) of booleans, is true; all where there is none."""
        if mask is None:
            return self
        depth = None if self.null_depth is None else self.null_depth[mask.to_numpy(zero_copy_only=False)]
        return LeafArray(self.values.filter(mask), depth)


def token_of(path: Iterable[str | int]) -> str:
    """The token of a path: its JSON text, as short as JSON allows."""
    return _token(tuple(path))


@lru_cache(maxsize=1 << 16)
def _token(path: Path) -> str:
    """Files of a lake share many names."""
    return _to_json(path)


def path_of(token: str) -> Path:
    """The path of a token."""
    return tuple(json.loads(token))


def storage_type(type_: pa.DataType) -> pa.DataType:
    """The type of the values: dictionaries, run-end encodings and extensions unwrapped."""
    while True:
        kind = type_.id
        if kind == _EXTENSION_ID:
            type_ = type_.storage_type
        elif kind in _ENCODED_IDS:
            type_ = type_.value_type
        else:
            return type_


def n_parquet_columns(type_: pa.DataType) -> int:
    """How many Parquet columns a field of this type takes up."""
    type_ = storage_type(type_)
    return sum(n_parquet_columns(type_.field(index).type) for index in range(type_.num_fields)) or 1


def schema_leaves(schema: pa.Schema, ignore_case: bool = False) -> list[Leaf]:
    """The leaves of a schema, in its order.

    Args:
        schema: of a file or a table.
        ignore_case: whether names that differ only in case are the same name.
    """
    return list(_leaves(list(schema), (), (), ignore_case))


def batch_leaves(batch: pa.RecordBatch, leaves: Sequence[Leaf]) -> dict[str, LeafArray]:
    """The cells of the given leaves, keyed by token.

    Args:
        batch: rows in the schema that the leaves were taken from.
        leaves: of `schema_leaves(batch.schema)`, or missing ones (all their cells are null).
    """
    return {leaf.token: _leaf_array(batch, leaf) for leaf in leaves}


def missing_leaf(token: str, schema: pa.Schema, ignore_case: bool = False) -> Leaf:
    """A stand-in for a column that a file lacks but other files of its table have.

    Args:
        token: of the missing leaf.
        schema: of the file.
        ignore_case: as given to `schema_leaves`.
    """
    path = path_of(token)
    indices = _struct_prefix(path, list(schema), ignore_case)
    return Leaf(token, path, pa.null(), len(indices), indices, is_missing=True)


def _leaves(fields: Sequence[pa.Field], path: Path, indices: tuple[int, ...], ignore_case: bool) -> Iterator[Leaf]:
    for index, (step, field) in enumerate(_steps(fields, ignore_case)):
        type_, here = storage_type(field.type), path + step
        if type_.id == _STRUCT_ID and type_.num_fields:
            yield from _leaves([type_.field(i) for i in range(type_.num_fields)], here, (*indices, index), ignore_case)
        else:
            is_dictionary = type_ is not field.type and field.type.id == _DICTIONARY_ID
            yield Leaf(token_of(here), here, type_, len(indices), (*indices, index), is_dictionary=is_dictionary)


def _steps(fields: Sequence[pa.Field], ignore_case: bool) -> Iterator[tuple[Path, pa.Field]]:
    """Each field with its part of the path: its name, and its occurrence from the second on."""
    seen: Counter[str] = Counter()
    for field in fields:
        name = field.name.casefold() if ignore_case else field.name
        seen[name] += 1
        yield ((name,) if seen[name] == 1 else (name, seen[name])), field


def _struct_prefix(path: Path, fields: Sequence[pa.Field], ignore_case: bool) -> tuple[int, ...]:
    """Child positions of the enclosing structs of a path, as far as the fields have them."""
    for index, (step, field) in enumerate(_steps(fields, ignore_case)):
        type_, rest = storage_type(field.type), path[len(step) :]
        is_same = path[: len(step)] == step and not (rest and isinstance(rest[0], int))
        if is_same and rest and type_.id == _STRUCT_ID:
            children = [type_.field(i) for i in range(type_.num_fields)]
            return (index, *_struct_prefix(rest, children, ignore_case))
    return ()


def _leaf_array(batch: pa.RecordBatch, leaf: Leaf) -> LeafArray:
    if not leaf.indices:
        return LeafArray(pa.nulls(batch.num_rows), None)
    values, steps = batch.column(leaf.indices[0]), leaf.indices[1:]
    if not steps and not leaf.is_missing:
        return LeafArray(_plain(values), None)
    null_depth = np.full(len(values), leaf.depth, np.uint8)
    for level in range(leaf.depth):
        values = _plain(values)
        if values.null_count:
            is_null = values.is_null().to_numpy(zero_copy_only=False)
            null_depth[is_null & (null_depth == leaf.depth)] = level
        if level < len(steps):
            values = pc.struct_field(values, [steps[level]])
    return LeafArray(pa.nulls(len(values)) if leaf.is_missing else _plain(values), null_depth)


def _plain(values: pa.Array) -> pa.Array:
    """The values without dictionary, run-end encoding or extension around them.

    Views become values side by side: many of pyarrow's functions know no views, which Parquet files of delta-rs have.
    """
    while True:
        if isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        elif (type_ := _without_views(values.type)) != values.type:
            values = values.cast(type_)
        else:
            return values


@lru_cache(maxsize=4096)
def _without_views(type_: pa.DataType) -> pa.DataType:
    """The type with its texts, bytes and lists side by side."""
    if type_.id not in _MADE_OF:
        return _SIMPLE.get(type_.id, type_)
    fields = [type_.field(index) for index in range(type_.num_fields)]
    inner = [field.with_type(_without_views(field.type)) for field in fields]
    return type_ if inner == fields else _MADE_OF[type_.id](type_, inner)
