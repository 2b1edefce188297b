"""Delta tables whose log is written by hand, for what delta-rs does not write.

Statistics as Spark writes them (strings cut to 32 characters with a tie-break on the max, milliseconds), and deletion
vectors inline in the log. Format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

N_PREFIX = 32
_TIE_BREAK_ASCII, _TIE_BREAK_UNICODE = "\x7f", "\U0010ffff"
_BITMAP_ARRAY_MAGIC = 1681511377
_ROARING_COOKIE = 12346
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_DELTA_TYPES = {
    pa.int64(): "long",
    pa.int32(): "integer",
    pa.float64(): "double",
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp",
}


@dataclass(frozen=True)
class SparkLikeDelta:
    """A Delta table as Spark leaves it.

    Attributes:
        n_files: data files, one commit for all.
        deleted: rows that lie in the first file but are marked deleted, put before the table's own rows there.
    """

    format: ClassVar[str] = "delta"
    n_files: int = 1
    deleted: pa.Table | None = None

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write data files and the one log entry."""
        folder = root / name
        (folder / "_delta_log").mkdir(parents=True, exist_ok=True)
        n_file_rows = -(-data.num_rows // self.n_files)
        parts = [data.slice(part * n_file_rows, n_file_rows) for part in range(self.n_files)]
        adds = [_add_file(folder, part, rows, self.deleted if part == 0 else None) for part, rows in enumerate(parts)]
        actions = [*_header(name, data.schema, self.deleted is not None), *adds]
        log = "".join(json.dumps(action, ensure_ascii=False) + "\n" for action in actions)
        (folder / "_delta_log" / f"{0:020d}.json").write_text(log, encoding="utf-8")
        return name


def _header(name: str, schema: pa.Schema, has_deletions: bool) -> list[dict[str, object]]:
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    fields = [
        {"name": column.name, "type": _DELTA_TYPES[column.type], "nullable": True, "metadata": {}} for column in schema
    ]
    metadata = {
        "id": f"sample-{name}",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": {"delta.enableDeletionVectors": "true"} if has_deletions else {},
        "createdTime": 0,
    }
    return [
        {"commitInfo": {"timestamp": 0, "operation": "WRITE", "operationParameters": {}}},
        {"protocol": protocol if has_deletions else {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": metadata},
    ]


def _add_file(folder: Path, part: int, rows: pa.Table, deleted: pa.Table | None) -> dict[str, object]:
    stored = rows if deleted is None else pa.concat_tables([deleted, rows]).combine_chunks()
    path = folder / f"part-{part:05d}-sample-c000.snappy.parquet"
    pq.write_table(stored, path)
    add: dict[str, object] = {
        "path": path.name,
        "partitionValues": {},
        "size": path.stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
        "stats": json.dumps(_statistics(stored, is_tight=deleted is None), ensure_ascii=False),
    }
    if deleted is not None:
        add["deletionVector"] = inline_deletion_vector(range(deleted.num_rows))
    return {"add": add}


def _statistics(rows: pa.Table, is_tight: bool) -> dict[str, object]:
    bounded = [name for name in rows.column_names if rows[name].null_count < rows.num_rows]
    bounded = [name for name in bounded if not pa.types.is_boolean(rows.schema.field(name).type)]
    return {
        "numRecords": rows.num_rows,
        "minValues": {name: _lower(pc.min(rows[name]).as_py()) for name in bounded},
        "maxValues": {name: _upper(pc.max(rows[name]).as_py()) for name in bounded},
        "nullCount": {name: rows[name].null_count for name in rows.column_names},
        "tightBounds": is_tight,
    }


def _lower(value: object) -> object:
    return value[:N_PREFIX] if isinstance(value, str) else _plain(value)


def _upper(value: object) -> object:
    if not isinstance(value, str) or len(value) <= N_PREFIX:
        return _plain(value)
    # a character above DEL would sort after the ASCII tie-break
    return value[:N_PREFIX] + (_TIE_BREAK_ASCII if value[N_PREFIX] < _TIE_BREAK_ASCII else _TIE_BREAK_UNICODE)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value if isinstance(value, str | int | float) else str(value)


def inline_deletion_vector(positions: Sequence[int]) -> dict[str, object]:
    """The descriptor of a deletion vector kept in the log itself (storage type `i`).

    Args:
        positions: row positions in the file, below 65,536 and at most 4,096 of them (one array container).
    """
    content = struct.pack("<IQI", _BITMAP_ARRAY_MAGIC, 1, 0) + _roaring(sorted(positions))
    return {
        "storageType": "i",
        "pathOrInlineDv": z85(content),
        "sizeInBytes": len(content),
        "cardinality": len(positions),
    }


def _roaring(positions: Sequence[int]) -> bytes:
    # portable format: cookie, containers; key and cardinality - 1 of each; offset of each; the container's values
    header = struct.pack("<IIHHI", _ROARING_COOKIE, 1, 0, len(positions) - 1, 16)
    return header + struct.pack(f"<{len(positions)}H", *positions)


def z85(content: bytes) -> str:
    """Z85 (https://rfc.zeromq.org/spec/32): five characters for four bytes, padded with zero bytes."""
    padded = content + b"\0" * (-len(content) % 4)
    words = struct.unpack(f">{len(padded) // 4}I", padded)
    return "".join(_Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))
