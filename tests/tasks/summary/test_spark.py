"""Spark makes the local kernel's bytes, for any number of partitions."""

import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary
from lakebed.tasks.summary.kernel.summarize import encode_log
from lakebed.tasks.summary.spark import encode_on_spark, merge_on_spark, prepare, verify_on_spark
from tests.tasks.summary.graphs import planted_graph

pytestmark = pytest.mark.spark

CONFIG = SummaryConfig(iterations=3, group_size=40, seed=3)


@pytest.fixture(scope="module")
def edges() -> np.ndarray:
    mixed = planted_graph(260, 9, seed=4)
    return np.concatenate([mixed, mixed[:20, ::-1], np.array([[5, 5]])])


@pytest.fixture(scope="module")
def local(edges: np.ndarray) -> tuple[MergeLog, Summary]:
    graph = build_graph(edges, 263)
    log = merge_graph(graph, CONFIG)
    return log, encode_log(graph, log, CONFIG)


@pytest.mark.parametrize("n_tasks", [1, 3, pytest.param(8, marks=pytest.mark.heavy)])
def test_equal_to_the_local_kernel(spark, edges, local, n_tasks) -> None:
    frame = spark.createDataFrame([tuple(map(int, row)) for row in edges], "source bigint, target bigint")
    run = prepare(spark, frame.repartition(n_tasks), 263, n_tasks, CONFIG)
    log = merge_on_spark(run, MergeLog.none())
    for name in ("absorbed", "kept", "ends", "work"):
        np.testing.assert_array_equal(getattr(log, name), getattr(local[0], name))
    summary = encode_on_spark(run, log)
    assert summary.parent.tobytes() == local[1].parent.tobytes()
    for name in ("source", "target", "sign"):
        found, wanted = (getattr(one.signed_edges, name) for one in (summary, local[1]))
        assert found.tobytes() == wanted.tobytes()
    assert verify_on_spark(run, summary) == len(planted_graph(260, 9, seed=4))


def test_damage_is_found_in_blocks_without_edges(spark) -> None:
    frame = spark.createDataFrame([(0, 1)], "source bigint, target bigint")
    ids = np.array([0, 7], np.int32), np.array([1, 8], np.int32), np.ones(2, np.int8)
    run = prepare(spark, frame, 9, 2, CONFIG)
    with pytest.raises(Exception, match="does not decode"):
        verify_on_spark(run, Summary(9, np.full(9, -1, np.int32), SignedEdges(*ids)))
    right = Summary(9, np.full(9, -1, np.int32), SignedEdges(*(column[:1] for column in ids)))
    assert verify_on_spark(run, right) == 1


def test_graphs_without_edges(spark) -> None:
    run = prepare(spark, spark.createDataFrame([], "source bigint, target bigint"), 4, 2, CONFIG)
    log = merge_on_spark(run, MergeLog.none())
    assert (len(log.kept), len(log.ends)) == (0, 3)
    assert encode_on_spark(run, log).cost() == 0


def test_ids_out_of_range(spark) -> None:
    frame = spark.createDataFrame([(0, 9)], "source bigint, target bigint")
    with pytest.raises(GraphError, match="out of range") as caught:
        prepare(spark, frame, 9, 1, CONFIG)
    assert caught.value.examples == ("0, 9",)
