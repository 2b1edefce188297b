"""What a rebuilt Iceberg table needs beside its rows: all files of its metadata, as they were.

The rows of its data files are written again, the files of its metadata are put back, so that snapshots, branches, tags,
partition specs, sort orders, properties and the table's id are those of before. Only sizes of files stand otherwise in
manifests. That is true where no snapshot needs more than the data files of the newest, as in a table to which was only
appended; another one is refused.
"""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.iceberg.manifests import DELETED, read_records
from lakebed.connectors.lake.iceberg.metadata import (
    NEWEST_REBUILT,
    VERSION_HINT,
    is_catalogs,
    is_metadata,
    newest_metadata,
    read_bytes,
    unpacked,
)
from lakebed.connectors.lake.iceberg.model import METADATA, FileReading, Places
from lakebed.connectors.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

MAX_KEPT_BYTES = 1 << 28
"""Bytes of metadata that are kept beside a recipe, unpacked, at most."""
FOREIGN = (KeyError, TypeError, ValueError, AttributeError, RecursionError, EOFError, zlib.error)
"""What is raised of metadata that is JSON and Avro, but none of Iceberg's."""
# of which readers need not be told, and which are others in files that were written again
_SIZES = ("column_sizes", "split_offsets")
_METRICS = ("value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds")


def catalog_sign(folder: str, listed: Collection[str]) -> str:
    """What shows that a catalog may keep a table; empty for one that counts its versions itself.

    Args:
        folder: of the table, below the lake's root.
        listed: the files of the lake, or of the folder.
    """
    base = f"{folder}/{METADATA}/".lstrip("/")
    own = [path for path in listed if path.startswith(base)]
    named = next((path for path in sorted(own) if is_metadata(path) and is_catalogs(path)), None)
    if named is not None:
        return f"{named.removeprefix(base)} is called as a catalog calls its metadata"
    return "" if f"{base}{VERSION_HINT}" in own else f"it has no {VERSION_HINT}, as tables without a catalog have"


def read_kept(root: str, folder: str, data: Mapping[str, FileReading]) -> dict[str, bytes]:
    """The bytes of all files of a table but its data files, by path below the lake's root.

    Args:
        root: of the lake.
        folder: of the table below it.
        data: how each data file of the snapshot that counts is read, by its path.

    Raises:
        SourceError: if the table could not be written again with all that it has, with the reason.
    """
    if folder in {"", "."}:
        raise _refused("the lake's root is itself this table", [])
    storage = Storage.at(root, SourceError)
    found = {file.path: file.size for file in storage.list_files(folder) if is_visible(file.path)}
    table = _Table(root, folder, found.keys())
    for path, reading in data.items():
        table.require_own(path, reading)
    table.require_appended(data.keys())
    base = f"{folder}/{METADATA}/"
    kept = [path for path in found if path.startswith(base) or path in table.statistics]
    if others := sorted(found.keys() - data.keys() - set(kept)):
        raise _refused("a file in its folder is named by no snapshot: it is somebody else's, or being written", others)
    if sum(found[path] for path in kept) > MAX_KEPT_BYTES:
        raise _refused(f"its metadata has more than {MAX_KEPT_BYTES >> 20} MiB", [base])
    return {path: storage.read_bytes(path) for path in sorted(kept)}


@dataclass
class _Table:
    """The metadata of a table that lies in its folder, as JSON and records."""

    root: str
    folder: str
    listed: Collection[str]
    statistics: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.path = newest_metadata(self.root, self.folder, self.listed)
        head = json.loads(read_bytes(self.root, self.path))
        self.places = Places(self.root, self.folder, str(head["location"]), self.listed)
        version = int(head["format-version"])
        if version > NEWEST_REBUILT:
            raise _refused(f"a rebuild writes no tables of format version {version}", [self.path])
        if head.get("encryption-keys"):
            raise _refused("its files are encrypted", [self.path])
        self.snapshots = head.get("snapshots") or []
        for one in (*(head.get("statistics") or ()), *(head.get("partition-statistics") or ())):
            self.statistics.add(self.places.path(str(one["statistics-path"])))

    def require_own(self, path: str, reading: FileReading) -> None:
        """Refuses a data file elsewhere, and one whose cells are not the table's as they lie."""
        if not path.startswith(f"{self.folder}/"):
            raise _refused("a data file lies outside of its folder", [path])
        if reading.metadata != self.path:
            raise _refused("the newest metadata in its folder is not what was read", [self.path, reading.metadata])
        if reading.deletes or reading.constants:
            raise _refused("a rebuild writes neither deletes nor columns that stand in the metadata alone", [path])

    def require_appended(self, data: Collection[str]) -> None:
        """Refuses snapshots that need other files than the newest: their rows are nowhere else."""
        seen = set[str]()
        for snapshot in reversed(self.snapshots):
            for manifest in self._manifests(snapshot):
                for record in read_records(self.root, manifest)[0] if manifest not in seen else ():
                    self._require_entry(record, data, snapshot["snapshot-id"])
                seen.add(manifest)

    def _manifests(self, snapshot: Mapping[str, Any]) -> Iterator[str]:
        if "manifest-list" in snapshot:
            records = read_records(self.root, self.places.path(str(snapshot["manifest-list"])))[0]
            yield from (self.places.path(str(one["manifest_path"])) for one in records)
        else:
            yield from (self.places.path(str(path)) for path in snapshot["manifests"])

    def _require_entry(self, record: Mapping[str, Any], data: Collection[str], snapshot: int) -> None:
        if record["status"] == DELETED:
            return
        file = record["data_file"]
        if file.get("content"):
            raise _refused(f"its snapshot {snapshot} has delete files", [str(file["file_path"])])
        if file.get("key_metadata"):
            raise _refused("its files are encrypted", [str(file["file_path"])])
        if self.places.find(str(file["file_path"])) not in data:
            reason = f"its snapshot {snapshot} has rows that the newest has not, and that would not come back"
            raise _refused(reason, [str(file["file_path"])])


def restored(
    root: str, folder: str, kept: Mapping[str, bytes], sizes: Mapping[str, int], *, is_exact: bool
) -> Iterator[tuple[str, bytes]]:
    """The files of a table's metadata for data files that were written again; what names the newest comes last.

    Args:
        root: of a lake, for paths in the metadata that begin with it.
        folder: of the table.
        kept: what `read_kept` gave.
        sizes: bytes of the data files as they are now, by path below the root.
        is_exact: whether each file has the rows that it had; else rows may have changed places between files.

    Raises:
        SourceError: if rows may not change places, or a manifest cannot be written again.
    """
    names = [path for path in kept if path.startswith(f"{folder}/{METADATA}/")]
    heads = [head for path in names if is_metadata(path) and (head := _head(kept[path])) is not None]
    places = [Places(root, folder, str(head["location"]), {*kept, *sizes}) for head in heads]
    manifests = _Manifests(places, sizes, is_exact)
    avro = {path: data for path in names if path.endswith(".avro") and (data := _records(kept[path])) is not None}
    if not is_exact:
        _require_interchangeable(heads, [one for records, _ in avro.values() for one in records if "data_file" in one])
    made = dict(kept)
    for path, (records, header) in avro.items():
        if any("data_file" in one for one in records):
            made[path] = _rewritten(path, [manifests.entry(one) for one in records], header)
    for path, (records, header) in avro.items():
        if any("manifest_path" in one for one in records):
            made[path] = _rewritten(path, [manifests.listed(one, made) for one in records], header)
    yield from sorted(made.items(), key=lambda item: (item[0].endswith(VERSION_HINT), is_metadata(item[0]), item[0]))


@dataclass(frozen=True)
class _Manifests:
    """Puts the sizes of new files into the records of manifests and their lists."""

    places: list[Places]
    sizes: Mapping[str, int]
    is_exact: bool

    def entry(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of a manifest."""
        file = dict(record["data_file"])
        size = self.sizes.get(self._find(str(file["file_path"])))
        if record["status"] == DELETED or size is None:
            return dict(record)
        gone = _SIZES if self.is_exact else (*_SIZES, *_METRICS)
        file |= {"file_size_in_bytes": size, **{name: None for name in gone if name in file}}
        return {**record, "data_file": file}

    def listed(self, record: Mapping[str, Any], made: Mapping[str, bytes]) -> dict[str, Any]:
        """An entry of a manifest list."""
        manifest = made.get(self._find(str(record["manifest_path"])))
        return dict(record) if manifest is None else {**record, "manifest_length": len(manifest)}

    def _find(self, recorded: str) -> str:
        return next((path for one in self.places if (path := one.find(recorded)) is not None), "")


def _require_interchangeable(heads: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> None:
    """Refuses files that tell apart which rows they have: by snapshots, partitions, or the order of rows.

    Raises:
        SourceError: with the reason.
    """
    live = [one["data_file"] for one in entries if one["status"] != DELETED]
    snapshots = {one["snapshot-id"] for head in heads for one in head.get("snapshots") or ()}
    partitions = {json.dumps(one.get("partition") or {}, default=str, sort_keys=True) for one in live}
    if len({one["file_path"] for one in live}) > 1 and (len(snapshots) > 1 or len(partitions) > 1):
        raise _refused("the order of its rows is lost, and its snapshots or partitions have different files", [])
    if any(one.get("sort_order_id") for one in live):
        raise _refused("the order of its rows is lost, and its files are sorted", [])


def _records(data: bytes) -> tuple[list[dict[str, Any]], dict[str, str]] | None:
    """Records and header of an Avro file; None of one that is damaged, which no snapshot needs."""
    try:
        reader = fastavro.reader(io.BytesIO(data))
        return [record for record in reader if isinstance(record, dict)], dict(reader.metadata)
    except Exception:
        # whatever the library makes of foreign bytes
        return None


def _rewritten(path: str, records: list[dict[str, Any]], header: Mapping[str, str]) -> bytes:
    """An Avro file of the same schema, codec and header.

    Raises:
        SourceError: if it does not read as it was written.
    """
    metadata = {key: value for key, value in header.items() if not key.startswith("avro.")}
    sink = io.BytesIO()
    try:
        schema = json.loads(header["avro.schema"])
        fastavro.writer(sink, schema, records, codec=header.get("avro.codec", "null"), metadata=metadata)
        again = _records(sink.getvalue())
        if again is None or again[0] != records or json.loads(again[1]["avro.schema"]) != schema:
            raise ValueError("it reads otherwise")
    except Exception as error:
        # whatever the library makes of a foreign schema
        raise SourceError("a manifest cannot be written again", value=f"{path}: {str(error)[:200]}") from error
    return sink.getvalue()


def _head(data: bytes) -> dict[str, Any] | None:
    """What a metadata file says; None of a damaged one, which is an older one."""
    try:
        found = json.loads(unpacked(data))
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    return found if isinstance(found, dict) and "location" in found else None


def _refused(reason: str, examples: list[str]) -> SourceError:
    return SourceError(reason, value=examples[0] if examples else None, examples=examples[1:5])
