"""What Parquet's annotations say of columns beyond the types that Arrow gives them.

ENUM is text ("applications … should interpret ENUM annotated field as a UTF-8 encoded string", LogicalTypes.md), and so
is JSON. A VARIANT is one value, whatever columns it is shredded into.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.lake.leaves import Leaf, LeafArray, Path, n_parquet_columns, schema_leaves, storage_type
from lakebed.connectors.lake.variant import VARIANT_TYPE, canonical_variants

_TEXT = ("ENUM", "JSON")
_BINARY_IDS = frozenset({pa.binary().id, pa.large_binary().id, pa.binary_view().id})
_GROUP = re.compile(
    r"^(?P<indent> *)(?:required|optional|repeated) group field_id=\S+ (?P<name>.*?)(?P<is>\(Variant.*)? \{$"
)
# Spark 4.0 writes no annotation, but its own schema
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"


def exact_schema(file: pq.ParquetFile, variants: Collection[Path] = ()) -> pa.Schema:
    """The Arrow schema of a file, with text where bytes are annotated so, and VARIANT groups as one column each.

    The number of top-level columns, and the places of their members, stay what they are in `schema_arrow`.

    Args:
        file: open.
        variants: paths of groups that are VARIANT, annotated or not.
    """
    schema = file.schema_arrow
    if not any(_may_differ(field.type) for field in schema):
        return schema
    walk = _Walk(file, variants)
    return pa.schema([walk.field(field, (field.name,)) for field in schema])


def file_leaves(
    file: pq.ParquetFile,
    ignore_case: bool = False,
    variants: Collection[Path] = (),
    exact: pa.Schema | None = None,
) -> list[Leaf]:
    """The leaves of a file; `stored` is the type of a leaf in `schema_arrow`, where that is another one.

    Args:
        file: open.
        variants: as of `exact_schema`.
        ignore_case: whether tokens are folded.
        exact: the schema that it gives, where that is known.
    """
    exact = exact_schema(file, variants) if exact is None else exact
    given = file.schema_arrow  # pyarrow makes it anew each time it is asked for
    leaves = schema_leaves(exact, ignore_case)
    stored = [_type_at(given, leaf.indices) for leaf in leaves]
    return [
        leaf if leaf.type == type_ else replace(leaf, stored=type_) for leaf, type_ in zip(leaves, stored, strict=True)
    ]


def exact_cells(cells: LeafArray, leaf: Leaf) -> LeafArray:
    """The cells of a leaf as `file_leaves` describes it.

    Raises:
        pyarrow.ArrowInvalid: if bytes that are annotated as text are none.
        ValueError: if a VARIANT breaks its encoding.
    """
    if leaf.stored is None or leaf.is_missing:
        return cells
    values = canonical_variants(cells.values) if leaf.type == VARIANT_TYPE else pc.cast(cells.values, leaf.type)
    return LeafArray(values, cells.null_depth)


def _may_differ(type_: pa.DataType) -> bool:
    """Whether a type has bytes, or a group of bytes, somewhere."""
    type_ = storage_type(type_)
    return type_.id in _BINARY_IDS or any(_may_differ(type_.field(index).type) for index in range(type_.num_fields))


def _type_at(schema: pa.Schema, indices: tuple[int, ...]) -> pa.DataType:
    type_ = storage_type(schema.field(indices[0]).type)
    for index in indices[1:]:
        type_ = storage_type(type_.field(index).type)
    return type_


class _Walk:
    """Goes through a file's schema, counting Parquet's columns."""

    def __init__(self, file: pq.ParquetFile, variants: Collection[Path]) -> None:
        self._schema = file.metadata.schema
        self._n_columns = 0
        self._variants: set[Path] = {*variants, *_annotated(str(file.schema))}
        self._is_spark = b'"variant"' in (file.metadata.metadata or {}).get(_SPARK_SCHEMA, b"")

    def field(self, field: pa.Field, path: Path) -> pa.Field:
        """The field with its exact type."""
        return pa.field(field.name, self._type(field.type, path), field.nullable)

    def _type(self, given: pa.DataType, path: Path) -> pa.DataType:
        type_ = storage_type(given)
        if type_.num_fields == 0:
            column = self._schema.column(self._n_columns)
            self._n_columns += 1
            is_text = type_.id in _BINARY_IDS and column.logical_type.type in _TEXT
            return pa.string() if is_text else given
        if self._is_variant(type_, path):
            self._n_columns += n_parquet_columns(type_)
            return VARIANT_TYPE
        if pa.types.is_struct(type_):
            return pa.struct([self.field(child, (*path, child.name)) for child in type_])
        return self._nested(given, type_, path)

    def _nested(self, given: pa.DataType, type_: pa.DataType, path: Path) -> pa.DataType:
        inner = [self.field(type_.field(index), (*path, "*")) for index in range(type_.num_fields)]
        if all(new.type == type_.field(index).type for index, new in enumerate(inner)):
            return given
        if pa.types.is_map(type_):
            return pa.map_(*inner[0].type)
        return pa.list_(inner[0])

    def _is_variant(self, type_: pa.DataType, path: Path) -> bool:
        if not pa.types.is_struct(type_):
            return False
        members = {child.name: child.type.id for child in type_}
        if members.get("metadata") not in _BINARY_IDS or not members.keys() <= {"metadata", "value", "typed_value"}:
            return False
        return path in self._variants or self._is_spark


def _annotated(text: str) -> Iterator[Path]:
    """The paths of groups that are annotated as VARIANT, out of a schema as pyarrow prints it."""
    path: list[str] = []
    for line in text.splitlines():
        if match := _GROUP.match(line):
            depth = len(match["indent"]) // 2
            path[depth:] = [match["name"].strip()]
            if match["is"]:
                yield tuple(path[1:])
