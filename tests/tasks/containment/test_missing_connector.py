from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import Split
from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.containment.jobs import DeltaSource, run_on_tables
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan, ScanRows, TableScan, scan_cells, scan_splits
from lakebed.tasks.scan.spark import SparkEngine
from tests.tasks.scan.here import HereEngine

SOURCE = DeltaSource(table_id=7, uri="s3://bucket/t", version=0, columns=("a",))
SPLIT = Split(0, 0, "", "parquet", None, (), (), 1, 1)
PLAN = ScanPlan("", "", "", {0: (0, ('["a"]',))}, {7: TableScan((0,), 0, 0)}, HashSettings(b"k" * 16), 1)


def test_a_table_that_spark_cannot_reach_is_listed_with_what_to_do():
    """The other tables are read all the same."""
    calls = []

    class Unconnected(SparkEngine):
        def map(self, work, tasks):
            calls.append(tasks)
            rows = ScanRows()
            rows.add("task", -1)
            yield rows.batch()

        def read_table(self, work):
            raise SourceError("Spark cannot reach s3a://", hint="python -m lakebed.connectors.spark.fetch s3")

    engine = Unconnected(SparkConfig())
    rows = run_on_tables(engine, PLAN, [[SPLIT]], [SOURCE], (scan_splits, scan_cells)).to_pylist()
    assert [(row["kind"], row["table_id"]) for row in rows] == [("task", -1), ("error", 7)]
    assert "lakebed.connectors.spark.fetch s3" in rows[1]["text"]
    assert calls == [[[SPLIT]]]


def test_without_spark_such_a_table_is_listed_with_the_command_that_reads_it():
    rows = run_on_tables(HereEngine(), PLAN, [], [SOURCE], (scan_splits, scan_cells))
    assert rows.schema.equals(SCAN_SCHEMA)
    assert [(row["kind"], row["table_id"]) for row in rows.to_pylist()] == [("error", 7)]
    assert "lakebed run --engine spark" in rows["text"][0].as_py()
