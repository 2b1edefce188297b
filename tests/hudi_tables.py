"""Tables of Hudi written by hand, as Hudi 0.15 writes them (table version 6): base files, logs of Avro, a timeline."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

FILE_ID = "0b0e7c0a-0000-4000-8000-00000000000{}-0"
_FIELDS = [
    {"name": name, "type": ["null", kind], "default": None}
    for name, kind in (("id", "long"), ("v", "string"), ("ts", "long"))
]
_OWN = (
    "_hoodie_commit_time",
    "_hoodie_commit_seqno",
    "_hoodie_record_key",
    "_hoodie_partition_path",
    "_hoodie_file_name",
)
_SCHEMA = {"type": "record", "name": "t", "fields": _FIELDS}
_WITH_OWN = {
    "type": "record", "name": "t",
    "fields": [*({"name": name, "type": ["null", "string"], "default": None} for name in _OWN), *_FIELDS],
}  # fmt: skip
# of a block in a log: its kind, and what its headers say
_DELETES, _AVRO = 1, 3
_INSTANT, _SCHEMA_HEADER = 0, 2


class HudiTable:
    """A table in a folder, keyed by `id`, with one file group for each `n`."""

    def __init__(self, folder: Path, *, is_mor: bool = False) -> None:
        self.folder, self.kind = folder, "MERGE_ON_READ" if is_mor else "COPY_ON_WRITE"
        self.action = "deltacommit" if is_mor else "commit"
        (folder / ".hoodie").mkdir(parents=True)
        told = {
            "table.name": "t", "table.type": self.kind, "table.version": 6, "timeline.layout.version": 1,
            "table.recordkey.fields": "id", "table.precombine.field": "ts", "table.base.file.format": "PARQUET",
            "populate.meta.fields": "true", "datasource.write.drop.partition.columns": "false",
        }  # fmt: skip
        text = "".join(f"hoodie.{name}={value}\n" for name, value in told.items())
        (folder / ".hoodie" / "hoodie.properties").write_text(text)
        self.bases: dict[int, str] = {}

    def write(self, day: int, rows: list[dict[str, Any]], n: int = 0) -> None:
        """A base file of all rows of a file group, which takes the place of the one before."""
        instant = _instant(day)
        name = f"{FILE_ID.format(n)}_0-1-1_{instant}.parquet"
        own = {column: [row[column] for row in map(_owned(instant, name), rows)] for column in _OWN}
        columns = {"id": pa.int64(), "v": pa.string(), "ts": pa.int64()}
        made = {column: pa.array([row[column] for row in rows], kind) for column, kind in columns.items()}
        pq.write_table(pa.table({**own, **made}), self.folder / name)
        self.bases[n] = instant
        self._commit(instant, n, name, len(rows))

    def log(self, day: int, rows: list[dict[str, Any]], n: int = 0) -> None:
        """New versions of rows, in a log beside the base file."""
        instant = _instant(day)
        name = f".{FILE_ID.format(n)}_{self.bases[n]}.log.1_0-1-{day}"
        (self.folder / name).write_bytes(_block(instant, list(map(_owned(instant, name), rows))))
        self._commit(instant, n, name, len(rows))

    def _commit(self, instant: str, n: int, name: str, n_rows: int) -> None:
        size = (self.folder / name).stat().st_size
        stat = {
            "fileId": FILE_ID.format(n), "path": name, "prevCommit": "null", "numWrites": n_rows, "numDeletes": 0,
            "numUpdateWrites": 0, "numInserts": n_rows, "totalWriteBytes": size, "fileSizeInBytes": size,
            "partitionPath": "",
        }  # fmt: skip
        if ".log." in name:
            stat |= {
                "baseFile": f"{FILE_ID.format(n)}_0-1-1_{self.bases[n]}.parquet",
                "logFiles": [name],
                "logVersion": 1,
            }
        told = {"partitionToWriteStats": {"": [stat]}, "compacted": False, "operationType": "UPSERT",
                "extraMetadata": {"schema": json.dumps(_SCHEMA)}}  # fmt: skip
        for state in (f"{self.action}.requested", f"{self.action}.inflight" if self.action != "commit" else "inflight"):
            (self.folder / ".hoodie" / f"{instant}.{state}").write_text("")
        (self.folder / ".hoodie" / f"{instant}.{self.action}").write_text(json.dumps(told))


def _instant(day: int) -> str:
    return f"202401{day:02}000000000"


def _owned(instant: str, name: str) -> Any:
    def with_own(row: dict[str, Any]) -> dict[str, Any]:
        values = (instant, f"{instant}_0_{row['id']}", str(row["id"]), "", name)
        return {**dict(zip(_OWN, values, strict=True)), **row}

    return with_own


def _block(instant: str, rows: list[dict[str, Any]]) -> bytes:
    """A block of Avro records (version 3 of a data block), in a block of a log (version 1)."""
    data = struct.pack(">ii", 3, len(rows))
    schema = fastavro.parse_schema(_WITH_OWN)
    for row in rows:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, row)
        data += struct.pack(">i", len(buffer.getvalue())) + buffer.getvalue()
    headers = struct.pack(">i", 2)
    for kind, text in ((_INSTANT, instant), (_SCHEMA_HEADER, json.dumps(_WITH_OWN))):
        headers += struct.pack(">ii", kind, len(text)) + text.encode()
    body = struct.pack(">ii", 1, _AVRO) + headers + struct.pack(">q", len(data)) + data + struct.pack(">i", 0)
    length = len(body) + 8
    return b"#HUDI#" + struct.pack(">q", length) + body + struct.pack(">q", length + 6)
