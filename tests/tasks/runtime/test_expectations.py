"""Great Expectations for real, in its own process: its import takes 11-24 s, so one process serves the whole file."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError, ContractError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.expectations import ExpectationsProcess, Verdicts
from lakebed.tasks.runtime.expectations_queue import Request, TableRequest, enqueue, install_suites
from tests.tasks.runtime.child_publish import make_stage, publish

pytestmark = pytest.mark.flow

PARENT = """
import sys, time
from lakebed.tasks.runtime.expectations import ExpectationsProcess
print(ExpectationsProcess.start(sys.argv[1]).pid, flush=True)
time.sleep(60)
"""


def queue_bad_artifact(root, ref):
    """A second request with the same table and a suite that it cannot pass."""
    bad = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "n_child", "max_value": 2}}
    uri = f"{root}/containment/{ref.key}/edges"
    big = TableRequest(uri=uri, suite="huge", n_rows=10**9, expectations=[bad])
    table = TableRequest(uri=uri, suite="strict", n_rows=5, expectations=[bad])
    artifact = f"{root}/rejected"
    request = Request(name="rejected", digest="d", artifact=artifact, tables={"edges": table, "huge": big})
    enqueue(Storage.at(f"{root}/runs/r1"), request)


def queue_lake_suite(root):
    (root / "lake").mkdir()
    (root / "suites").mkdir()
    pq.write_table(pa.table({"n": [1, 2]}), root / "lake" / "a b.parquet")
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "n"}}
    suite = {"table": "lake:a b.parquet", "expectations": [unique]}
    (root / "suites" / "mine.json").write_text(json.dumps(suite))
    return install_suites(str(root / "runs" / "r1"), str(root / "suites"), str(root / "lake"))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run with a good artifact, one that is rejected, and a lake table with a suite of the user's."""
    root = tmp_path_factory.mktemp("root")
    process = ExpectationsProcess.start(str(root / "runs" / "r1"))
    try:
        stage = make_stage(str(root), "r1")
        ref = publish(stage)
        queue_bad_artifact(root, ref)
        (lake_verdict,) = process.wait_for(queue_lake_suite(root), 120)
        yield root, stage, ref, lake_verdict, process.finish(120)
    finally:
        process.stop()


def test_a_good_artifact_passes_and_is_not_asked_again(judged):
    root, stage, ref, lake_verdict, _ = judged
    assert stage.store.verdict(ref).status == "passed"
    assert lake_verdict.status == "passed"
    assert make_stage(str(root), "r3").reuse() == ref
    assert not (root / "runs" / "r3").exists()


def test_a_rejected_artifact_is_named_with_what_failed(judged):
    root, _, _, _, verdicts = judged
    assert json.loads((root / "rejected" / "expectations.json").read_text())["status"] == "rejected"
    rejected = next(request for request in verdicts.requests if request.name == "rejected")
    (failure,) = rejected.tables["edges"]["failures"]
    assert (failure["n_unexpected"], failure["examples"]) == (2, ["3", "4"])
    assert rejected.tables["huge"]["status"] == "skipped"
    assert "native check" in rejected.tables["huge"]["reason"]
    with pytest.raises(ContractError, match="rejected 1 of 3"):
        verdicts.require_passed()


def test_the_data_docs_load_nothing_from_elsewhere(judged):
    root, _, _, _, verdicts = judged
    pages = list((root / "runs" / "r1" / "expectations" / "docs").rglob("*.html"))
    assert len(pages) >= 5
    assert verdicts.docs == str(root / "runs" / "r1" / "expectations" / "docs" / "index.html")
    for page in pages:
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=\"https?:", page.read_text()), page


def test_this_process_has_not_imported_it(judged):
    assert "great_expectations" not in sys.modules


def test_it_dies_with_its_parent(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE)
    worker = psutil.Process(int(parent.stdout.readline()))
    # Ctrl-C in the parent's terminal does not reach it
    assert os.getpgid(worker.pid) == worker.pid
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.1)


def test_a_process_that_ends_early_leaves_the_run_incomplete(tmp_path):
    process = ExpectationsProcess.start(str(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ArtifactError, match="not judged"):
        process.wait_for(["lake-x"], 30)
    verdicts = process.finish(30)
    assert isinstance(verdicts, Verdicts)
    assert "ended with status -9" in verdicts.reason
    with pytest.raises(ArtifactError, match="did not finish"):
        verdicts.require_passed()
