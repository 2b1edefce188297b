import numpy as np
import pyarrow as pa

from lakebed.tasks.links import outcome
from lakebed.tasks.links.contract import DECILES, NODE_METRICS, PREDICTIONS, VECTORS
from lakebed.tasks.links.kernel.nodes import NodeMetrics
from lakebed.tasks.runtime.checks import check_table

NAN = np.nan


def metrics():
    return NodeMetrics(
        node=np.array([1, 4, 6]),
        degree=np.array([2, 0, 5]),
        tc=np.array([NAN, NAN, NAN]),
        atc=np.array([0.1, 0.2, 0.9]),
        decile=np.array([0, 3, 6], np.int32),
        train_likeness=np.array([0.5, NAN, 0.25]),
        test_likeness=np.array([0.25, NAN, NAN]),
        recall=np.array([1.0, NAN, 0.5]),
        mrr_random=np.array([0.5, NAN, 1.0]),
        mrr_hard=np.array([NAN, NAN, 0.25]),
    )


def test_what_was_not_measured_is_null():
    table = check_table(NODE_METRICS, outcome.node_table(metrics()))
    assert table["tc"].null_count == 3
    assert table["recall"].to_pylist() == [1.0, None, 0.5]
    rows = check_table(DECILES, outcome.deciles(metrics())).to_pylist()
    assert [row["decile"] for row in rows] == [0, 3, 6]
    assert [row["shift"] for row in rows] == [0.25, None, None]
    assert [row["recall_mean"] for row in rows] == [1.0, None, 0.5]
    assert [row["mrr_hard"] for row in rows] == [None, None, 0.25]


def test_a_node_has_the_mean_reciprocal_rank_of_its_test_pairs():
    pairs = np.array([[1, 4], [1, 9]])
    found = metrics().with_ranks([(pairs, np.array([1.0, 4.0])), (pairs[:1], np.array([2.0]))])
    assert found.mrr_random.tolist()[:2] == [0.625, 1.0]
    assert found.mrr_hard.tolist()[:2] == [0.5, 0.5]
    assert np.isnan([found.mrr_random[2], found.mrr_hard[2]]).all()


def test_predictions_are_named():
    nodes = pa.table({"kind": ["column", "column", "node"], "label": ["a.x", "b.y", "n"]})
    pairs = np.array([[0, 1], [2, 2]])
    table = outcome.predictions(pairs, np.array([0.9, 0.1]), ["{}", "{}"], ["", "two"], nodes)
    rows = check_table(PREDICTIONS, table).to_pylist()
    assert [(row["rank"], row["kind"], row["source_label"], row["target_label"]) for row in rows] == [
        (1, "column", "a.x", "b.y"),
        (2, "node", "n", "n"),
    ]
    assert outcome.predictions(pairs[:0], np.empty(0), [], [], nodes).num_rows == 0


def test_vectors_keep_their_rows():
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    table = check_table(VECTORS, outcome.vector_table(np.array([3, 8]), rows, rows[:, :1]))
    assert table.to_pylist() == [
        {"node_id": 3, "vector": [0, 1, 2], "stacked": [0]},
        {"node_id": 8, "vector": [3, 4, 5], "stacked": [3]},
    ]
