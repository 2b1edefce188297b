"""The files of a snapshot, out of its manifests, and which deletes apply to which data file.

Rules of sequence numbers, partitions and deletion vectors: "Scan Planning" of Iceberg's table specification.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

import fastavro

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.iceberg.model import PATH_ID, DeleteFile
from lakebed.connectors.lake.isolated import alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lakebed.connectors.lake.iceberg.metadata import Metadata
    from lakebed.connectors.lake.iceberg.model import Places

_DATA, _POSITIONS, _EQUALITY = range(3)
DELETED = 2
Partition = tuple[int, tuple[Any, ...]]
_NAN = object()


@dataclass(frozen=True)
class Entry:
    """A live file of a snapshot.

    `partition` are the spec's id and the values of its fields; `has_no_partition` says that the spec has none, so that
    equality deletes are for all files; `bounds` are the lower and upper bound of the path in positional deletes.
    """

    recorded: str
    content: int
    format: str
    n_rows: int
    size: int
    sequence: int
    partition: Partition
    has_no_partition: bool
    columns: tuple[int, ...] = ()
    refers_to: str | None = None
    offset: int | None = None
    n_bytes: int | None = None
    bounds: tuple[bytes, bytes] | None = None

    @property
    def key(self) -> Partition:
        """The partition to look up by: NaN is equal to itself."""
        number, values = self.partition
        return number, tuple(_NAN if isinstance(value, float) and isnan(value) else value for value in values)


@dataclass
class Snapshot:
    """The data files of a snapshot, and its deletes by what tells where they apply."""

    data: list[Entry] = field(default_factory=list)
    by_file: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    by_partition: dict[Partition, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    everywhere: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Adds a file."""
        if entry.content == _DATA:
            self.data.append(entry)
        elif entry.content == _EQUALITY and entry.has_no_partition:
            self.everywhere.append(entry)
        elif entry.refers_to is not None:
            self.by_file[entry.refers_to].append(entry)
        else:
            self.by_partition[entry.key].append(entry)

    def deletes_of(self, data: Entry, path: Callable[[str], str]) -> tuple[DeleteFile, ...]:
        """The deletes that apply to a data file, in the order of their paths.

        Args:
            data: the file.
            path: where a recorded file lies now.

        Raises:
            SourceError: if one cannot be read.
        """
        found = [*self.everywhere, *self.by_file.get(data.recorded, ()), *self.by_partition.get(data.key, ())]
        found = [one for one in found if _applies(one, data)]
        if any(one.format == "puffin" for one in found):
            # a deletion vector holds what the positional deletes before it did
            found = [one for one in found if one.content == _EQUALITY or one.format == "puffin"]
        return tuple(sorted((_delete_file(one, path) for one in found), key=lambda one: (one.path, one.offset)))


def read_snapshot(root: str, metadata: Metadata, places: Places) -> Snapshot:
    """The files of a table's current snapshot.

    Raises:
        SourceError: if a manifest is not there, or damaged.
    """
    found = Snapshot()
    for manifest in _manifests(root, metadata, places):
        alive()
        for entry in _entries(root, manifest, metadata, places):
            found.add(entry)
    return found


def _manifests(root: str, metadata: Metadata, places: Places) -> Iterator[Mapping[str, Any]]:
    snapshot = metadata.snapshot
    if snapshot is None:
        return
    if "manifest-list" in snapshot:
        yield from read_records(root, places.path(str(snapshot["manifest-list"])))[0]
        return
    yield from ({"manifest_path": path} for path in snapshot["manifests"])


def _entries(root: str, manifest: Mapping[str, Any], metadata: Metadata, places: Places) -> Iterator[Entry]:
    path = places.path(str(manifest["manifest_path"]))
    records, header, schema = read_records(root, path)
    spec_id = int(manifest.get("partition_spec_id", header.get("partition-spec-id", 0)))
    spec = metadata.specs.get(spec_id)
    if spec is None:
        raise SourceError("a manifest names a partition spec that the metadata lacks", value=f"{spec_id} in {path}")
    names = _partition_names(schema, path)
    for record in records:
        if record["status"] != DELETED:
            yield _entry(record, manifest, (spec_id, spec, names))


def _entry(
    record: Mapping[str, Any],
    manifest: Mapping[str, Any],
    spec: tuple[int, Sequence[Mapping[str, Any]], Sequence[str]],
) -> Entry:
    file, (spec_id, fields, names) = record["data_file"], spec
    sequence = record.get("sequence_number")
    values = file.get("partition") or {}
    return Entry(
        recorded=str(file["file_path"]),
        content=int(file.get("content") or 0),
        format=str(file["file_format"]).lower(),
        n_rows=int(file["record_count"]),
        size=int(file["file_size_in_bytes"]),
        # inherited from the manifest list; version 1 has none
        sequence=int(manifest.get("sequence_number") or 0) if sequence is None else int(sequence),
        partition=(spec_id, tuple(values.get(name) for name in names)),
        has_no_partition=all(one["transform"] == "void" for one in fields),
        columns=tuple(file.get("equality_ids") or ()),
        refers_to=file.get("referenced_data_file"),
        offset=file.get("content_offset"),
        n_bytes=file.get("content_size_in_bytes"),
        bounds=_bounds(file),
    )


def _bounds(file: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    if file.get("content") != _POSITIONS:
        return None
    ends = [
        next((one["value"] for one in file.get(what) or () if one["key"] == PATH_ID), None)
        for what in ("lower_bounds", "upper_bounds")
    ]
    return None if ends[0] is None or ends[1] is None else (bytes(ends[0]), bytes(ends[1]))


def _applies(delete: Entry, data: Entry) -> bool:
    if delete.content == _EQUALITY:
        return data.sequence < delete.sequence
    if data.sequence > delete.sequence:
        return False
    if delete.refers_to is None and delete.bounds is not None:
        # bounds may be cut: the lower one to a prefix, the upper one to a prefix that was incremented
        name, (low, high) = data.recorded.encode(), delete.bounds
        return low <= name and name[: len(high)] <= high
    return True


def _delete_file(entry: Entry, path: Callable[[str], str]) -> DeleteFile:
    if entry.format == "puffin":
        return DeleteFile("vector", path(entry.recorded), offset=entry.offset or 0, size=entry.n_bytes)
    if entry.format != "parquet":
        raise SourceError("a delete file is of a format that is not read", value=f"{entry.recorded}: {entry.format}")
    if entry.content == _EQUALITY:
        return DeleteFile("equality", path(entry.recorded), tuple(sorted(entry.columns)))
    return DeleteFile("positions", path(entry.recorded))


def partition_constants(metadata: Metadata, entry: Entry) -> dict[int, Any]:
    """The values of columns by which a file is partitioned as they are, by field id."""
    spec_id, values = entry.partition
    pairs = zip(metadata.specs[spec_id], values, strict=True)
    return {int(one["source-id"]): value for one, value in pairs if one["transform"] == "identity"}


def read_records(root: str, path: str) -> tuple[list[Mapping[str, Any]], Mapping[str, str], Mapping[str, Any]]:
    """The records of an Avro file, its metadata and its schema.

    Raises:
        SourceError: if it cannot be read.
    """
    try:
        with open_file(root, path) as stream:
            reader = fastavro.reader(stream)
            records = [record for record in reader if isinstance(record, dict)]
            return records, dict(reader.metadata), reader.writer_schema  # type: ignore[return-value]
    except Exception as error:
        # whatever the library makes of foreign bytes
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise SourceError(f"the manifest {path} is damaged", value=reason) from error


def _partition_names(schema: Mapping[str, Any], path: str) -> list[str]:
    """The names of a partition's values in a manifest's records, in the order of the spec's fields.

    Raises:
        SourceError: if the manifest is none.
    """
    found: Any = schema
    for name in ("data_file", "partition"):
        found = next((one["type"] for one in _fields(found) if one["name"] == name), None)
        if found is None:
            raise SourceError(f"the manifest {path} is damaged", value=f"its records have no {name}")
    return [str(one["name"]) for one in _fields(found)]


def _fields(record: Any) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = record["fields"] if isinstance(record, dict) else ()
    return found
