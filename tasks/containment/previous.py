"""What a scan keeps for the next run, which reuses of it what still holds (`reuse.py`)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.change import mark
from lakebed.connectors.lake.iceberg.model import steady_casts
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.hash_files import HashFile
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.samples import ContentScan, Verified
from lakebed.tasks.containment.statistics import LakeView
from lakebed.tasks.runtime.artifacts import Manifest
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.previous import FOLDER, read_kept, write_kept
from lakebed.tasks.scan.splits import InventoryTables

NAMES = ("tables", "samples", "hash_files", "pairs")
PATHS = tuple(f"{FOLDER}/{name}.parquet" for name in NAMES)
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


_READ_COLUMNS = ("path", "size", "n_rows", "row_group_rows", "row_group_bytes", "partition_values", "casts")
_FILE_COLUMNS = (*_READ_COLUMNS, "sha256", "mtime_ns", "etag", "staged_path")


@dataclass(frozen=True)
class TableReading:
    """Equal readings give equal row hashes under every projection.

    Attributes:
        how: digest of what all files share: reader, path, types of partition columns, for Spark the version.
        files: path → digest of identity, row groups, constants and casts.
    """

    how: str
    files: Mapping[str, str]

    def gained_since(self, previous: "TableReading") -> frozenset[str] | None:
        """The paths of the files that came since; None where anything else has changed or is gone."""
        if self.how != previous.how or not previous.files.items() <= self.files.items():
            return None
        return frozenset(self.files.keys() - previous.files.keys())


@dataclass(frozen=True)
class PreviousTable:
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
class PreviousPairs:
    """Pairs that were compared exactly. Shapes: child, parent, projection (k,)."""

    child: Int32
    parent: Int32
    projection: Int64
    counts: PairCounts


@dataclass(frozen=True)
class PreviousScan:
    """The scan of the previous artifact. Ids are those of its inventory.

    Attributes:
        hash_folder: of its row-hash files, below the artifact root.
        bucket_bits: the hash range was cut into 2^bits buckets.
    """

    hash_folder: str
    bucket_bits: int
    tables: Mapping[str, PreviousTable]
    samples: Sequence[Sample]
    hash_files: Sequence[HashFile]
    pairs: PreviousPairs


def save_state(storage: Storage, folder: str, view: LakeView, content: ContentScan, verified: Verified) -> None:
    """Writes what the next run may reuse.

    Left out are tables that did not hold still, and those whose statistics the data contradict: a run that did not read
    them would believe the statistics again.

    Args:
        storage: of the artifact root.
        folder: of the artifact, below it.
        view: of the lake.
        content: of the scan, whatever it reused of the previous one.
        verified: the exact counts.
    """
    kept = np.array(sorted(set(content.plan.tables) - set(content.unstable) - set(view.wrong)), np.int32)
    bits = content.plan.bucket_bits
    files = [{**vars(file), "bucket_bits": bits} for file in content.result.files] or [_no_file(bits)]
    tables = {
        "tables": pa.Table.from_pylist(list(_table_rows(view, content, kept)), schema=_TABLES),
        "samples": pa.concat_tables([_row_samples(content, kept), _value_samples(view, content, kept)]),
        "hash_files": pa.Table.from_pylist(files),
        "pairs": _pairs_table(view, content, verified),
    }
    for name, path in zip(NAMES, PATHS, strict=True):
        write_kept(storage, f"{folder}/{path}", tables[name])


def load_state(storage: Storage, manifest: Manifest) -> PreviousScan:
    """Reads what `save_state` wrote.

    Raises:
        ArtifactError: if a file is not there, or is damaged.
    """
    base = f"{manifest.stage}/{manifest.key}"
    tables, samples, files, pairs = (read_kept(storage, f"{base}/{path}") for path in PATHS)
    hash_files = [HashFile(**{k: v for k, v in row.items() if k != "bucket_bits"}) for row in files.to_pylist()]
    columns = (samples[name].to_pylist() for name in samples.column_names)
    return PreviousScan(
        hash_folder=f"{base}/{ROW_HASHES_FOLDER}",
        bucket_bits=files["bucket_bits"][0].as_py(),
        tables={row["name"]: _previous_table(row) for row in tables.to_pylist()},
        samples=[Sample(*row) for row in zip(*columns, strict=True)],
        hash_files=[file for file in hash_files if file.path],
        pairs=_previous_pairs(pairs),
    )


def _no_file(bits: int) -> dict[str, Any]:
    """The number of buckets where there is no file to tell it."""
    return {"path": "", "bucket": 0, "n_rows": 0, "n_bytes": 0, "bucket_bits": bits}


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


def _previous_table(row: dict[str, Any]) -> PreviousTable:
    found = zip(row["paths"], row["digests"], strict=True)
    return PreviousTable(
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
    data = binaries(rows.indptr * 16, rows.hashes)
    samples = pa.table([pa.array(rows.table), pa.array(ids), tokens, data], schema=_SAMPLES)
    return samples.filter(pa.array(np.isin(rows.table, kept)))


def _value_samples(view: LakeView, content: ContentScan, kept: Int32) -> pa.Table:
    values, lake = content.result.values, view.lake
    table = np.repeat(np.arange(len(lake.names), dtype=np.int32), np.diff(lake.bounds.indptr))
    tokens = pa.array(lake.tokens, pa.string()).take(pa.array(lake.bounds.token))
    data = binaries(values.indptr * 8, values.hashes)
    projection = pa.array(np.zeros(len(table), np.int64))
    samples = pa.table([pa.array(table), projection, tokens, data], schema=_SAMPLES)
    return samples.filter(pa.array((values.level >= 0) & np.isin(table, kept)))


def binaries(offsets: Int64, words: np.ndarray[Any, np.dtype[np.uint64]]) -> pa.Array:
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


def _previous_pairs(pairs: pa.Table) -> PreviousPairs:
    numbers = np.frombuffer(b"".join(pairs["numbers"].to_pylist()), np.int64).reshape(-1, 5).T
    hashes = np.frombuffer(b"".join(pairs["hashes"].to_pylist()), np.uint64).reshape(-1, 2, 4).transpose(1, 0, 2)
    child, parent, projection = (pairs[name].to_numpy() for name in ("child_id", "parent_id", "projection"))
    return PreviousPairs(child, parent, projection, PairCounts.of(numbers.copy(), hashes.copy()))


def table_readings(inventory: InventoryTables, table_ids: Sequence[int]) -> dict[int, TableReading]:
    """The readings of the given tables, by table_id. O(their files)."""
    wanted = pa.array(table_ids, pa.int32())
    tables = inventory.tables.filter(pc.is_in(inventory.tables["table_id"], value_set=wanted))
    is_partition = pc.and_(inventory.columns["is_partition"], pc.is_in(inventory.columns["table_id"], value_set=wanted))
    partitions: dict[int, list[tuple[str, str]]] = {}
    for row in inventory.columns.filter(is_partition).select(["table_id", "token", "type"]).to_pylist():
        partitions.setdefault(row["table_id"], []).append((row["token"], row["type"]))
    files: dict[int, dict[str, str]] = {}
    found = inventory.files.filter(pc.is_in(inventory.files["table_id"], value_set=wanted))
    for row in found.select(["table_id", *_FILE_COLUMNS]).sort_by("path").to_pylist():
        files.setdefault(row.pop("table_id"), {})[row["path"]] = _state(row)
    return {
        row["table_id"]: TableReading(
            _how(row, partitions.get(row["table_id"], [])),
            files.get(row["table_id"], {}),
        )
        for row in tables.to_pylist()
    }


def reading_digests(inventory: InventoryTables) -> dict[int, str]:
    """One digest of each table's reading and of its columns, which a log may change without a file, by table_id."""
    readings = table_readings(inventory, inventory.tables["table_id"].to_pylist())
    columns: dict[int, list[tuple[str, str]]] = {table: [] for table in readings}
    names = ("table_id", "token", "type")
    for table, token, type_ in zip(*(inventory.columns[name].to_pylist() for name in names), strict=True):
        columns[table].append((token, type_))
    return {
        table: _digest([found.how, sorted(found.files.items()), sorted(columns[table])])
        for table, found in readings.items()
    }


def _how(row: dict[str, Any], partitions: list[tuple[str, str]]) -> str:
    via = row["read_via"]
    version = row["delta_version"] if via == "spark" else None
    return _digest([via, row["path"], version, sorted(partitions)])


def _state(row: dict[str, Any]) -> str:
    """A copy of text may lie under another name in each artifact; its bytes follow from those of the text."""
    read = {**{name: row[name] for name in _READ_COLUMNS}, "casts": steady_casts(row["casts"])}
    return _digest([read, mark(row["sha256"], row["etag"], row["mtime_ns"]), row["staged_path"] is not None])


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
