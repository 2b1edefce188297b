import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.batches import Split
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.spark.config import SparkConfig
from lakebed.data_samples.delta_log import SparkLikeDelta, inline_deletion_vector
from lakebed.data_samples.layouts import DeltaTable, HivePartitions, ParquetFile
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.hash_files import HashFiles
from lakebed.tasks.containment.jobs import PairList, compare, run_on_tables, scan_lake
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.local import LocalEngine
from lakebed.tasks.scan.spark import SparkEngine
from tests.iceberg_tables import HandMade, column
from tests.tasks.containment.conftest import inventoried, pairs_of, write_tables
from tests.tasks.containment.lakes import true_pairs

pytestmark = pytest.mark.spark


@pytest.fixture(params=["local", "spark"])
def engine_name(request):
    """Every test is held by both engines."""
    return request.param


@pytest.fixture
def engine(engine_name):
    return LocalEngine(LocalConfig()) if engine_name == "local" else SparkEngine(SparkConfig())


def test_nothing_to_read_asks_no_engine():
    plan = ScanPlan("", "", "", {}, {}, None, 1)
    assert scan_lake(None, plan, [], []).equals(SCAN_SCHEMA.empty_table())


def say(plan, splits):
    for split in splits:
        row = ("rows", split.table_id, 0, "", plan, 0, "", b"")
        yield pa.RecordBatch.from_pylist([dict(zip(SCAN_SCHEMA.names, row, strict=True))], SCAN_SCHEMA)


def test_each_task_gets_its_splits_and_rows_keep_their_schema(engine):
    splits = [Split(number, number, "", "parquet", None, (), (), 1, 1) for number in range(6)]
    found = run_on_tables(engine, 7, [splits[:2], splits[2:3], splits[3:]], [], (say, None))
    assert found.schema.equals(SCAN_SCHEMA)
    assert sorted(found["table_id"].to_pylist()) == list(range(6))
    assert set(found["n"].to_pylist()) == {7}


@pytest.mark.parametrize("bits", [1, 4])
def test_buckets_add_up_to_the_exact_counts(engine, tmp_path, bits):
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 1 << 64, (500, 2), np.uint64, endpoint=False)
    files = HashFiles(str(tmp_path), bits)
    files.add(9, 0, hashes)
    files.add(9, 1, hashes[100:300])
    files.add(9, 2, np.repeat(hashes[::2], 2, axis=0))
    by_bucket: dict[int, list[str]] = {}
    for file in files.close():
        by_bucket.setdefault(file.bucket, []).append(file.path)
    assert len(by_bucket) == 2**bits
    pairs = [(1, 0), (2, 0), (0, 1), (2, 1)]
    child, parent = np.array(pairs, np.int32).T
    wanted = PairList(np.full(len(pairs), 9, np.int64), child.copy(), parent.copy(), bytes(32))
    by_set, by_bag = (
        compare(engine, str(tmp_path), by_bucket, wanted, is_bag=is_bag).counts for is_bag in (False, True)
    )
    assert by_set.n_missing.tolist() == [0, 0, 300, 150]
    assert by_bag.n_missing.tolist() == [0, 250, 300, 400]
    assert by_set.n_child_rows.tolist() == [200, 500, 500, 500]
    assert (by_set.child_hash == by_set.matched_hash)[:2].all()


@dataclass(frozen=True)
class HalfDeleted:
    """A Delta table whose last rows are deleted, by a vector in the log, though the file's statistics know them."""

    format: ClassVar[str] = "delta"
    dead: pa.Table

    def write(self, root, name, data):
        """Write the table's rows and, deleted, those of `dead`."""
        SparkLikeDelta().write(root, name, pa.concat_tables([data, self.dead]))
        log = root / name / "_delta_log" / f"{0:020d}.json"
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
        for action in actions:
            if "protocol" in action:
                action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
            if "metaData" in action:
                action["metaData"]["configuration"] = {"delta.enableDeletionVectors": "true"}
            if "add" in action:
                dead = range(data.num_rows, data.num_rows + self.dead.num_rows)
                action["add"]["deletionVector"] = inline_deletion_vector(dead)
        log.write_text("".join(json.dumps(action) + "\n" for action in actions))
        return name


def test_bounds_of_deleted_rows_refute_nothing(tmp_path, engine_name):
    """The only value of x is deleted, and so are rows that Arrow would see."""
    schema = pa.schema([("x", pa.int64()), ("y", pa.int64())])
    live = pa.table({"x": [None] * 5, "y": list(range(5))}, schema=schema)
    tables = {
        "deleted": (live, HalfDeleted(pa.table({"x": [100, 100], "y": [1, 9]}, schema=schema))),
        "parent": (pa.table({"x": [1, *[None] * 6], "y": [7, *range(6)]}, schema=schema), ParquetFile()),
        "copy": (live, ParquetFile()),
    }
    lake = inventoried(tmp_path, tables)
    store, ref = lake.run("set", ContainmentConfig(), engine_name)
    assert pairs_of(store.read(ref, "edges")) == true_pairs({name: data for name, (data, _) in tables.items()})


@dataclass(frozen=True)
class DeletedFromIceberg:
    """An Iceberg table in two files, its columns renamed, with rows that deletes of both kinds have taken."""

    format: ClassVar[str] = "iceberg"
    dead: pa.Table

    def write(self, root, name, data):
        """Write the table's rows and, deleted, those of `dead`: the first by its place, the others by all columns."""
        old = [column(number, f"c{number}", "long") for number in range(1, data.num_columns + 1)]
        table = HandMade(root / name, old, location="s3://gone/t")
        first, rest = (part.rename_columns([one["name"] for one in old]) for part in (self.dead.slice(0, 1), data))
        parts = [table.data(pa.concat_tables([first, rest.slice(0, 3)])), table.data(rest.slice(3))]
        gone = self.dead.slice(1).rename_columns([one["name"] for one in old])
        table.commit(*parts, table.data(gone))
        table.commit(table.positions(parts[0], [0]), table.equality(gone))
        new = [{**one, "name": own} for one, own in zip(old, data.column_names, strict=True)]
        table.commit(columns=new)
        return name


def test_rows_of_an_iceberg_table_are_those_that_its_deletes_leave(tmp_path, engine_name):
    schema = pa.schema([("x", pa.int64()), ("y", pa.int64())])
    live = pa.table({"x": [None] * 5, "y": list(range(5))}, schema=schema)
    dead = pa.table({"x": [100, 100, 7], "y": [1, 9, 3]}, schema=schema)
    tables = {
        "deleted": (live, DeletedFromIceberg(dead)),
        "parent": (pa.table({"x": [1, *[None] * 6], "y": [7, *range(6)]}, schema=schema), ParquetFile()),
        "copy": (live, ParquetFile()),
        "older": (pa.concat_tables([live, dead]), ParquetFile()),
    }
    lake = inventoried(tmp_path, tables)
    store, ref = lake.run("bag", ContainmentConfig(), engine_name)
    pairs = pairs_of(store.read(ref, "edges"))
    assert pairs == true_pairs({name: data for name, (data, _) in tables.items()}) and len(pairs) == 6


def test_partitions_without_rows_refute_nothing(tmp_path, engine_name):
    data = pa.table({"x": [1, 2, 3], "k": ["a", "a", "b"]})
    tables = {
        "hive": (data, HivePartitions(("k",))),
        "delta": (data, DeltaTable(partition_by=("k",))),
        "plain": (data, ParquetFile()),
    }
    lake_folder = tmp_path / "lake" / "hive" / "k=zzz"
    lake_folder.mkdir(parents=True)
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), lake_folder / "part-0.parquet")
    lake = inventoried(tmp_path, tables)
    for strict in (False, True):
        store, ref = lake.run(f"strict {strict}", ContainmentConfig(strict_types=strict), engine_name)
        assert len(pairs_of(store.read(ref, "edges"))) == 6


def test_types_of_all_readers_are_one_under_strict_types(tmp_path, engine_name):
    """The same rows from Parquet, from Delta, and from a Delta table with a deletion vector."""
    from datetime import UTC, date, datetime

    moment = datetime(2020, 1, 1, 12, 0, 0, 123456, UTC)
    schema = pa.schema(
        [
            ("i", pa.int32()),
            ("l", pa.int64()),
            ("d", pa.float64()),
            ("s", pa.string()),
            ("b", pa.bool_()),
            ("t", pa.timestamp("us", "UTC")),
            ("a", pa.date32()),
        ]
    )
    rows = [
        (n, None if n == 3 else n, n / 2, f"s{n}", n % 2 == 0, moment.replace(second=n), date(2020, 1, 1 + n))
        for n in range(20)
    ]
    data = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    tables = {
        "parquet": (data, ParquetFile()),
        "delta": (data, DeltaTable()),
        "spark": (data, HalfDeleted(data.slice(0, 3))),
    }
    lake = inventoried(tmp_path, tables)
    for strict in (False, True):
        store, ref = lake.run(f"strict {strict}", ContainmentConfig(strict_types=strict), engine_name)
        assert len(pairs_of(store.read(ref, "edges"))) == 6


def test_names_that_are_syntax_to_spark_are_read(tmp_path, engine_name):
    names = ["a`b", "a.b", "a", "Stra\u00dfe"]
    live, dead = (pa.Table.from_arrays([pa.array(cells)] * 4, names) for cells in ([1, 2, 3], [9, 9]))
    write_tables(tmp_path / "lake", {"parquet": (live, ParquetFile()), "spark": (live, HalfDeleted(dead))})
    for ignore_case in (False, True):
        workspace = Workspace(
            lake=LakeConfig(root=str(tmp_path / "lake"), ignore_column_case=ignore_case),
            artifacts=str(tmp_path / "all"),
            engine=engine_name,
        )
        ref = run_stage(
            CONTAINMENT,
            Inputs.of(workspace, run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig())), ContainmentConfig()),
        )
        found = pairs_of(ArtifactStore(workspace.artifacts).read(ref, "edges"))
        assert found == {("parquet", "spark"), ("spark", "parquet")}


def test_renamed_columns_are_read_under_the_names_that_readers_see(tmp_path, spark, engine_name):
    """Column mapping by name, a struct, a partition, and rows deleted by a vector."""
    folder = tmp_path / "lake" / "mapped"
    table = f"delta.`{folder}`"
    spark.sql(
        f"create table {table} (was int, o struct<a: int, b: string>, p string) using delta partitioned by (p) "
        "tblproperties ('delta.columnMapping.mode' = 'name', 'delta.enableDeletionVectors' = 'true')"
    )
    columns = (
        "cast(id as int) as was",
        "named_struct('a', cast(id % 7 as int), 'b', cast(id as string)) as o",
        "if(id % 2 = 0, 'x', 'y') as p",
    )
    spark.range(0, 4000, 1, 1).selectExpr(*columns).write.format("delta").mode("append").save(str(folder))
    spark.sql(f"alter table {table} rename column was to now")
    spark.sql(f"delete from {table} where now % 5 = 3")  # noqa: S608
    live = [n for n in range(4000) if n % 5 != 3]
    plain = pa.table(
        {
            "now": pa.array(live, pa.int32()),
            "o": [{"a": n % 7, "b": str(n)} for n in live],
            "p": ["x" if n % 2 == 0 else "y" for n in live],
        }
    )
    lake = inventoried(tmp_path, {"plain": (plain, ParquetFile())})
    store, ref = lake.run("bag", ContainmentConfig(semantics="bag"), engine_name)
    assert pairs_of(store.read(ref, "edges")) == {("mapped", "plain"), ("plain", "mapped")}
