"""Data-parallel training: the arithmetic in this process, and two workers of a real standalone cluster."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.fit import edge_task, embed_nodes, make_products
from lakebed.tasks.links.kernel.ladder import inner_products
from lakebed.tasks.links.kernel.metrics import auc, measure
from lakebed.tasks.links.kernel.training import Shard
from lakebed.tasks.links.spark import SharedTask, train_shard
from tests.benchmarks.links import SHARED, load
from tests.services.spark_cluster import spark_cluster
from tests.tasks.links.graphs import communities

REPOSITORY = Path(__file__).resolve().parents[3]
CORA = SHARED / "cora.npz"
CONFIG = LinksConfig(
    split=SplitConfig(valid_share=0.1, test_share=0.15),
    gnn=GnnConfig(n_hidden=16, n_epochs=40, patience=40),
    projection_columns=32,
    n_tails=10,
)


def shared_task(kind="sage"):
    edges, n = communities()
    task = edge_task(edges, n, CONFIG)
    return SharedTask(kind, task, embed_nodes(make_products(task.graph, CONFIG), CONFIG), CONFIG)


def quality(trained, task):
    scores = (
        np.einsum("ij,ij->i", trained.vectors[pairs[:, 0]], trained.vectors[pairs[:, 1]], dtype=np.float64)
        for pairs in (task.split.test, task.split.test_negative)
    )
    return auc(*scores)


class Meeting:
    """Adds up tensors of threads, in the order of their ranks."""

    def __init__(self, n_shards):
        self.parts = [None] * n_shards
        self.barrier = threading.Barrier(n_shards, timeout=60)

    def shard(self, rank):
        def add_up(rows):
            self.parts[rank] = rows.clone()
            self.barrier.wait()
            rows.copy_(torch.stack(self.parts).sum(dim=0))
            self.barrier.wait()

        return Shard(rank, len(self.parts), add_up)


def test_two_shards_train_as_one_process_does():
    shared, found = shared_task(), {}
    meeting = Meeting(2)

    def work(rank):
        found[rank] = train_shard(shared, meeting.shard(rank))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = train_shard(shared, None)
    assert found[0].vectors.tobytes() == found[1].vectors.tobytes()
    assert np.abs(np.array(found[0].state.history[:5]) - alone.state.history[:5]).max() < 1e-3
    assert abs(quality(found[0], shared.task) - quality(alone, shared.task)) <= 0.005


def test_shards_share_every_pair_out_once():
    pairs = np.arange(14).reshape(7, 2)
    parts = [Shard(rank, 3, torch.clone).part(pairs) for rank in range(3)]
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(map(tuple, pairs))


def cora_task(kind="gcn"):
    """The graph of Cora with its words, under the default config."""
    edges, features = load(CORA)
    task = edge_task(edges, features.shape[0], LinksConfig(), features)
    return SharedTask(kind, task, np.empty((0, 0), np.float32), LinksConfig())


def figures(trained, task):
    """All figures of a network on the test pairs."""
    with_tails = np.stack([np.repeat(task.split.test[:, 0], task.tails.shape[1]), task.tails.ravel()], axis=1)
    pairs = (task.split.test, task.split.test_negative, with_tails)
    links, others, tails = (inner_products(trained.vectors, part) for part in pairs)
    found = measure(links, others, tails.reshape(task.tails.shape), (10, 50))
    return {"auc": found.auc, "hits@10": found.hits[10], "hits@50": found.hits[50], "mrr": found.mrr}


DRIVER = """
import json, sys, time
from pyspark.sql import SparkSession
from lakebed.tasks.links.spark import train_on_spark, train_shard
from tests.tasks.links import test_spark

settings = {
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "512m",
    "spark.executor.cores": "1", "spark.cores.max": "2", "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master(sys.argv[1]).appName("links")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
shared = getattr(test_spark, sys.argv[2])()
started = time.monotonic()
together = train_on_spark(shared, 2)
between = time.monotonic()
alone = train_shard(shared, None)
found = {"seconds": [round(between - started, 1), round(time.monotonic() - between, 1)]}
n_executors = len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1
spark.stop()
found |= {"two": test_spark.figures(together, shared.task), "one": test_spark.figures(alone, shared.task)}
found["executors"] = n_executors
found["epochs"] = [together.state.epoch, alone.state.epoch]
print("FOUND " + json.dumps(found))
"""


@pytest.fixture
def cluster(tmp_path):
    with spark_cluster(tmp_path) as running:
        yield running


def trained_on(cluster, task):
    """The figures of two workers and of one process."""
    environment = cluster.environment | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, cluster.master, task],
        check=False, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    sys.stdout.write(f"{line}{os.linesep}")
    found = json.loads(line.removeprefix("FOUND "))
    assert found["executors"] == 2
    return found


@pytest.mark.spark
@pytest.mark.heavy
def test_two_workers_of_a_standalone_cluster_are_as_good_as_one_process(cluster):
    found = trained_on(cluster, "shared_task")
    assert abs(found["two"]["auc"] - found["one"]["auc"]) <= 0.005
    assert found["two"]["auc"] > 0.75


@pytest.mark.spark
@pytest.mark.heavy
@pytest.mark.long
@pytest.mark.skipif(not CORA.exists(), reason="the shared data, with cora.npz, lie beside the checkout on few machines")
def test_two_workers_on_cora_are_as_good_as_one_process(cluster):
    found = trained_on(cluster, "cora_task")
    assert abs(found["two"]["auc"] - found["one"]["auc"]) <= 0.005
    assert found["two"]["auc"] > 0.9
