"""Row numbers kept beside recipes: Parquet, delta-encoded, named by their content."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.retention.recipes.model import StoredRows

if TYPE_CHECKING:
    from lakebed.tasks.encoding.signatures import Integers


MAX_INLINE_ROWS = 64


@dataclass(frozen=True)
class PackedRows:
    """Row numbers as the bytes of a file, not yet written."""

    facts: StoredRows
    data: bytes

    def numbers(self) -> Integers:
        """(n,) the row numbers, read from the file's bytes."""
        return _numbers(self.data) if self.data else _inline(self.facts)


def pack_rows(rows: Integers) -> PackedRows:
    """The file of these row numbers; no file where they are few. Shapes: rows (n,)."""
    if len(rows) <= MAX_INLINE_ROWS:
        return PackedRows(StoredRows(n_rows=len(rows), inline=tuple(rows.tolist())), b"")
    sink = io.BytesIO()
    table = pa.table({"row": pa.array(rows, pa.int64())})
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=False, column_encoding={"row": "DELTA_BINARY_PACKED"}
    )
    data = sink.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return PackedRows(StoredRows(path=f"{digest}.parquet", n_rows=len(rows), n_bytes=len(data), sha256=digest), data)


def write_rows(folder: str, packed: PackedRows) -> StoredRows:
    """Writes the file where it is not there yet.

    Raises:
        PlanError: if it cannot be written.
    """
    if not packed.data:
        return packed.facts
    storage = Storage.at(folder, PlanError)
    there = storage.stat(packed.facts.path)
    if there is None or there.size != len(packed.data):
        storage.write_bytes_atomic(packed.facts.path, packed.data)
    return packed.facts


def read_rows(folder: str, stored: StoredRows) -> Integers:
    """(n,) the row numbers.

    Raises:
        PlanError: if the file is not there or not the one that was written.
    """
    if not stored.path:
        return _inline(stored)
    storage = Storage.at(folder, PlanError)
    data = storage.read_bytes(stored.path)
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        raise PlanError(
            "the row numbers of a recipe have changed",
            value=storage.uri(stored.path),
            expected=f"SHA-256 {stored.sha256}",
            hint="lakebed plan",
        )
    return _numbers(data)


def _inline(stored: StoredRows) -> Integers:
    return np.array(stored.inline, np.int64)


def _numbers(data: bytes) -> Integers:
    numbers = pq.read_table(pa.BufferReader(data), use_threads=False)["row"].to_numpy()
    return np.ascontiguousarray(numbers, dtype=np.int64)
