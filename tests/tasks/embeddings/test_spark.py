import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lakebed.connectors.errors import GraphError, StageError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.graph import prepare
from lakebed.tasks.embeddings.kernel.fastrp import embed
from lakebed.tasks.embeddings.spark import GraphTables, embed_on_spark
from tests.tasks.embeddings.artifacts import graph_tables, tables, written_vectors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
Whole = tuple[Path, np.ndarray]
CONFIG = EmbeddingsConfig(dim=16, weights=(0.5, 0.0, 1.0), threads=1, rows_per_block=25, self_weight=0.1)


def run(spark: "SparkSession", uris: GraphTables, place: Path, config: EmbeddingsConfig = CONFIG) -> np.ndarray:
    return written_vectors(place / "out", lambda out: embed_on_spark(spark, uris, config, str(place / "powers"), out))


@pytest.fixture(scope="module")
def whole(spark: "SparkSession", uris: GraphTables, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The folder of a run with as many partitions as the session has, and its vectors. Not to be changed."""
    place = tmp_path_factory.mktemp("whole")
    return place, run(spark, uris, place)


def test_spark_is_the_kernel_but_for_rounding(whole: Whole) -> None:
    expected = embed(prepare(*tables(is_weighted=True), None, CONFIG).graph, CONFIG).vectors
    _, found = whole
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_same_bits_for_any_number_of_partitions(
    spark: "SparkSession", uris: GraphTables, whole: Whole, tmp_path: Path
) -> None:
    name, found = "spark.sql.shuffle.partitions", {whole[1].tobytes()}
    before = spark.conf.get(name)
    assert int(before) > 3
    try:
        for n_partitions in (1, 3):
            spark.conf.set(name, str(n_partitions))
            found.add(run(spark, uris, tmp_path / str(n_partitions)).tobytes())
    finally:
        spark.conf.set(name, str(before))
    assert len(found) == 1


def test_a_killed_run_goes_on_and_other_weights_take_the_powers(
    spark: "SparkSession", uris: GraphTables, whole: Whole, tmp_path: Path
) -> None:
    place, first = whole
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "powers" / "powers" / "3")
    stamp = (tmp_path / "powers" / "powers" / "2").stat().st_mtime_ns
    assert run(spark, uris, tmp_path).tobytes() == first.tobytes()
    other = CONFIG.model_copy(update={"weights": (1.0, 1.0, 0.0), "standardize": False})
    found = run(spark, uris, tmp_path, other)
    assert (tmp_path / "powers" / "powers" / "2").stat().st_mtime_ns == stamp
    expected = embed(prepare(*tables(is_weighted=True), None, other).graph, other).vectors
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_features_are_refused(spark: "SparkSession", uris: GraphTables, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="one process"):
        run(spark, uris, tmp_path, CONFIG.model_copy(update={"features": ("kind",)}))


def test_an_empty_graph_is_refused(spark: "SparkSession", tmp_path: Path) -> None:
    empty = graph_tables(tmp_path, 0)
    with pytest.raises(GraphError, match="empty graph"):
        embed_on_spark(spark, empty, CONFIG, str(tmp_path / "powers"), str(tmp_path / "out"))
