"""Both engines do the same tasks; the local one says what became of a worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest

from lakebed.connectors.errors import SourceError, StageError, WorkerLostError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.failures import typed_failure
from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for
from lakebed.tasks.scan.engine import collect
from lakebed.tasks.scan.local import LocalEngine
from lakebed.tasks.scan.pool import WorkerPool, shared_pool
from lakebed.tasks.scan.spark import SparkEngine
from tests.tasks.scan import works
from tests.tasks.scan.works import work

LOCAL = LocalConfig(processes=2, worker_memory_mib=512)


@pytest.fixture(params=["local", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request):
    return LocalEngine(LOCAL) if request.param == "local" else SparkEngine(SparkConfig())


@pytest.fixture
def local():
    return LocalEngine(LOCAL)


def test_every_task_is_done_once_by_workers_and_batches_keep_their_schema(engine):
    found = collect(engine, work(works.say), list(range(7)))
    assert found.schema.equals(works.SCHEMA)
    assert Counter(found["task"].to_pylist()) == {task: 3 for task in range(7)}
    pids = set(found["pid"].to_pylist())
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 7
    assert collect(engine, work(works.say), []).equals(works.SCHEMA.empty_table())


def test_an_error_of_ours_comes_back_as_what_it_was(engine):
    with pytest.raises(Exception, match="no such thing") as caught:
        collect(engine, work(works.refuse), [3, 4])
    error = typed_failure(caught.value) or caught.value
    assert isinstance(error, SourceError)
    assert (error.what, error.hint) == ("no such thing", "look elsewhere")


def test_a_fault_of_the_code_is_a_stage_error_that_says_where(local):
    with pytest.raises(StageError, match="failed") as caught:
        collect(local, work(works.fail), [1])
    assert any("fail" in str(example) for example in caught.value.examples)
    assert len(collect(local, work(works.say), [1])) == 3


def test_a_killed_worker_is_a_typed_error_and_the_next_work_has_new_ones(local):
    with pytest.raises(WorkerLostError, match="ended before") as caught:
        collect(local, work(works.die), [1, 2, 3])
    assert "SIGKILL" in caught.value.value
    assert len(collect(local, work(works.say), [1])) == 3


def test_a_worker_killed_from_outside_is_told_too(local):
    first = set(collect(local, work(works.say), list(range(6)))["pid"].to_pylist())

    def kill():
        time.sleep(0.3)
        os.kill(min(first), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkerLostError):
        collect(local, work(works.say), list(range(200)))
    killer.join()


def test_work_that_waits_for_the_workers_is_done_whatever_becomes_of_the_work_before_it(local):
    begun, found = threading.Event(), []

    def failing():
        with pytest.raises(SourceError):
            for one in local.map(works.work(works.refuse_late), [1]):
                begun.set()
                found.append(one)

    first = threading.Thread(target=failing)
    first.start()
    assert begun.wait(60)
    tasks = list(range(5))
    done = [task for one in local.map(works.work(works.say), tasks) for task in one.column("task").to_pylist()]
    first.join()
    assert sorted(done) == sorted(3 * tasks) and len(found) == 1


def test_a_worker_gets_no_more_memory_than_the_config_says(local):
    assert collect(local, work(works.hoard), [2])["task"].to_pylist() == [2]
    with pytest.raises(StageError, match="memory") as caught:
        collect(local, work(works.hoard), [16])
    assert "worker_memory_mib = 512" in caught.value.value


def test_workers_end_with_the_process_that_asked_even_when_it_is_killed():
    code = (
        "import sys, time\n"
        "from lakebed.tasks.runtime.config import LocalConfig\n"
        "from lakebed.tasks.scan.pool import WorkerPool\n"
        "pool = WorkerPool(LocalConfig(processes=2), ())\n"
        "print(pool.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    server = psutil.Process(int(parent.stdout.readline()))
    deadline = time.monotonic() + 30
    while len(server.children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = server.children()
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs([server, *workers], timeout=20)
    assert len(workers) == 2
    assert not alive


def test_one_pool_serves_the_process_until_its_config_is_another(local):
    pool = shared_pool(LOCAL, ())
    assert shared_pool(LOCAL, ()) is pool
    other = shared_pool(LOCAL.model_copy(update={"processes": 1}), ())
    assert other is not pool
    assert not pool.is_alive


def test_a_pool_that_was_never_asked_stops_at_once():
    pool = WorkerPool(LOCAL, ())
    pool.stop()
    assert not pool.is_alive


@pytest.mark.parametrize(
    ("settings", "n_bytes", "needs_spark", "is_local"),
    [
        ({}, 0, False, True),
        ({}, 9 << 30, False, False),
        ({}, 0, True, False),
        ({"engine": "spark"}, 0, False, False),
        ({"engine": "local"}, 9 << 30, True, True),
        ({"spark": SparkConfig(master="spark://host:7077")}, 0, False, False),
        ({"engine": "local", "spark": SparkConfig(master="spark://host:7077")}, 0, False, True),
        ({"local": LocalConfig(max_bytes=1)}, 2, False, False),
    ],
)
def test_auto_is_local_where_all_is_here_and_fits(monkeypatch, settings, n_bytes, needs_spark, is_local):
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    workspace = Workspace(lake=LakeConfig(root="/lake"), artifacts="/artifacts", **settings)
    assert engine_for(workspace, n_bytes, needs_spark=needs_spark).is_local is is_local


def test_under_spark_submit_auto_is_spark(monkeypatch):
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert not engine_for(Workspace(lake=LakeConfig(root="/lake"), artifacts="/artifacts")).is_local
