from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.graph import prepare
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds
from lakebed.tasks.embeddings.spark import GraphTables
from lakebed.tasks.embeddings.spark_rounds import embed_by_rounds_on_spark
from tests.tasks.embeddings.artifacts import graph_tables, tables, written_vectors
from tests.tasks.embeddings.graphs import largest_angle

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
CONFIG = EmbeddingsConfig(
    method="orthogonal", dim=16, orthogonal_rounds=3, orthogonal_every=2, threads=1, rows_per_block=25
)


def run(spark: "SparkSession", uris: GraphTables, place: Path) -> np.ndarray:
    return written_vectors(
        place / "out", lambda out: embed_by_rounds_on_spark(spark, uris, CONFIG, str(place / "rounds"), out)
    )


def test_the_kernel_s_directions_for_any_partitions_and_after_a_kill(
    spark: "SparkSession", uris: GraphTables, tmp_path: Path
) -> None:
    name, found = "spark.sql.shuffle.partitions", []
    before = spark.conf.get(name)
    try:
        for n_partitions in (1, 3):
            spark.conf.set(name, str(n_partitions))
            found.append(run(spark, uris, tmp_path / str(n_partitions)))
    finally:
        spark.conf.set(name, str(before))
    assert found[0].tobytes() == found[1].tobytes()
    expected = embed_by_rounds(prepare(*tables(is_weighted=True), None, CONFIG).graph, CONFIG).vectors
    assert largest_angle(found[0], expected) <= 1e-3
    assert np.abs(found[0] - expected).max() <= 1e-3 * np.abs(expected).max()
    # one step alone is left, and what comes after a kill begins there
    folder = tmp_path / "1" / "rounds" / "rounds"
    assert [path.name for path in folder.iterdir()] == ["3b"]
    stamp = (folder / "3b").stat().st_mtime_ns
    assert run(spark, uris, tmp_path / "1").tobytes() == found[0].tobytes()
    assert (folder / "3b").stat().st_mtime_ns == stamp


def test_an_empty_graph_is_refused(spark: "SparkSession", tmp_path: Path) -> None:
    empty = graph_tables(tmp_path, 0)
    with pytest.raises(GraphError, match="empty graph"):
        embed_by_rounds_on_spark(spark, empty, CONFIG, str(tmp_path / "rounds"), str(tmp_path / "out"))
