"""The chain as a client of a Spark Connect server that knows nothing of lakebed."""

import json
import subprocess
import sys

import pytest

from tests.flows.lakes import snapshot, write_mixed_lake
from tests.flows.processes import ONE_KEY, lakebed, python

pytest.importorskip("grpc_status", reason="the extra lakebed[connect] is not installed")
pytestmark = [pytest.mark.spark, pytest.mark.heavy]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from tests.services.spark_connect import connect_server

    with connect_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    from lakebed.data_samples.generator import generate_sample_lake

    root = tmp_path_factory.mktemp("sample") / "lake"
    generate_sample_lake(root)
    return root


def ran(folder, lake, *options, **variables):
    arguments = ("run", "--lake", str(lake), "--artifacts", "artifacts", "--json", *options)
    folder.mkdir(exist_ok=True)
    return lakebed(*arguments, folder=folder, **ONE_KEY, LAKEBED_EXPECTATIONS__RUN="deployed", **variables)


def digests(answer):
    assert answer.status == 0, answer.err
    return {stage["stage"]: stage["digest"] for stage in answer.json["stages"]}


def test_the_chain_through_connect_has_the_digests_of_a_local_run(server, lake, tmp_path):
    before = snapshot(lake)
    through = ran(tmp_path / "through", lake, "--to", "index", SPARK_REMOTE=f"{server}/;user_id=tester")
    found = digests(through)
    assert found == digests(ran(tmp_path / "here", lake, "--to", "index", "--engine", "local"))
    assert {"inventory", "containment", "relations", "retention", "index"} <= found.keys()
    assert snapshot(lake) == before
    record = json.loads((tmp_path / "through/artifacts/runs" / through.json["run_id"] / "run.json").read_text())
    assert record["spark"]["master"] == server and record["spark"]["application_id"]
    # what follows the address may be a token
    assert "tester" not in json.dumps(record)


LARGE = """
import sys
from pathlib import Path
import numpy as np
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
from lakebed.tasks.embeddings.spark import GraphTables
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.embeddings import test_spark as vectors
from tests.tasks.embeddings.artifacts import publish_graph, workspace
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.merging import merge_graph
from lakebed.tasks.summary.kernel.summarize import encode_log
from tests.tasks.summary import test_spark as summaries
from tests.tasks.summary.graphs import planted_graph

session, place = SessionStarter(SparkConfig(master=sys.argv[1])).get(), Path(sys.argv[2])
space = workspace(place / "graph")
ref, store = publish_graph(space, is_weighted=True), ArtifactStore(space.artifacts)
uris = GraphTables(store.table_uri(ref, "nodes"), store.table_uri(ref, "edges"))
vectors.test_spark_is_the_kernel_but_for_rounding((place, vectors.run(session, uris, place)))
print("vectors")
mixed = planted_graph(260, 9, seed=4)
edges = np.concatenate([mixed, mixed[:20, ::-1], np.array([[5, 5]])])
graph = build_graph(edges, 263)
log = merge_graph(graph, summaries.CONFIG)
local = log, encode_log(graph, log, summaries.CONFIG)
summaries.test_equal_to_the_local_kernel(session, edges, local, 3)
print("summary")
"""


def test_what_is_too_large_for_one_process_runs_there(server, tmp_path):
    """The summary's arrays travel with its jobs; vectors in blocks. Both are held to the local kernel."""
    found = python(LARGE, server, tmp_path, folder=tmp_path)
    assert found.status == 0, found.err
    assert found.out.split() == ["vectors", "summary"]


def test_packages_are_sent_to_a_server_whose_python_has_none(packed, tmp_path):
    from tests.services.spark_connect import connect_server

    small, bare = write_mixed_lake(tmp_path / "small"), tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    conf = {"spark.archives": f"{packed[0] / 'env.tar.gz'}#env", "spark.pyspark.python": "./env/bin/python"}
    with connect_server(tmp_path, **{"spark.pyspark.python": str(bare / "bin" / "python")}) as address:
        run = ("--to", "containment", "--master", address)
        without = ran(tmp_path / "run", small, *run)
        assert without.status == 1 and without.json["what"] == "an executor cannot run lakebed's Python"
        found = ran(tmp_path / "run", small, *run, LAKEBED_SPARK__CONF=json.dumps(conf))
    assert digests(found) == digests(ran(tmp_path / "here", small, "--to", "containment", "--engine", "local"))


def test_what_cannot_run_there_says_so(server, lake, tmp_path):
    static = ran(tmp_path, lake, "--master", server, "--full", LAKEBED_SPARK__CONF='{"spark.executor.memory": "1g"}')
    assert static.status == 2
    assert static.json["what"] == "a client of Spark Connect cannot choose this setting"
    assert static.json["value"] == "spark.executor.memory = 1g"
    token = ran(tmp_path, lake, "--master", f"{server}/;token=abcdef0123456789")
    assert token.status == 2 and "abcdef0123456789" not in token.out + token.err


def test_a_server_that_is_not_there_is_told_in_seconds(lake, tmp_path):
    answer = ran(tmp_path, lake, "--master", "sc://127.0.0.1:1")
    assert answer.status == 2
    assert answer.json["value"] == "sc://127.0.0.1:1: 127.0.0.1:1: Connection refused"
