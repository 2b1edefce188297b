"""Reads the rows of an Iceberg table's data file: columns by field id, as the table's schema has them, live rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import (
    ReadCounter,
    batch_rows,
    column_ranges,
    open_parquet,
    read_batches,
    source_errors,
    wide_twin,
)
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.iceberg.deletes import Deletes, read_deletes
from lakebed.connectors.lake.iceberg.metadata import read_metadata_file
from lakebed.connectors.lake.iceberg.model import FileReading
from lakebed.connectors.lake.iceberg.schema import (
    arrow_schema,
    converter,
    default_of,
    field_at,
    field_id,
    flat_ids,
    plain,
    value_of,
    with_ids,
)
from lakebed.connectors.lake.int96 import exact_batch
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.leaves import batch_leaves, missing_leaf, schema_leaves
from lakebed.connectors.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow.parquet as pq

    from lakebed.connectors.lake.batches import Split
    from lakebed.connectors.lake.iceberg.metadata import Metadata
    from lakebed.connectors.lake.leaves import Leaf, LeafArray
    from lakebed.connectors.storage import StoredFile


@dataclass(frozen=True)
class TableSchema:
    """The schema of one version of a table: as it is now, with all fields that it ever had by id, and its mapping."""

    metadata: Metadata
    schema: pa.Schema
    fields: Mapping[int, pa.Field]

    @classmethod
    def of(cls, metadata: Metadata) -> TableSchema:
        """Out of its metadata.

        Raises:
            SourceError: if a column has a type that is not known.
        """
        current = arrow_schema(metadata.schema)
        known = [arrow_schema(one) for one in metadata.schemas] if len(metadata.schemas) > 1 else []
        fields = {
            number: field_at(schema, place)
            for schema in (*known, current)
            for number, place in flat_ids(schema).items()
        }
        return cls(metadata, current, fields)


def table_schema(root: str, metadata: str) -> TableSchema:
    """The same by the path of the metadata file; kept while the file is the same, as a worker reads many of a table.

    Raises:
        SourceError: if the metadata cannot be read.
    """
    with source_errors(metadata):
        return _table_schema(root, metadata, Storage.at(root, SourceError).stat(metadata))


@lru_cache(maxsize=16)
def _table_schema(root: str, metadata: str, _: StoredFile | None) -> TableSchema:
    """Of the file as it was seen: a table that is made anew may have another schema under the same name."""
    return TableSchema.of(read_metadata_file(root, metadata))


@dataclass(frozen=True)
class Column:
    """How a column of the table is made: of the file's column at `place`, changed, or of the same value everywhere."""

    place: int | None
    change: Callable[[pa.Array], pa.Array] | None
    constant: pa.Scalar | None

    def cells(self, batch: pa.RecordBatch, at: Mapping[int, int]) -> pa.Array:
        """Its cells; `at` tells where in the batch a file's column is."""
        if self.place is None:
            return pa.repeat(self.constant, batch.num_rows)
        values = plain(batch.column(at[self.place]))
        return values if self.change is None else self.change(values)


@dataclass(frozen=True)
class DataFile:
    """An open data file, its columns told by ids."""

    file: pq.ParquetFile
    source: pa.NativeFile
    schema: pa.Schema
    table: TableSchema
    reading: FileReading

    @classmethod
    def of(cls, source: pa.NativeFile, table: TableSchema, reading: FileReading) -> DataFile:
        """Opens the file that the stream is.

        Raises:
            SourceError: if its columns cannot be told.
        """
        file = open_parquet(source)
        return cls(file, source, with_ids(file.schema_arrow, table.metadata.name_mapping), table, reading)

    def column(self, field: pa.Field) -> Column:
        """How a top-level column of the table is read.

        Raises:
            SourceError: if the file has it in a type that cannot become the table's.
        """
        number = field_id(field)
        for place, given in enumerate(self.schema):
            if field_id(given) == number:
                return Column(place, converter(given, field), None)
        return Column(None, None, self._constant(field))

    def _constant(self, field: pa.Field) -> pa.Scalar:
        constants = dict(self.reading.constants)
        number = field_id(field)
        if number in constants:
            text = constants[number]
            return pa.scalar(None, field.type) if text is None else value_of(text, field)
        return default_of(field)

    def equal_cells(self, number: int, batch: pa.RecordBatch, at: Mapping[int, int]) -> pa.Array:
        """The cells by which an equality delete compares, as the table has them."""
        field = self.table.fields[number]
        place = flat_ids(self.schema).get(number)
        if place is None:
            return pa.repeat(self._constant(field), batch.num_rows)
        values = batch.column(at[place[0]])
        for step in place[1:]:
            values = pc.struct_field(values, [step])
        change = converter(field_at(self.schema, place), field)
        return plain(values) if change is None else change(plain(values))

    def batches(
        self, places: Sequence[int], groups: tuple[int, ...] | None, counter: ReadCounter
    ) -> Iterator[pa.RecordBatch]:
        """The file's top-level columns at the given places, sorted, in batches."""
        ranges = column_ranges(self.file.schema_arrow)
        columns = [index for place in places for index in ranges[place]]
        n_rows = batch_rows(columns)
        batches = read_batches(self.file, groups, columns, counter, n_rows)
        wide = wide_twin(self.file, self.source, columns)
        if wide is None:
            yield from batches
            return
        twins = read_batches(wide.file, groups, wide.columns, ReadCounter(), n_rows)
        for batch, twin in zip(batches, twins, strict=True):
            yield exact_batch(batch, dict(zip(wide.places, twin.columns, strict=True)))


def iceberg_cells(
    root: str, split: Split, tokens: Sequence[str], counter: ReadCounter, ignore_case: bool
) -> Iterator[dict[str, LeafArray]]:
    """The cells of the asked columns of a split, of its live rows, as `read_split` gives them.

    Raises:
        SourceError: if the file, its deletes or the table's metadata cannot be read.
    """
    reading = FileReading.from_text(split.iceberg or "")
    table = table_schema(root, reading.metadata)
    deletes = read_deletes(root, reading)
    with source_errors(split.path), open_file(root, split.path, split.n_bytes) as source:
        data = DataFile.of(source, table, reading)
        fields, leaves = _asked(table.schema, tokens, ignore_case)
        columns = [data.column(field) for field in fields]
        for start, batch, at in _with_starts(data, columns, deletes, split.row_groups, counter):
            alive()
            cells = [column.cells(batch, at) for column in columns]
            made = _batch(cells, fields, batch.num_rows)
            found = batch_leaves(made, leaves)
            equal = {number: data.equal_cells(number, batch, at) for number in deletes.columns}
            mask = deletes.live(start, equal, batch.num_rows)
            yield {token: found[token].filter(mask) for token in tokens}


def n_live(root: str, data: DataFile, n_rows: int) -> int:
    """How many rows of a file its deletes leave; reads the columns by which equality deletes compare.

    Raises:
        SourceError: if a delete file cannot be read.
    """
    deletes = read_deletes(root, data.reading)
    if not deletes.values:
        return n_rows - int((deletes.positions < n_rows).sum())
    n_left = 0
    for start, batch, at in _with_starts(data, [], deletes, None, ReadCounter()):
        alive()
        equal = {number: data.equal_cells(number, batch, at) for number in deletes.columns}
        mask = deletes.live(start, equal, batch.num_rows)
        n_left += batch.num_rows if mask is None else int(pc.sum(mask).as_py() or 0)
    return n_left


def _with_starts(
    data: DataFile,
    columns: Sequence[Column],
    deletes: Deletes,
    groups: tuple[int, ...] | None,
    counter: ReadCounter,
) -> Iterator[tuple[int, pa.RecordBatch, dict[int, int]]]:
    """Batches with the place of their first row in the file, and where in them the file's columns are."""
    known = flat_ids(data.schema)
    wanted = {column.place for column in columns if column.place is not None}
    wanted |= {known[number][0] for number in deletes.columns if number in known}
    places = sorted(wanted)
    at = {place: index for index, place in enumerate(places)}
    metadata = data.file.metadata
    start = sum(metadata.row_group(group).num_rows for group in range((groups or (0,))[0]))
    for batch in data.batches(places, groups, counter):
        yield start, batch, at
        start += batch.num_rows


def _asked(schema: pa.Schema, tokens: Sequence[str], ignore_case: bool) -> tuple[list[pa.Field], list[Leaf]]:
    """The top-level columns that hold the asked leaves, and these leaves in a batch of such columns."""
    wanted = set(tokens)
    leaves = [leaf for leaf in schema_leaves(schema, ignore_case) if leaf.token in wanted]
    missing = [missing_leaf(token, schema, ignore_case) for token in wanted - {leaf.token for leaf in leaves}]
    tops = sorted({leaf.indices[0] for leaf in (*leaves, *missing) if leaf.indices})
    position = {top: index for index, top in enumerate(tops)}
    moved = [
        replace(leaf, indices=(position[leaf.indices[0]], *leaf.indices[1:])) if leaf.indices else leaf
        for leaf in (*leaves, *missing)
    ]
    return [schema.field(top) for top in tops], moved


def _batch(cells: Sequence[pa.Array], fields: Sequence[pa.Field], n_rows: int) -> pa.RecordBatch:
    if not cells:
        return pa.RecordBatch.from_struct_array(pa.StructArray.from_buffers(pa.struct([]), n_rows, [None]))
    return pa.RecordBatch.from_arrays(list(cells), names=[field.name for field in fields])
