"""A lake with tables that other systems keep, beside ordinary tables and copies that tempt a planner.

The folders have the shape of real ones, as far as telling them apart needs: of Iceberg, Hudi, Hive, Lance, DuckLake,
Paimon, Kudu and ClickHouse the log or metadata is a stub, the Parquet files are real.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.data_samples.delta_log import SparkLikeDelta

N_ROWS = 600
_UUID = "01979c4e-7f31-7c2a-9d0b-3f6f2c1a5e0{}"


@dataclass(frozen=True)
class ManagedLake:
    """What lies in the lake.

    Attributes:
        managed: folder of each table that another system keeps → its format.
        data_files: the Parquet files of these, which are never tables.
        tables: names of the tables that can be read.
        copies: of these the ones that another contains, so that they may go.
    """

    managed: Mapping[str, str]
    data_files: tuple[str, ...]
    tables: frozenset[str]
    copies: frozenset[str]


def write_managed_lake(root: Path) -> ManagedLake:
    """Writes the lake below a folder that is not there yet."""
    _parquet(root / "orders.parquet", _rows(0, N_ROWS))
    managed = {folder: format_ for write in _WRITERS for folder, format_ in write(root).items()}
    data_files = sorted(path for folder in managed for path in (root / folder).rglob("*.parquet"))
    data_files += [path for path in (root / "loose").iterdir() if path.name.startswith("ducklake-")]
    (root / "copies").mkdir()
    for number, path in enumerate(data_files):
        shutil.copy(path, root / "copies" / f"copy_{number:02}.parquet")
    copies = {f"copies/copy_{number:02}" for number in range(len(data_files))}
    tables = copies | _write_plain(root) | {"orders", "loose/other"}
    names = tuple(str(path.relative_to(root)) for path in data_files)
    return ManagedLake({**managed, "loose": "ducklake"}, names, frozenset(tables), frozenset(copies))


def _rows(start: int, end: int) -> pa.Table:
    numbers = range(start, end)
    return pa.table(
        {
            "order_id": pa.array(numbers, pa.int64()),
            "note": [f"note {number * 7919 % 100_003}" for number in numbers],
            "cents": pa.array([number * 31 % 9_973 for number in numbers], pa.int64()),
        }
    )


def _parquet(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


def _text(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _iceberg(root: Path) -> dict[str, str]:
    """Two tables, one of them in a folder of plain Parquet files; the second data file repeats rows of the first."""
    folders = ("lakehouse/orders", "mixed/ice")
    for folder in (root / name for name in folders):
        _parquet(folder / "data" / f"00000-0-{_UUID.format(1)}-00001.parquet", _rows(0, 400))
        _parquet(folder / "data" / f"00001-0-{_UUID.format(1)}-00001.parquet", _rows(100, 300))
        deletes = pa.table({"file_path": ["data/00000.parquet"] * 3, "pos": pa.array([1, 5, 9], pa.int64())})
        _parquet(folder / "data" / f"00002-0-{_UUID.format(1)}-00001-deletes.parquet", deletes)
        _iceberg_metadata(folder)
    for part in range(2):
        _parquet(root / "mixed" / f"part-{part:05}.parquet", _rows(1_000 + part * 100, 1_100 + part * 100))
    return dict.fromkeys(folders, "iceberg")


def _iceberg_metadata(folder: Path) -> None:
    fields = [("order_id", "long"), ("note", "string"), ("cents", "long")]
    columns = [{"id": i, "name": n, "required": False, "type": t} for i, (n, t) in enumerate(fields, 1)]
    snapshot = {"snapshot-id": 1, "timestamp-ms": 0, "manifest-list": "metadata/snap-1-1.avro", "schema-id": 0}
    metadata = {
        "format-version": 2,
        "table-uuid": _UUID.format(2),
        "location": "file:///warehouse/orders",
        "last-sequence-number": 1,
        "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": columns}],
        "current-snapshot-id": 1,
        "snapshots": [snapshot],
    }
    _text(folder / "metadata" / "v1.metadata.json", json.dumps(metadata))
    _text(folder / "metadata" / "version-hint.text", "1")
    for name in ("snap-1-1.avro", f"{_UUID.format(3)}-m0.avro"):
        _text(folder / "metadata" / name, "Obj\x01")


def _hudi(root: Path) -> dict[str, str]:
    """Old and new version of one file group; the new one has all rows of the old."""
    folder = root / "hudi" / "orders"
    for commit, end in (("20240101", 150), ("20240102", 250)):
        rows = _rows(0, end)
        rows = rows.append_column("_hoodie_commit_time", pa.array(["20240101"] * rows.num_rows))
        _parquet(folder / "day=1" / f"{_UUID.format(4)}-0_0-1-1_{commit}.parquet", rows)
        _text(folder / ".hoodie" / f"{commit}.commit", "{}")
    _text(folder / ".hoodie" / "hoodie.properties", "hoodie.table.name=orders\nhoodie.table.type=COPY_ON_WRITE\n")
    _text(folder / "day=1" / ".hoodie_partition_metadata", "commitTime=20240101\n")
    # the partition of another table, copied without the timeline
    shutil.copytree(folder / "day=1", root / "hudi_copied" / "day=1")
    return {"hudi/orders": "hudi", "hudi_copied": "hudi"}


def _hive(root: Path) -> dict[str, str]:
    """Two writes and a delete of a transactional table: rows 100 to 300 are in it once, and gone again."""
    folder = root / "hive" / "sales" / "day=1"
    _parquet(folder / "base_0000001" / "bucket_00000.parquet", _rows(0, 200))
    _parquet(folder / "delta_0000002_0000002_0000" / "bucket_00000.parquet", _rows(100, 300))
    _parquet(folder / "delete_delta_0000003_0000003_0000" / "bucket_00000.parquet", _rows(100, 300))
    _text(folder / "delta_0000002_0000002_0000" / "_orc_acid_version", "2")
    return {"hive/sales": "hive"}


def _lance(root: Path) -> dict[str, str]:
    folder = root / "vectors.lance"
    for name in ("_versions/1.manifest", f"_transactions/0-{_UUID.format(5)}.txn", f"data/{_UUID.format(5)}.lance"):
        _text(folder / name, "LANC")
    # not what Lance writes: it shows that a sign counts for all that lies below it
    _parquet(folder / "data" / "extra.parquet", _rows(10, 90))
    return {"vectors.lance": "lance"}


def _ducklake(root: Path) -> dict[str, str]:
    """Data in the default folder beside the metadata, in another one beside it, and files told by their names alone."""
    for metadata in ("shop.ducklake", "duck/meta.ducklake"):
        _text(root / metadata, "DUCK")
    _parquet(root / f"shop.ducklake.files/main/orders/ducklake-{_UUID.format(6)}.parquet", _rows(20, 220))
    _parquet(root / f"duck/files/main/orders/ducklake-{_UUID.format(7)}.parquet", _rows(30, 230))
    _parquet(root / "duck/files/main/orders/added_by_hand.parquet", _rows(40, 240))
    _parquet(root / f"loose/ducklake-{_UUID.format(8)}.parquet", _rows(50, 250))
    _parquet(root / "loose" / "other.parquet", _rows(3_000, 3_050))
    return {"shop.ducklake.files": "ducklake", "duck/files": "ducklake"}


def _paimon(root: Path) -> dict[str, str]:
    folder = root / "paimon" / "sales.db" / "orders"
    _text(folder / "schema" / "schema-0", json.dumps({"id": 0, "fields": [], "partitionKeys": [], "primaryKeys": []}))
    _text(folder / "snapshot" / "snapshot-1", json.dumps({"version": 3, "id": 1, "commitKind": "APPEND"}))
    _text(folder / "snapshot" / "LATEST", "1")
    _text(folder / "manifest" / f"manifest-{_UUID.format(9)}-0", "Obj\x01")
    _parquet(folder / "bucket-0" / f"data-{_UUID.format(9)}-0.parquet", _rows(60, 260))
    return {"paimon/sales.db/orders": "paimon"}


def _engines(root: Path) -> dict[str, str]:
    """Roots of engines that keep their own files, with a Parquet file in each."""
    for name in ("instance", "tablet-meta/7a", "consensus-meta/7a", "wals/7a/wal-1", "data/1.data"):
        _text(root / "kudu" / name)
    for name in ("checksums.txt", "columns.txt", "count.txt", "data.bin"):
        _text(root / "clickhouse" / "all_1_1_0" / name)
    _text(root / "engine" / "__XLOG" / "000001")
    for number, folder in enumerate(("kudu/data", "clickhouse/all_1_1_0", "engine")):
        _parquet(root / folder / "export.parquet", _rows(70 + number, 270))
    return {"kudu": "kudu", "clickhouse": "clickhouse", "engine": "unknown"}


_WRITERS: tuple[Callable[[Path], dict[str, str]], ...] = (
    _iceberg, _hudi, _hive, _lance, _ducklake, _paimon, _engines,
)  # fmt: skip


def _write_plain(root: Path) -> set[str]:
    """What only looks managed and is read: returns the tables' names."""
    _parquet(root / "plain" / "metadata" / "columns.parquet", _rows(4_000, 4_040))
    for name in ("_metadata", "_common_metadata", "_SUCCESS", "_symlink_format_manifest/manifest", ".dvc/config"):
        _text(root / "plain" / "parts" / name)
    _parquet(root / "plain" / "parts" / "part-0.parquet", _rows(5_000, 5_060))
    SparkLikeDelta().write(root, "uniform", _rows(6_000, 6_080))
    _iceberg_metadata(root / "uniform")
    write_sink(root / "stream", _rows(7_000, 7_050), _rows(8_000, 8_050))
    return {"plain/metadata/columns", "plain/parts", "mixed", "uniform", "stream"}


def write_sink(folder: Path, committed: pa.Table, failed: pa.Table) -> None:
    """The folder of a streaming query: one committed file, and one that a failed attempt left."""
    _parquet(folder / "part-00000-a.snappy.parquet", committed)
    _parquet(folder / "part-00000-b.snappy.parquet", failed)
    path = folder / "part-00000-a.snappy.parquet"
    entry = {
        "path": path.absolute().as_uri(),
        "size": path.stat().st_size,
        "isDir": False,
        "modificationTime": 0,
        "blockReplication": 1,
        "blockSize": 33_554_432,
        "action": "add",
    }
    _text(folder / "_spark_metadata" / "0", f"v1\n{json.dumps(entry)}")
