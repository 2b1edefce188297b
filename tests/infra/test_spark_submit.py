"""The chain by spark-submit on a real standalone cluster: what local mode finds, also when machines are lost."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra import pack
from lakebed.connectors.version import VERSION
from lakebed.data_samples.generator import generate_sample_lake
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import lakebed
from tests.infra.clusters import (
    DRIVER,
    ENTRY,
    SPARK_WAYS,
    Killer,
    Watch,
    command,
    driver_environment,
    fetched,
    gate,
    jars,
    lost_tasks,
    submitted,
)
from tests.services.machine import free_port
from tests.services.spark_cluster import bare_environment, history_server, spark_cluster

pytestmark = [pytest.mark.spark, pytest.mark.flow, pytest.mark.heavy]

KILLED = (
    "inventory",
    "containment",
    "comparison",
    "relations",
    "retention",
    "lakegraph",
    "keys",
    "topics",
    "summary",
    "embeddings",
    "index",
)
METRICS, EXECUTORS, STAGES = "/metrics/prometheus/", "/metrics/executors/prometheus", "/api/v1/applications"


@pytest.fixture
def cluster(tmp_path):
    """Its machines know nothing of lakebed."""
    (tmp_path / "cluster").mkdir()
    with spark_cluster(tmp_path / "cluster", environment=bare_environment()) as running:
        yield running


def both_ways(folder, cluster, *, options, conf, stages, **variables):
    """A run in local mode, and one on the cluster which loses a machine in each of these stages."""
    run = ("run", "--lake", folder / "lake", "--json")
    local = lakebed(
        *run, "--artifacts", "local", folder=folder, LAKEBED_SPARK__EVENT_LOG=str(folder / "local-events"), **variables
    )
    assert list((folder / "local-events").rglob("events_*"))
    gates, preload = gate(folder / "gate")
    with Killer(cluster, folder / "gate", stages) as killer:
        found = submitted(
            cluster.master, *run, "--artifacts", folder / "cluster-artifacts", folder=folder, options=options,
            conf=gates | conf | {"spark.eventLog.compress": "false"},
            LAKEBED_SPARK__EVENT_LOG=str(folder / "events"), **preload, **variables,
        )  # fmt: skip
    assert local.status == found.status == 0, f"{local.err}\n{found.err[-8000:]}"
    return local, found, killer


def test_the_chain_on_a_cluster_that_loses_a_machine_is_that_of_local_mode(tmp_path, cluster, packed):
    """The packed Python; one machine lost while containment writes; events and metrics of the same run."""
    generate_sample_lake(tmp_path / "lake")
    port = free_port()
    own = {"spark.pyspark.python": None, "spark.ui.enabled": None}
    conf = {**own, "spark.ui.port": str(port)}
    options = ["--properties-file", packed[0] / "lakebed.conf"]
    with Watch(port, (METRICS, EXECUTORS, STAGES)) as watch:
        local, found, killer = both_ways(
            tmp_path, cluster, options=options, conf=conf, stages=["containment"], LAKEBED_SPARK__PROMETHEUS="true"
        )
    assert found.digests == local.digests
    assert list(killer.hits) == ["containment"]
    assert list((tmp_path / "cluster").glob("work*/app-*/*/env/lib/python3*/site-packages/numba"))
    assert lost_tasks(tmp_path / "events") >= 1
    assert "metrics_lakebed_driver_DAGScheduler_stage_runningStages" in watch.found[METRICS]
    # whichever of the two executors lives on
    assert re.search(r'executor_id="\d+"', watch.found[EXECUTORS])
    assert json.loads(watch.found[STAGES])[0]["name"] == "lakebed"
    application = json.loads(watch.found[STAGES])[0]["id"]
    with history_server(tmp_path, tmp_path / "events") as history:
        assert [run["id"] for run in fetched(history, STAGES)] == [application]
        stages = fetched(history, f"{STAGES}/{application}/stages")
    assert sum(stage["numFailedTasks"] for stage in stages) >= 1


def test_a_driver_needs_nothing_but_what_cluster_mode_ships(tmp_path):
    """The packed Python as driver in a folder without a checkout: code as a zip, no metadata of the package."""
    dist, ground = tmp_path / "dist", tmp_path / "container"
    with contextlib.redirect_stdout(io.StringIO()):
        pack.main([str(dist), "--with", "driver"])
    (ground / "env").mkdir(parents=True)
    with tarfile.open(dist / pack.ENV) as packed:
        packed.extractall(ground / "env", filter="data")
    entry = Path(shutil.copy(ENTRY, ground))
    write_mixed_lake(ground / "lake")
    python = {"spark.pyspark.driver.python": "./env/bin/python", "spark.pyspark.python": "./env/bin/python"}
    shipped = ["--py-files", dist / pack.ZIP_NAME, *jars()]
    run = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "retention", "--json")
    found = submitted("local[2]", *run, folder=ground, options=shipped, conf=python, entry=entry)
    assert found.status == 0, found.err[-4000:]
    assert [stage["stage"] for stage in found.json["stages"]] == ["inventory", "containment", "relations", "retention"]
    (record,) = (ground / "artifacts" / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["versions"]["lakebed"] == VERSION
    assert not list((ground / "env").rglob("lakebed-*.dist-info"))


def test_on_this_machine_what_was_submitted_stays_and_results_are_apart_from_the_rest(tmp_path):
    write_mixed_lake(tmp_path / "lake")
    run = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    conf = {"spark.sql.shuffle.partitions": "3", "spark.pyspark.python": None}
    found = submitted("local[2]", *run, folder=tmp_path, options=jars(), conf=conf)
    assert found.status == 0, found.err
    (record,) = (tmp_path / "artifacts" / "runs").glob("*/run.json")
    settings = json.loads(record.read_text())["config"]["spark"]
    assert settings["master"] == "local[2]"
    assert [stage["stage"] for stage in found.json["stages"]] == ["inventory"]
    refused = submitted("local[2]", "run", "--to", "nothing", folder=tmp_path, options=jars(), conf=conf)
    assert refused.status == 2
    wrong = submitted("spark://127.0.0.1:1", *run[:3], "--artifacts", "none", "--json", folder=tmp_path, options=jars())
    assert (wrong.status, wrong.json["what"]) == (2, "the cluster's master cannot be reached")
    assert not (tmp_path / "none").exists()
    bare = submitted("local[2]", *run[:-2], "containment", "--json", folder=tmp_path, conf=conf)
    assert bare.status == 2
    assert "--properties-file" in bare.json["hint"]


def test_what_spark_and_lakebed_write_into_one_file_of_errors_stands_there_whole(tmp_path):
    asked = command("spark://127.0.0.1:1", "run", "--lake", "lake", "--artifacts", "none")
    with (tmp_path / "errors.txt").open("wb") as errors:
        subprocess.run(
            asked, cwd=tmp_path, env=driver_environment(), stdout=subprocess.DEVNULL, stderr=errors, check=False
        )
        os.write(errors.fileno(), b"end\n")
    told = (tmp_path / "errors.txt").read_text()
    assert "ConfigError: the cluster's master cannot be reached\n  found:    spark://127.0.0.1:1: " in told
    assert told.endswith("lakebed doctor --master MASTER\nend\n")


PARTING = """
import os, sys
sys.path.insert(0, sys.argv[1])
import spark_submit
if sys.argv[2] == "no such function":
    del os.pidfd_open
if sys.argv[2] == "refused":
    def refuse(*_):
        raise OSError(38, "not implemented")
    os.pidfd_open = refuse
spark_submit._part_errors_from_results()
sys.stderr.write("an error")
sys.stderr.flush()
print("a result")
"""


@pytest.mark.parametrize("system", ["as it is", "no such function", "refused"])
def test_errors_are_parted_from_results_whatever_the_system_lets_a_process_do(tmp_path, system):
    starting = "import subprocess, sys; subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT, check=True)"
    submit = [sys.executable, "-c", PARTING, str(ENTRY.parent), system]
    with (tmp_path / "errors").open("wb") as errors:
        command = [sys.executable, "-c", starting, *submit]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True)
    assert done.stdout == b"a result\n"
    assert (tmp_path / "errors").read_text() == "an error"


def test_an_artifact_root_that_a_worker_does_not_see_is_told_before_any_work(tmp_path, cluster):
    """By `--master`, without spark-submit."""
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("no mount name spaces here: unshare -rm")
    write_mixed_lake(tmp_path / "lake")
    (tmp_path / "artifacts").mkdir()
    cluster.start_worker(hidden=tmp_path / "artifacts")
    cluster.wait_for_workers(3)
    conf = {**DRIVER, "spark.cores.max": "3"}
    roots = ("--lake", "lake", "--artifacts", "artifacts")
    found = lakebed(
        *("run", "--master", cluster.master, *roots, "--to", "containment", "--json"),
        folder=tmp_path, LAKEBED_SPARK__CONF=json.dumps(conf),
    )  # fmt: skip
    assert found.status == 2, found.err
    assert found.json["what"] == "1 of the cluster's executors do not share the artifact root with the driver"
    assert "there is no such file" in found.json["examples"][0]
    assert not (tmp_path / "artifacts" / "containment").exists()
    assert not (tmp_path / "artifacts" / "probe").exists()


@pytest.mark.long
def test_a_machine_lost_in_the_middle_of_each_spark_stage_changes_nothing(tmp_path, cluster):
    generate_sample_lake(tmp_path / "lake")
    local, found, killer = both_ways(tmp_path, cluster, options=jars(), conf={}, stages=KILLED, **SPARK_WAYS)
    assert not list((tmp_path / "gate").glob("escaped-*"))
    assert sorted(killer.hits) == sorted(KILLED)
    assert lost_tasks(tmp_path / "events") >= len(KILLED)
    assert found.digests == local.digests
    assert {stage["stage"] for stage in found.json["stages"]} == set(local.digests)
