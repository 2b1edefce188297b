"""What a scan leaves for the next run: kept beside the artifact's tables, held to its size, in no digest.

A later run takes from it what still holds (`reuse.py`). All of it can be made anew from the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.tasks.containment.hash_files import HashFile, damaged
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.reading import TableReading, table_readings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakebed.connectors.storage import Storage
    from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
    from lakebed.tasks.containment.search import ContentScan, LakeView, Verified
    from lakebed.tasks.runtime.artifacts import Manifest

FOLDER = "former"
NAMES = ("tables", "samples", "hash_files", "pairs")
ROW_HASHES_FOLDER = "row_hashes"

_TABLES = pa.schema(
    [
        ("name", pa.string()),
        ("table_id", pa.int32()),
        ("reading", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("projections", pa.list_(pa.int64())),
        ("row_level", pa.int32()),
        ("value_level", pa.int32()),
        ("paths", pa.list_(pa.string())),
        ("states", pa.list_(pa.string())),
        ("digests", pa.list_(pa.string())),
    ]
)
_SAMPLES = pa.schema(
    [("table_id", pa.int32()), ("projection", pa.int64()), ("token", pa.string()), ("data", pa.large_binary())]
)
_PAIRS = pa.schema(
    [
        ("child_id", pa.int32()),
        ("parent_id", pa.int32()),
        ("projection", pa.int64()),
        ("numbers", pa.binary(40)),
        ("hashes", pa.binary(64)),
    ]
)


@dataclass(frozen=True)
class FormerTable:
    """A table that was read, with the id it had.

    Attributes:
        reading: how it was read, and of which files.
        tokens: every column that some projection covers.
        projections: ids of the column subsets that its rows were hashed on.
        row_level, value_level: of its samples.
        digests: SHA-256 in hex, by path, of the files that were read as a whole.
    """

    table_id: int
    reading: TableReading
    tokens: frozenset[str]
    projections: frozenset[int]
    row_level: int
    value_level: int
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A sample of row hashes (`token` empty) or of a column's values; data are little-endian words."""

    table_id: int
    projection: int
    token: str
    data: bytes


@dataclass(frozen=True)
class FormerPairs:
    """Pairs that were compared exactly. Shapes: child, parent, projection (k,)."""

    child: Int32
    parent: Int32
    projection: Int64
    counts: PairCounts


@dataclass(frozen=True)
class FormerScan:
    """The scan of an earlier run. Ids are those of its inventory.

    Attributes:
        hash_folder: of its row-hash files, below the artifact root.
        bucket_bits: the hash range was cut into 2^bits buckets.
    """

    hash_folder: str
    bucket_bits: int
    tables: Mapping[str, FormerTable]
    samples: Sequence[Sample]
    hash_files: Sequence[HashFile]
    pairs: FormerPairs


def state_paths() -> list[str]:
    """The files below an artifact's folder."""
    return [f"{FOLDER}/{name}.parquet" for name in NAMES]


def save_state(storage: Storage, folder: str, view: LakeView, content: ContentScan, verified: Verified) -> None:
    """Writes what the next run may take; tables that did not hold still are left out.

    Args:
        storage: of the artifact root.
        folder: of the artifact, below it.
        view: of the lake.
        content: of the scan, whatever it took from an earlier one.
        verified: the exact counts.
    """
    kept = np.array(sorted(set(content.plan.tables) - set(content.unstable)), np.int32)
    bits = content.plan.bucket_bits
    files = [{**vars(file), "bucket_bits": bits} for file in content.result.files] or [_no_file(bits)]
    tables = {
        "tables": pa.Table.from_pylist(list(_table_rows(view, content, kept)), schema=_TABLES),
        "samples": pa.concat_tables([_row_samples(content, kept), _value_samples(view, content, kept)]),
        "hash_files": pa.Table.from_pylist(files),
        "pairs": _pairs_table(view, content, verified),
    }
    for name, path in zip(NAMES, state_paths(), strict=True):
        with storage.open_output(f"{folder}/{path}") as stream:
            pq.write_table(tables[name], stream, compression="zstd", write_page_checksum=True)


def load_state(storage: Storage, manifest: Manifest) -> FormerScan:
    """Reads what `save_state` wrote.

    Raises:
        ArtifactError: if a file is not there, or is damaged.
    """
    base = f"{manifest.stage}/{manifest.key}"
    tables, samples, files, pairs = (_read(storage, f"{base}/{path}") for path in state_paths())
    hash_files = [HashFile(**{k: v for k, v in row.items() if k != "bucket_bits"}) for row in files.to_pylist()]
    columns = (samples[name].to_pylist() for name in samples.column_names)
    return FormerScan(
        hash_folder=f"{base}/{ROW_HASHES_FOLDER}",
        bucket_bits=files["bucket_bits"][0].as_py(),
        tables={row["name"]: _former_table(row) for row in tables.to_pylist()},
        samples=[Sample(*row) for row in zip(*columns, strict=True)],
        hash_files=[file for file in hash_files if file.path],
        pairs=_former_pairs(pairs),
    )


def _read(storage: Storage, path: str) -> pa.Table:
    with storage.open(path) as stream:
        try:
            return pq.read_table(stream, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise damaged(storage.uri(path), error) from error


def _no_file(bits: int) -> dict[str, Any]:
    """The number of buckets where there is no file to tell it."""
    return {"path": "", "bucket": 0, "n_rows": 0, "n_bytes": 0, "multiset": b"", "bucket_bits": bits}


def _table_rows(view: LakeView, content: ContentScan, kept: Int32) -> Iterator[dict[str, Any]]:
    plan, digests = content.plan, content.result.digests
    readings = table_readings(view.tables, kept.tolist())
    for table in kept.tolist():
        scan, reading = plan.tables[table], readings[table]
        yield {
            "name": view.lake.names[table],
            "table_id": table,
            "reading": reading.how,
            "tokens": sorted({token for number in scan.projections for token in plan.projections[number][1]}),
            "projections": [plan.projections[number][0] for number in scan.projections],
            "row_level": scan.row_level,
            "value_level": scan.value_level,
            "paths": list(reading.files),
            "states": list(reading.files.values()),
            "digests": [digests.get(path) for path in reading.files],
        }


def _former_table(row: dict[str, Any]) -> FormerTable:
    found = zip(row["paths"], row["digests"], strict=True)
    return FormerTable(
        table_id=row["table_id"],
        reading=TableReading(row["reading"], dict(zip(row["paths"], row["states"], strict=True))),
        tokens=frozenset(row["tokens"]),
        projections=frozenset(row["projections"]),
        row_level=row["row_level"],
        value_level=row["value_level"],
        digests={path: digest for path, digest in found if digest},
    )


def _row_samples(content: ContentScan, kept: Int32) -> pa.Table:
    rows, projections = content.result.rows, content.plan.projections
    ids = np.array([projections[number][0] for number in rows.projection.tolist()], np.int64)
    tokens = pa.repeat(pa.scalar("", pa.string()), len(ids))
    data = _binaries(rows.indptr * 16, rows.hashes)
    samples = pa.table([pa.array(rows.table), pa.array(ids), tokens, data], schema=_SAMPLES)
    return samples.filter(pa.array(np.isin(rows.table, kept)))


def _value_samples(view: LakeView, content: ContentScan, kept: Int32) -> pa.Table:
    values, lake = content.result.values, view.lake
    table = np.repeat(np.arange(len(lake.names), dtype=np.int32), np.diff(lake.bounds.indptr))
    tokens = pa.array(lake.tokens, pa.string()).take(pa.array(lake.bounds.token))
    data = _binaries(values.indptr * 8, values.hashes)
    projection = pa.array(np.zeros(len(table), np.int64))
    samples = pa.table([pa.array(table), projection, tokens, data], schema=_SAMPLES)
    return samples.filter(pa.array((values.level >= 0) & np.isin(table, kept)))


def _binaries(offsets: Int64, words: np.ndarray[Any, np.dtype[np.uint64]]) -> pa.Array:
    """One binary a row, cut from the words at the offsets, in bytes."""
    buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(words))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _pairs_table(view: LakeView, content: ContentScan, verified: Verified) -> pa.Table:
    pairs, counts = verified.pairs, verified.counts
    schemas = view.lake.groups.schema_of_table[pairs.child].tolist()
    ids = [content.plan.projections[schema][0] for schema in schemas]
    numbers = np.ascontiguousarray(counts.numbers().T)
    hashes = np.concatenate([counts.child_hash, counts.matched_hash], axis=1)
    arrays = [
        pa.array(pairs.child, pa.int32()),
        pa.array(pairs.parent, pa.int32()),
        pa.array(ids, pa.int64()),
        pa.array([row.tobytes() for row in numbers], pa.binary(40)),
        pa.array([row.tobytes() for row in hashes], pa.binary(64)),
    ]
    return pa.table(arrays, schema=_PAIRS)


def _former_pairs(pairs: pa.Table) -> FormerPairs:
    numbers = np.frombuffer(b"".join(pairs["numbers"].to_pylist()), np.int64).reshape(-1, 5).T
    hashes = np.frombuffer(b"".join(pairs["hashes"].to_pylist()), np.uint64).reshape(-1, 2, 4).transpose(1, 0, 2)
    child, parent, projection = (pairs[name].to_numpy() for name in ("child_id", "parent_id", "projection"))
    return FormerPairs(child, parent, projection, PairCounts.of(numbers.copy(), hashes.copy()))
