"""Building the class-data archive: a short session does what runs do, and its JVM writes what it loaded."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from lakebed.connectors.errors import StageError
from lakebed.connectors.spark.archive import archive_path, is_usable
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.fetch import present_jars
from lakebed.connectors.spark.java import find_java
from lakebed.connectors.spark.session import SessionStarter


def build_archive(config: SparkConfig) -> Path:
    """Builds the archive for this Java and these jars, unless it is there; takes about a minute.

    It appears under its name only when it is whole, so that a killed build leaves none behind.

    Raises:
        ConfigError: if Java or the jars are missing.
        StageError: if the JVM leaves no archive.
    """
    java, jars = find_java(), present_jars(config.jars)
    target = archive_path(java, jars)
    if is_usable(java, jars):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        part = Path(folder) / "part.jsa"
        starter = SessionStarter(config, jvm_flags=[f"-XX:ArchiveClassesAtExit={part}"])
        _work(starter.get(), Path(folder) / "table")
        starter.stop()
        if not part.is_file():
            raise StageError("Java wrote no class-data archive", value=target, hint="`lakebed doctor`")
        for old in target.parent.glob("*.jsa"):
            old.unlink()
        part.rename(target)
    return target


def _work(session: SparkSession, folder: Path) -> None:
    """The kinds of jobs that stages run: Arrow batches through Python, aggregation, a Delta write, delete and read."""
    frame = session.range(1000).repartition(2).mapInArrow(_same, "id long")
    frame.createOrReplaceTempView("numbers")
    counted = session.sql("SELECT id % 7 AS part, count(*) AS n, sum(id) AS total FROM numbers GROUP BY 1 ORDER BY 1")
    counted.write.format("delta").mode("overwrite").save(str(folder))
    session.sql(f"ALTER TABLE delta.`{folder}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    session.sql(f"DELETE FROM delta.`{folder}` WHERE part = 1")  # noqa: S608 - a path of our own
    loaded = session.read.format("delta").load(str(folder))
    loaded.join(counted, "part", "left_anti").toArrow()
    counted.write.parquet(str(folder) + ".parquet")
    session.read.parquet(str(folder) + ".parquet").toArrow()
    session.createDataFrame(pa.table({"part": [1, 2], "path": ["a", "b"]})).collect()
    shutil.rmtree(folder)


def _same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


if __name__ == "__main__":
    sys.stderr.write(f"{build_archive(SparkConfig())}\n")
