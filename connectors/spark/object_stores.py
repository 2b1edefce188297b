"""Spark on object stores: the address as Hadoop knows it, and whether Hadoop's connector for it is there.

lakebed's own reading and writing needs none of it. Spark reads an object store itself only where nobody else can: Delta
tables with deletion vectors or renamed columns, and results too large for one process.
"""

from typing import TYPE_CHECKING, Any

from lakebed.connectors.errors import SourceError
from lakebed.connectors.spark.connect import is_connect
from lakebed.connectors.spark.jars import S3_JARS
from lakebed.connectors.storage import Storage, is_object_store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SCHEMES = {"s3": "s3a", "gcs": "gs", "abfs": "abfs", "abfss": "abfss"}
_IN_CONF = "name it in the config's [spark.conf] as spark.jars.packages; see docs/object-stores.md"
_CONNECTORS = {
    "s3a": ("org.apache.hadoop.fs.s3a.S3AFileSystem", "Hadoop's S3 connector", S3_JARS.fix),
    "abfs": ("org.apache.hadoop.fs.azurebfs.AzureBlobFileSystem", "org.apache.hadoop:hadoop-azure:3.5.0", _IN_CONF),
    "abfss": ("org.apache.hadoop.fs.azurebfs.AzureBlobFileSystem", "org.apache.hadoop:hadoop-azure:3.5.0", _IN_CONF),
    "gs": ("com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem", "Google's gcs-connector for Hadoop 3", _IN_CONF),
}


def spark_uri(uri: str) -> str:
    """The address as Spark wants it: Hadoop has schemes of its own, and a local path needs its scheme to be safe."""
    scheme, sign, rest = uri.partition("://")
    if is_object_store(uri):
        return f"{_SCHEMES.get(scheme, scheme)}{sign}{rest}"
    return uri if uri.startswith("file:") else "file://" + Storage.at(uri).root


def has_connector(session: "SparkSession", uri: str) -> bool:
    """Whether the session can reach this address; local ones always."""
    scheme = spark_uri(uri).partition("://")[0]
    # of a Connect server nobody knows before it is asked for the table
    if scheme not in _CONNECTORS or is_connect(session):
        return True
    jvm: Any = session.sparkContext._jvm
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(_CONNECTORS[scheme][0]))


def require_connector(session: "SparkSession", uri: str) -> None:
    """Says how to get the connector for an address where it is missing.

    Raises:
        SourceError: naming the command.
    """
    if not has_connector(session, uri):
        scheme = spark_uri(uri).partition("://")[0]
        _, name, fix = _CONNECTORS[scheme]
        raise SourceError(
            f"Spark cannot reach {scheme}:// without {name}", value=uri, expected="its jars in the session", hint=fix
        )


def read_delta(session: "SparkSession", uri: str, version: int | None = None) -> "DataFrame":
    """A Delta table, through Spark.

    Raises:
        SourceError: if Hadoop's connector for its store is missing.
    """
    require_connector(session, uri)
    reader = session.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(
        spark_uri(uri) if is_object_store(uri) else uri
    )
