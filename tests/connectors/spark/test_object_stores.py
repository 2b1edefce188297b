import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.spark import object_stores
from lakebed.connectors.spark.object_stores import read_delta, require_connector, spark_uri


def test_addresses_as_hadoop_knows_them():
    assert spark_uri("s3://bucket/a b") == "s3a://bucket/a b"
    assert spark_uri("s3a://bucket/a") == "s3a://bucket/a"
    assert spark_uri("gcs://bucket/a") == "gs://bucket/a"
    assert spark_uri("abfss://c@account.dfs.core.windows.net/a") == "abfss://c@account.dfs.core.windows.net/a"
    assert spark_uri("/data/lake") == "file:///data/lake"


@pytest.mark.parametrize(
    ("uri", "fix"),
    [
        ("s3://bucket/t", "lakebed.connectors.spark.fetch s3"),
        ("abfss://c@a/t", "hadoop-azure"),
        ("gs://bucket/t", "Google"),
    ],
)
def test_a_missing_connector_is_told_with_what_brings_it(uri, fix, monkeypatch):
    monkeypatch.setattr(object_stores, "has_connector", lambda session, asked: False)
    with pytest.raises(SourceError, match="Spark cannot reach") as caught:
        require_connector(None, uri)
    assert fix in str(caught.value)
    with pytest.raises(SourceError, match="Spark cannot reach"):
        read_delta(None, uri)
