from lakebed.connectors.errors import SourceError
from lakebed.tasks.containment import spark
from lakebed.tasks.containment.spark import DeltaSource, run_on_tables


def test_a_table_that_spark_cannot_reach_is_listed_with_what_to_do(monkeypatch):
    """The other tables are read all the same."""
    calls = []

    def collect(session, plan, tasks, sources, work):
        calls.append((tuple(tasks), tuple(source.table_id for source in sources)))
        if sources:
            raise SourceError("Spark cannot reach s3a://", hint="python -m lakebed.connectors.spark.fetch s3")
        return spark.SCAN_SCHEMA.empty_table()

    monkeypatch.setattr(spark, "_collect", collect)
    source = DeltaSource(table_id=7, uri="s3://bucket/t", version=0, columns=("a",))
    rows = run_on_tables(None, None, [["split"]], [source], (None, None)).to_pylist()
    assert [(row["kind"], row["table_id"]) for row in rows] == [("error", 7)]
    assert "lakebed.connectors.spark.fetch s3" in rows[0]["text"]
    assert ((["split"],), ()) in calls
