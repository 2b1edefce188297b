"""Iceberg tables written by hand: what pyiceberg does not write, in every format version."""

from __future__ import annotations

import json
import tempfile
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pyroaring

Json = dict[str, Any]
PATH_ID, POSITION_ID = 2147483546, 2147483545
_DELETES = pa.schema(
    [
        pa.field("file_path", pa.string(), metadata={"PARQUET:field_id": str(PATH_ID)}),
        pa.field("pos", pa.int64(), metadata={"PARQUET:field_id": str(POSITION_ID)}),
    ]
)


def column(number: int, name: str, type_: Any, **more: Any) -> Json:
    """A field of a schema."""
    return {"id": number, "name": name, "required": False, "type": type_, **more}


def with_ids(table: pa.Table, ids: dict[str, int]) -> pa.Table:
    """The table with field ids on its top-level columns."""
    fields = [pa.field(f.name, f.type, metadata={"PARQUET:field_id": str(ids[f.name])}) for f in table.schema]
    return table.cast(pa.schema(fields))


@dataclass
class HandMade:
    """A table below `folder`; `location` is what its metadata calls the folder."""

    folder: Path
    columns: list[Json]
    version: int = 2
    location: str = ""
    spec: list[Json] = field(default_factory=list)
    partition_types: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    sequence: int = 0
    n_metadata: int = 0
    manifests: list[Json] = field(default_factory=list)
    has_hint: bool = True
    name: str = "v{n}.metadata.json"

    def __post_init__(self) -> None:
        (self.folder / "metadata").mkdir(parents=True)
        self.location = self.location or str(self.folder)

    def ids(self) -> dict[str, int]:
        """Field ids by name."""
        return {one["name"]: one["id"] for one in self.columns}

    def data(self, table: pa.Table, partition: Json | None = None, name: str = "", ids: bool = True) -> Json:
        """Writes a data file; the entry for `commit`."""
        name = name or f"{uuid.uuid4()}.parquet"
        return self._file(name, with_ids(table, self.ids()) if ids else table, 0, partition)

    def equality(self, table: pa.Table, partition: Json | None = None) -> Json:
        """Writes an equality delete by all columns of the rows."""
        entry = self._file(f"eq-{uuid.uuid4()}.parquet", with_ids(table, self.ids()), 2, partition)
        entry["data_file"]["equality_ids"] = [self.ids()[name] for name in table.column_names]
        return entry

    def positions(self, data: Json, places: list[int], partition: Json | None = None) -> Json:
        """Writes a positional delete of rows of one data file."""
        path = data["data_file"]["file_path"]
        rows = pa.table({"file_path": [path] * len(places), "pos": places}, schema=_DELETES)
        return self._file(f"pos-{uuid.uuid4()}.parquet", rows, 1, partition)

    def vector(self, data: Json, places: list[int]) -> Json:
        """Writes a deletion vector, without Puffin around it but at an offset."""
        body = b"\xd1\xd3\x39\x64" + pyroaring.BitMap64(places).serialize()
        blob = len(body).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        path = self.folder / "data" / f"{uuid.uuid4()}.puffin"
        path.write_bytes(b"PFA1" + blob)
        entry = self._entry(path, "PUFFIN", len(places), 1, None)
        entry["data_file"] |= {
            "referenced_data_file": data["data_file"]["file_path"], "content_offset": 4,
            "content_size_in_bytes": len(blob),
        }  # fmt: skip
        return entry

    def commit(self, *entries: Json, columns: list[Json] | None = None, drop: bool = False) -> Path:
        """Makes a snapshot of what there was and of new files; the metadata file."""
        self.sequence += 1
        self.columns = columns or self.columns
        self.manifests = [] if drop else self.manifests
        for content in (0, 1):
            own = [one for one in entries if bool(one["data_file"]["content"]) == bool(content)]
            if own:
                self.manifests.append(self._manifest(own, content))
        path = self.folder / "metadata" / f"snap-{self.sequence}.avro"
        with path.open("wb") as stream:
            fastavro.writer(stream, _LIST, self.manifests)
        return self.metadata(self._place(path))

    def metadata(self, manifest_list: str | None = None, **more: Any) -> Path:
        """Writes the next metadata file."""
        self.n_metadata += 1
        snapshot = {
            "snapshot-id": self.sequence, "sequence-number": self.sequence, "timestamp-ms": self.sequence,
            "manifest-list": manifest_list, "summary": {"operation": "append"}, "schema-id": 0,
        }  # fmt: skip
        found = {
            "format-version": self.version, "table-uuid": str(uuid.uuid4()), "location": self.location,
            "last-sequence-number": self.sequence, "last-updated-ms": self.sequence, "last-column-id": 99,
            "schemas": [{"type": "struct", "schema-id": 0, "fields": self.columns}], "current-schema-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": self.spec}], "default-spec-id": 0, "last-partition-id": 999,
            "properties": self.properties, "current-snapshot-id": self.sequence if manifest_list else None,
            "snapshots": [snapshot] if manifest_list else [], "sort-orders": [], "default-sort-order-id": 0, **more,
        }  # fmt: skip
        path = self.folder / "metadata" / self.name.format(n=self.n_metadata)
        path.write_text(json.dumps(found))
        if self.has_hint:
            (self.folder / "metadata" / "version-hint.text").write_text(str(self.n_metadata))
        return path

    def _file(self, name: str, table: pa.Table, content: int, partition: Json | None) -> Json:
        path = self.folder / "data" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        pq.write_table(table, path, row_group_size=4)
        return self._entry(path, "PARQUET", table.num_rows, content, partition)

    def _entry(self, path: Path, format_: str, n_rows: int, content: int, partition: Json | None) -> Json:
        file = {
            "content": content, "file_path": self._place(path), "file_format": format_, "partition": partition or {},
            "record_count": n_rows, "file_size_in_bytes": path.stat().st_size, "equality_ids": None,
            "referenced_data_file": None, "content_offset": None, "content_size_in_bytes": None,
        }  # fmt: skip
        return {"status": 1, "snapshot_id": 1, "sequence_number": None, "data_file": file}

    def _manifest(self, entries: list[Json], content: int) -> Json:
        path = self.folder / "metadata" / f"{uuid.uuid4()}-m0.avro"
        with path.open("wb") as stream:
            fastavro.writer(stream, _manifest_schema(self.partition_types), entries)
        return {
            "manifest_path": self._place(path), "manifest_length": path.stat().st_size, "partition_spec_id": 0,
            "content": content, "sequence_number": self.sequence, "min_sequence_number": self.sequence,
        }  # fmt: skip

    def _place(self, path: Path) -> str:
        return f"{self.location}/{path.relative_to(self.folder).as_posix()}"


_LIST = fastavro.parse_schema(
    {
        "type": "record", "name": "manifest_file",
        "fields": [
            {"name": "manifest_path", "type": "string"}, {"name": "manifest_length", "type": "long"},
            {"name": "partition_spec_id", "type": "int"}, {"name": "content", "type": "int"},
            {"name": "sequence_number", "type": "long"}, {"name": "min_sequence_number", "type": "long"},
        ],
    }
)  # fmt: skip


def _manifest_schema(partition: dict[str, Any]) -> Any:
    fields = [{"name": name, "type": ["null", type_], "default": None} for name, type_ in partition.items()]
    file = [
        {"name": "content", "type": "int"}, {"name": "file_path", "type": "string"},
        {"name": "file_format", "type": "string"},
        {"name": "partition", "type": {"type": "record", "name": "r102", "fields": fields}},
        {"name": "record_count", "type": "long"}, {"name": "file_size_in_bytes", "type": "long"},
        {"name": "equality_ids", "type": ["null", {"type": "array", "items": "int"}]},
        {"name": "referenced_data_file", "type": ["null", "string"]},
        {"name": "content_offset", "type": ["null", "long"]},
        {"name": "content_size_in_bytes", "type": ["null", "long"]},
    ]  # fmt: skip
    record = {"type": "record", "name": "r2", "fields": file}
    return fastavro.parse_schema(
        {
            "type": "record", "name": "manifest_entry",
            "fields": [
                {"name": "status", "type": "int"}, {"name": "snapshot_id", "type": ["null", "long"]},
                {"name": "sequence_number", "type": ["null", "long"]}, {"name": "data_file", "type": record},
            ],
        }
    )  # fmt: skip


def folder_table(folder: Path, *parts: pa.Table, partition_by: str = "", branch: str = "") -> Path:
    """A table that pyiceberg has written, an append a part, made one that counts its versions itself.

    Args:
        folder: of the table.
        parts: rows of each append.
        partition_by: a column by whose values it is partitioned.
        branch: name of a branch, and of a tag, that is made of the first append.
    """
    from pyiceberg.catalog.sql import SqlCatalog

    with tempfile.TemporaryDirectory() as place:
        catalog = SqlCatalog("c", uri=f"sqlite:///{place}/c.db", warehouse=f"file://{place}")
        catalog.create_namespace("n")
        table = catalog.create_table("n.t", parts[0].schema, location=str(folder), properties={"owner": "me"})
        if partition_by:
            with table.update_spec() as spec:
                spec.add_identity(partition_by)
        for part in parts:
            table.append(part)
        if branch:
            first = table.snapshots()[0].snapshot_id
            table.manage_snapshots().create_branch(first, branch).create_tag(first, f"{branch}-tag").commit()
        newest = Path(table.metadata_location.removeprefix("file://"))
        catalog.engine.dispose()
    found = json.loads(newest.read_text()) | {"metadata-log": []}
    for path in newest.parent.glob("*.metadata.json"):
        path.unlink()
    (newest.parent / "v3.metadata.json").write_text(json.dumps(found))
    (newest.parent / "version-hint.text").write_text("3")
    return folder
