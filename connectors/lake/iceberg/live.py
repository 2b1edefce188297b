"""An Iceberg table as it is now, for those who hold files of an older version of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.iceberg.metadata import newest_metadata, read_metadata_file, without_rivals
from lakebed.connectors.lake.iceberg.model import READING, FileReading
from lakebed.connectors.lake.iceberg.rows import table_schema
from lakebed.connectors.lake.iceberg.table import read_tables
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.connectors.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.connectors.lake.statistics import FileFacts


def live_rows(root: str, path: str, noted: str = "") -> dict[str, int]:
    """The live rows of each data file of the newest snapshot, by path below the root.

    Args:
        root: of the lake.
        path: of the table's folder below it; "." is the root.
        noted: the metadata file that was read before; it counts among those of the same version.

    Raises:
        SourceError: if the table cannot be read.
    """
    return {file.path: file.n_rows for file in _live(root, path, noted)}


def _live(root: str, path: str, noted: str) -> list[FileFacts]:
    own = _files(root, path)
    source = TableSource(path, "iceberg", tuple(own), _folder(path), metadata=_newest(root, path, own, noted))
    facts = read_tables(root, [source], _LakeFiles(root, {entry.path: entry for entry in own}))[0]
    if isinstance(facts, SourceError):
        raise facts
    return facts.files


@dataclass
class _LakeFiles(Mapping[str, FileEntry]):
    """The files of a lake by path: those of a table's folder are known, others are looked for when asked for."""

    root: str
    known: dict[str, FileEntry]

    def __getitem__(self, path: str) -> FileEntry:
        if path not in self.known:
            is_inside = path and not path.startswith("/") and ".." not in path.split("/")
            found = Storage.at(self.root, SourceError).stat(path) if is_inside else None
            if found is None:
                raise KeyError(path)
            self.known[path] = FileEntry(path, found.size, found.mtime_ns)
        return self.known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def file_readings(root: str, path: str, files: Mapping[str, tuple[int, Mapping[str, str]]]) -> list[FileReading]:
    """How files are read that were noted, in their order.

    Where the metadata file of then is gone, as tables forget old ones, the newest will do, if it has the same schema;
    where a delete file is, as they are rewritten, the newest snapshot's deletes, if they leave as many rows.

    Args:
        root: of the lake.
        path: of the table's folder below it; "." is the root.
        files: live rows and casts of each file, by path, as they were noted.

    Raises:
        SourceError: if there is no such metadata, or are no such deletes any more.
    """
    noted = [FileReading.from_text(casts[READING]) for _, casts in files.values()]
    readings = _with_metadata(root, path, noted)
    storage = Storage.at(root, SourceError)
    deletes = {one.path for reading in readings for one in reading.deletes}
    gone = {name for name in sorted(deletes) if storage.stat(name) is None}
    if not gone:
        return readings
    live = {file.path: file for file in _live(root, path, noted[0].metadata)}
    found = []
    for (name, (n_rows, _)), reading in zip(files.items(), readings, strict=True):
        lost = next((one.path for one in reading.deletes if one.path in gone), None)
        found.append(reading if lost is None else _with_deletes(root, reading, live.get(name), (name, n_rows, lost)))
    return found


def _with_deletes(root: str, reading: FileReading, now: FileFacts | None, was: tuple[str, int, str]) -> FileReading:
    """The reading with the deletes of now, as long as they leave the same rows: none ever comes back."""
    name, n_rows, lost = was
    if now is None or now.n_rows != n_rows:
        raise SourceError(
            "a delete file of the Iceberg table is gone, and its newest snapshot reads other rows",
            value=f"{lost}, which deletes from {name}",
            hint="bring the table back to its old state",
        )
    newest = FileReading.from_text(now.casts[READING])
    if newest.schema == reading.schema:
        return newest
    known = table_schema(root, reading.metadata).fields
    if any(number not in known for one in newest.deletes for number in one.columns):
        raise SourceError("the Iceberg table deletes by other columns by now", value=lost, hint="lakebed plan")
    return replace(reading, recorded=newest.recorded, deletes=newest.deletes)


def _with_metadata(root: str, path: str, readings: Sequence[FileReading]) -> list[FileReading]:
    storage, found = Storage.at(root, SourceError), dict[str, str]()
    for name, schema in {(one.metadata, one.schema) for one in readings}:
        found[name] = name if storage.stat(name) is not None else _of_schema(root, path, schema)
    return [replace(one, metadata=found[one.metadata]) for one in readings]


def plain_schema(root: str, path: str, casts: Sequence[Mapping[str, str]]) -> pa.Schema:
    """The schema of the version in which files were noted; that of now for a table without files.

    Raises:
        SourceError: if there is no such metadata any more.
    """
    readings = _with_metadata(root, path, [FileReading.from_text(one[READING]) for one in casts[:1]])
    metadata = readings[0].metadata if readings else _of_schema(root, path, None)
    schema = table_schema(root, metadata).schema
    return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])


def _plain(type_: pa.DataType) -> pa.DataType:
    """The type without ids and defaults in it."""
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(type_.field(i).name, _plain(type_.field(i).type)) for i in range(type_.num_fields)])
    if pa.types.is_list(type_):
        return pa.list_(pa.field("element", _plain(type_.value_type)))
    if pa.types.is_map(type_):
        return pa.map_(_plain(type_.key_type), _plain(type_.item_type))
    return type_


def _newest(root: str, path: str, own: Sequence[FileEntry], noted: str) -> str:
    """The metadata file that counts; of several of a version the noted one, which a catalog may have named."""
    names = {entry.path for entry in own}
    return newest_metadata(root, _folder(path), without_rivals(names, noted) if noted in names else names)


def _of_schema(root: str, path: str, schema: str | None) -> str:
    found = _newest(root, path, _files(root, path), "")
    if schema is not None and read_metadata_file(root, found).schema_digest != schema:
        raise SourceError("the Iceberg table has other columns by now", value=path, hint="lakebed plan")
    return found


def _folder(path: str) -> str:
    return "" if path == "." else path


def _files(root: str, path: str) -> list[FileEntry]:
    found = Storage.at(root, SourceError).list_files(_folder(path))
    return [FileEntry(file.path, file.size, file.mtime_ns) for file in found if is_visible(file.path)]
