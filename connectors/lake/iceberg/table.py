"""An Iceberg table as its metadata describes it: columns, live data files, what is known of their values.

Bounds and null counts are taken from the footers of the data files, which are opened for their field ids anyway: there
they are as a writer found them, while manifests cut text to 16 characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.errors import LakeError, SourceBusyError, SourceError
from lakebed.connectors.lake.batches import reason_of, source_errors
from lakebed.connectors.lake.canonical import canonical_values, has_order
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.iceberg.deletes import that_apply
from lakebed.connectors.lake.iceberg.manifests import Entry, partition_constants, read_snapshot
from lakebed.connectors.lake.iceberg.metadata import newest_metadata, read_metadata_file
from lakebed.connectors.lake.iceberg.model import HINT, READING, FileReading, Places
from lakebed.connectors.lake.iceberg.rows import DataFile, TableSchema, n_live
from lakebed.connectors.lake.iceberg.schema import default_of, field_at, field_id, flat_ids, is_same, text_of
from lakebed.connectors.lake.isolated import alive, isolated
from lakebed.connectors.lake.leaves import schema_leaves, storage_type
from lakebed.connectors.lake.parquet import footer_facts
from lakebed.connectors.lake.statistics import UNKNOWN, FileFacts, LeafStatistics, tight, widen
from lakebed.connectors.object_client import has_client
from lakebed.connectors.uris import is_object_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakebed.connectors.lake.leaves import Leaf
    from lakebed.connectors.lake.model import FileEntry, TableSource
    from lakebed.connectors.lake.statistics import Interval, Tightness


@dataclass
class IcebergFacts:
    """A table: its leaves in schema order, its files by path, and whether these can be read as any Parquet."""

    leaves: list[Leaf] = field(default_factory=list)
    files: list[FileFacts] = field(default_factory=list)
    is_plain: bool = True


def read_tables(
    root: str, sources: Sequence[TableSource], files: Mapping[str, FileEntry], ignore_case: bool = False
) -> list[IcebergFacts | SourceError]:
    """The facts of each table, or why it cannot be read; read in a process of its own, as damaged bytes may kill it.

    Args:
        root: of the lake.
        sources: the tables.
        files: of the lake, by path: data may lie outside of a table's folder.
        ignore_case: whether column names that differ only in case are the same.

    Raises:
        SourceBusyError: if the store does not answer.
    """
    is_forked = not (is_object_store(root) and has_client())
    work = _Work(root, files, ignore_case)
    found = list(isolated(work, sources, _deadly, is_forked=is_forked))
    if busy := next((one for one in found if isinstance(one, SourceBusyError)), None):
        raise busy
    return found


@dataclass(frozen=True)
class _Work:
    root: str
    files: Mapping[str, FileEntry]
    ignore_case: bool

    def __call__(self, source: TableSource) -> IcebergFacts | SourceError:
        try:
            return read_table(self.root, source, self.files, self.ignore_case)
        except SourceError as error:
            return error
        except LakeError as error:
            return SourceError(error.what, value=error.value, hint=error.hint)
        except MemoryError:
            return SourceError("its metadata takes too much memory to read", hint=HINT)
        except RecursionError:
            return SourceError("its metadata is nested too deeply", hint=HINT)
        except Exception as error:
            # whatever is made of foreign bytes
            return SourceError("its metadata is damaged", value=reason_of(error), hint=HINT)


def _deadly(source: TableSource, why: str) -> IcebergFacts | SourceError:
    del source
    return SourceError("its metadata is damaged", value=why, hint=HINT)


def read_table(
    root: str, source: TableSource, files: Mapping[str, FileEntry], ignore_case: bool = False
) -> IcebergFacts:
    """Reads the current snapshot of a table; arguments as of `read_tables`.

    Raises:
        SourceError: if it cannot be read, with the reason.
    """
    own = {entry.path for entry in source.files}
    metadata = read_metadata_file(root, source.metadata or newest_metadata(root, source.path, own))
    places = Places(root, source.path, metadata.location, files.keys())
    table = _Table(root, TableSchema.of(metadata), ignore_case)
    snapshot = read_snapshot(root, metadata, places)
    facts, plain = [], True
    for data in snapshot.data:
        alive()
        if data.format != "parquet":
            raise SourceError("a data file is of a format that is not read", value=f"{data.recorded}: {data.format}")
        entry = files[places.path(data.recorded)]
        reading = FileReading(
            metadata.path, metadata.schema_digest, data.recorded, snapshot.deletes_of(data, places.path)
        )
        file, is_plain = table.file(entry, data, reading)
        facts.append(file)
        plain &= is_plain
    if len({file.path for file in facts}) < len(facts):
        raise SourceError("its snapshot names a data file twice", hint=HINT)
    return IcebergFacts(table.leaves, sorted(facts, key=lambda file: file.path), plain)


class _Table:
    """Describes the files of a table by its leaves."""

    def __init__(self, root: str, schema: TableSchema, ignore_case: bool) -> None:
        self._root, self._schema, self._ignore_case = root, schema, ignore_case
        self.leaves = schema_leaves(schema.schema, ignore_case)
        self._ids = [_ids_above(schema.schema, leaf.indices) for leaf in self.leaves]

    def file(self, entry: FileEntry, data: Entry, reading: FileReading) -> tuple[FileFacts, bool]:
        """The facts of a file, and whether it can be read as it lies."""
        with source_errors(entry.path), open_file(self._root, entry.path, entry.size) as source:
            footer = footer_facts(entry, source, self._ignore_case)
            if footer.n_rows != data.n_rows:
                raise ValueError(f"it has {footer.n_rows} rows, and the manifest counts {data.n_rows}")
            reading = that_apply(self._root, reading)
            opened = DataFile.of(source, self._schema, reading)
            given = opened.schema
            opened = replace(opened, reading=replace(reading, constants=self._constants(data, given)))
            n_rows = n_live(self._root, opened, footer.n_rows) if reading.deletes else footer.n_rows
            statistics, is_plain = self._statistics(opened, footer, n_rows)
        facts = FileFacts(
            entry.path, entry.size, n_rows, footer.row_group_rows, footer.row_group_bytes, self.leaves, statistics
        )
        facts.casts = {READING: opened.reading.to_text()}
        return facts, is_plain and not reading.deletes

    def _constants(self, data: Entry, given: pa.Schema) -> tuple[tuple[int, str | None], ...]:
        """The columns that stand in the metadata alone."""
        known, fields = flat_ids(given), self._schema.fields
        places, found = flat_ids(self._schema.schema), partition_constants(self._schema.metadata, data)
        if any(len(places.get(number, ())) > 1 for number in found.keys() - known.keys()):
            raise ValueError("a partition column inside of a struct stands in the metadata alone")
        return tuple(
            (number, text_of(value, fields[number]))
            for number, value in sorted(found.items())
            if number not in known and number in fields
        )

    def _statistics(self, data: DataFile, footer: FileFacts, n_rows: int) -> tuple[LeafStatistics, bool]:
        known, at = flat_ids(data.schema), {leaf.indices: index for index, leaf in enumerate(footer.leaves)}
        tokens = {leaf.token for leaf in footer.leaves}
        made, is_plain = LeafStatistics(), True
        for field_ in self._schema.schema:
            # refuses types that cannot become the table's before any row is read
            data.column(field_)
        for leaf, ids in zip(self.leaves, self._ids, strict=True):
            wanted, place = field_at(self._schema.schema, leaf.indices), known.get(ids[-1])
            found = at.get(place) if place is not None else None
            if found is None or place is None:
                inner = _inner_constant(wanted) if place is None else None
                scalar = data.column(wanted).constant if len(ids) == 1 else inner
                made.add(*_of_constant(scalar, leaf, n_rows), 0)
                is_plain &= scalar is not None and not scalar.is_valid and leaf.token not in tokens and place is None
                continue
            theirs, given = footer.leaves[found], field_at(data.schema, place)
            is_here = [_id_at(data.schema, place[:depth]) for depth in range(1, len(place) + 1)] == ids
            is_plain &= is_here and theirs.token == leaf.token and _reads_alike(given, wanted)
            made.add(*_of_footer(footer, found, leaf, n_rows), footer.statistics.n_bytes[found])
        return made, is_plain


def _inner_constant(field_: pa.Field) -> pa.Scalar | None:
    """What a member of a struct reads as where a file lacks it; None: its default, where there is a struct at all."""
    scalar = default_of(field_)
    return None if scalar.is_valid else scalar


def _ids_above(schema: pa.Schema, indices: tuple[int, ...]) -> list[int]:
    """The ids on the way to a leaf, its own at the end."""
    return [_id_at(schema, indices[:depth]) for depth in range(1, len(indices) + 1)]


def _id_at(schema: pa.Schema, indices: tuple[int, ...]) -> int:
    number = field_id(field_at(schema, indices))
    return -1 if number is None else number


def _reads_alike(given: pa.Field, wanted: pa.Field) -> bool:
    """Whether cells of the file are equal to those of the table as they lie."""
    if is_same(given, wanted):
        return True
    one, other = storage_type(given.type), storage_type(wanted.type)
    return bool(pa.types.is_signed_integer(one) and pa.types.is_signed_integer(other))


def _of_constant(scalar: pa.Scalar | None, leaf: Leaf, n_rows: int) -> tuple[Interval, Tightness, int | None]:
    if scalar is None:
        return UNKNOWN, "none", None
    if not scalar.is_valid:
        return UNKNOWN, "none", n_rows
    value = canonical_values(pa.array([scalar.as_py()], leaf.type))[0] if has_order(leaf.type) else None
    return (UNKNOWN, "none", 0) if value is None else (tight(value, value), "tight", 0)


def _of_footer(footer: FileFacts, place: int, leaf: Leaf, n_rows: int) -> tuple[Interval, Tightness, int | None]:
    """What a footer says of a column of the table; nothing of values that are others in the table."""
    stats, theirs = footer.statistics, footer.leaves[place]
    n_nulls = stats.n_nulls[place]
    bounds, tightness = UNKNOWN, stats.tightness[place]
    if theirs.type != leaf.type and not _keeps_values(theirs.type, leaf.type):
        tightness = "none"
    else:
        bounds = stats.min_lower[place], stats.min_upper[place], stats.max_lower[place], stats.max_upper[place]
    if n_rows != footer.n_rows:
        n_nulls = 0 if n_nulls == 0 else n_rows if n_nulls == footer.n_rows else None
        bounds, tightness = widen(bounds), "none" if tightness == "none" else "wide"
    return bounds, tightness, n_nulls


def _keeps_values(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether a promotion leaves the plain values of bounds what they are."""
    pairs = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_kind(one) and is_kind(other) for is_kind in pairs)
