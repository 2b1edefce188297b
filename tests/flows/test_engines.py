"""The same lake by both engines: equal digests; locally without a JVM; workers that are killed."""

import contextlib
import json
import os
import signal

import psutil
import pytest

from lakebed.data_samples.generator import generate_sample_lake
from tests.flows.processes import LOCAL, UNJUDGED, Running, lakebed

pytestmark = pytest.mark.flow

RUN = ("run", "--lake", "lake", "--to", "lakegraph", "--json", "--artifacts")
# nobody can start a JVM here
NO_JAVA = {"JAVA_HOME": "/nowhere", "PATH": "/nowhere"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    generate_sample_lake(folder / "lake")
    return folder


@pytest.fixture(scope="module")
def local(folder):
    answer = lakebed(*RUN, "local", folder=folder, **LOCAL, **NO_JAVA)
    assert answer.status == 0, answer.err
    return answer


def test_a_local_run_needs_no_jvm_no_server_and_no_great_expectations(local):
    found = local.json
    assert (found["session_start_s"], found["prefect_start_s"]) == (0, 0)
    assert found["expectations"]["status"] == "none"
    assert not any(stage["reused"] for stage in found["stages"])
    # told as soon as they are published, before the next stage
    told = local.err.index(f"{found['proven']:,} containments proven: lakebed containments --artifacts")
    assert told < local.err.index("Publishing relations")
    assert all(stage["peak_worker_bytes"] > 0 for stage in found["stages"] if stage["stage"] in ("containment",))


@pytest.mark.spark
def test_spark_gives_the_same_keys_and_digests_and_each_engine_reuses_the_others(folder, local):
    spark = lakebed(*RUN, "spark", folder=folder, **UNJUDGED)
    assert spark.status == 0, spark.err
    assert spark.json["session_start_s"] > 0
    assert spark.digests == local.digests
    again = lakebed(*RUN, "spark", folder=folder, **LOCAL, **NO_JAVA)
    assert again.status == 0, again.err
    assert all(again.reused.values())


def workers_of(running):
    """The worker processes of a run: the children of its server."""
    found = []
    for process in running.look():
        with contextlib.suppress(psutil.Error):
            if "lakebed.tasks.scan.server" in process.cmdline() and process.ppid() != running.process.pid:
                found.append(process)
    return found


def busy_workers(running):
    """Those that have burnt a moment's CPU beyond what the fork gave them."""
    with contextlib.suppress(psutil.Error):
        return [one for one in workers_of(running) if sum(one.cpu_times()[:2]) > 0.1]
    return []


@pytest.mark.heavy
def test_a_killed_worker_ends_the_run_with_a_typed_error_and_the_next_run_goes_on(folder, local):
    with Running(*RUN, "killed", folder=folder, **LOCAL, **NO_JAVA) as running:
        assert running.wait_until(lambda: busy_workers(running))
        for worker in workers_of(running):
            with contextlib.suppress(psutil.Error):
                os.kill(worker.pid, signal.SIGKILL)
        answer = running.finish()
    assert answer.status == 1
    assert json.loads(answer.out)["error"] == "WorkerLostError"
    keys = {stage: key for stage, (key, _) in local.digests.items()}
    published = [stage for stage, key in keys.items() if (folder / "killed" / stage / key / "manifest.json").exists()]
    again = lakebed(*RUN, "killed", folder=folder, **LOCAL, **NO_JAVA)
    assert again.status == 0, again.err
    assert again.digests == local.digests
    assert [stage for stage, is_reused in again.reused.items() if is_reused] == published
