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

from tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from tasks.links.fit import edge_task, embed_nodes, make_products
from tasks.links.kernel.metrics import auc
from tasks.links.kernel.training import Shard
from tasks.links.spark import SharedTask, train_shard
from tests.services.spark_cluster import spark_cluster
from tests.tasks.links.graphs import communities

REPOSITORY = Path(__file__).resolve().parents[3]
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


DRIVER = """
import json, sys
from pyspark.sql import SparkSession
from tasks.links.spark import train_on_spark, train_shard
from tests.tasks.links.test_spark import quality, shared_task

settings = {
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "512m",
    "spark.executor.cores": "1", "spark.cores.max": "2", "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master(sys.argv[1]).appName("links")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
shared = shared_task()
together, alone = train_on_spark(shared, 2), train_shard(shared, None)
n_executors = len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1
spark.stop()
found = {"two": quality(together, shared.task), "one": quality(alone, shared.task), "executors": n_executors}
found["epochs"] = [together.state.epoch, alone.state.epoch]
print("FOUND " + json.dumps(found))
"""


@pytest.fixture
def cluster(tmp_path):
    with spark_cluster(tmp_path) as running:
        yield running


@pytest.mark.spark
@pytest.mark.heavy
def test_two_workers_of_a_standalone_cluster_are_as_good_as_one_process(cluster):
    environment = cluster.environment | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, cluster.master],
        check=False, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    found = json.loads(line.removeprefix("FOUND "))
    sys.stdout.write(f"{line}{os.linesep}")
    assert found["executors"] == 2
    assert abs(found["two"] - found["one"]) <= 0.005
    assert found["two"] > 0.75
