"""The whole chain with lake and artifacts on a real S3 server: the same digests as on local folders."""

import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import MANIFEST
from lakebed.tasks.runtime.lease import is_held
from tests.flows.lakes import EDGES, orders, write_mixed_lake
from tests.flows.processes import Running, lakebed
from tests.services.versitygw import BUCKET, s3_server

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

ORPHANS_END_WITHIN_S = 60


class Setting:
    """A server, a lake on it, the same lake as a local folder, and what a local run made of it."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        local = write_mixed_lake(folder / "lake")
        write_deltalake(local / "orders_delta", orders().slice(50, 90))
        (local / "days" / "day=1").mkdir(parents=True)
        pq.write_table(pa.table({"k": range(40)}), local / "days" / "day=1" / "part-0.parquet")
        self.lake = server.upload(local, "lake")
        self.local = lakebed("run", "--lake", "lake", "--artifacts", "local", "--json", folder=folder)
        assert self.local.status == 0, self.local.err

    def root(self, name):
        return f"s3://{BUCKET}/{name}"

    def verb(self, *arguments):
        answer = lakebed(*arguments, "--json", folder=self.folder)
        assert answer.status == 0, answer.err
        return answer


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    with s3_server() as server:
        yield Setting(server, tmp_path_factory.mktemp("object-stores"))


@pytest.fixture(scope="module")
def finished(setting):
    """A run on the store, killed once its first stage was published; two refused meanwhile; and how it went on."""
    root = setting.root("artifacts")
    arguments = ("run", "--lake", setting.lake, "--artifacts", root, "--json")
    with Running(*arguments, folder=setting.folder) as run:
        assert run.wait_until(lambda: is_held(root))
        refused = [lakebed(*arguments, folder=setting.folder) for _ in range(2)]
        pid = run.process.pid
        storage = Storage.at(root)
        assert run.wait_until(lambda: any(MANIFEST in file.path for file in storage.list_files("inventory")))
        run.kill()
        assert run.living_after(ORPHANS_END_WITHIN_S) == []
    for answer in refused:
        assert answer.status == 1
        assert f"process {pid}" in answer.json["value"]
    assert not is_held(root), "the keeper gives the lease up when its run is killed"
    return lakebed(*arguments, folder=setting.folder)


def test_a_killed_run_goes_on_and_its_digests_are_those_of_a_local_run(setting, finished):
    assert finished.status == 0, finished.err
    assert finished.reused["inventory"]
    local = {stage: digest for stage, (_, digest) in setting.local.digests.items()}
    assert {stage: digest for stage, (_, digest) in finished.digests.items()} == local
    assert finished.json["report"].startswith(setting.root("artifacts"))
    log = f"runs/{finished.json['run_id']}/expectations/worker.log"
    assert Storage.at(setting.root("artifacts")).stat(log) is not None
    assert b"<html" in Storage.at(setting.root("artifacts")).read_bytes(
        finished.json["report"].removeprefix(setting.root("artifacts/"))
    )


def test_an_unchanged_run_asks_little_of_the_store(setting, finished):
    before = len(setting.server.log_lines())
    begun = time.monotonic()
    again = setting.verb("run", "--lake", setting.lake, "--artifacts", setting.root("artifacts"))
    asked = setting.server.requests(before)
    assert all(again.reused.values())
    assert again.json["session_start_s"] == 0
    # ten stages of twelve each
    assert asked.total() < 157, asked
    # eight of them look for a table of another system in the one folder above the lake's root
    assert asked["ListObjectsV2"] < 29, asked
    assert time.monotonic() - begun < 60


def test_nothing_is_renamed_and_no_secret_is_kept(setting, finished):
    assert setting.server.requests()["CopyObject"] == 0
    secret = setting.server.environment["AWS_SECRET_ACCESS_KEY"].encode()
    kept = [path for path in (setting.server.data / BUCKET).rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if secret in path.read_bytes()] == []


def test_every_verb_that_reads_answers_from_the_store(setting, finished):
    root = ("--artifacts", setting.root("artifacts"))
    listed = setting.verb("status", *root).json
    assert listed["runs"][0]["status"] == "completed"
    edges = lakebed("containments", *root, "--json", folder=setting.folder).out.splitlines()
    assert len(edges) >= len(EDGES)
    assert setting.verb("similar", "orders_part", *root).out
    assert setting.verb("joinable", "names.id", *root).out
    assert setting.verb("search", "name", *root).out
    assert setting.verb("neighbours", "table:orders", *root).json["n_neighbours"] == 3
    assert setting.verb("explain", "orders", *root).out
    assert setting.verb("report", *root).out


def test_a_plan_is_applied_and_taken_back(setting, finished):
    lake = Storage.at(setting.lake)
    before = {file.path: file.size for file in lake.list_files()}
    plan = setting.folder / "plan.json"
    setting.verb("plan", "--artifacts", setting.root("artifacts"), "--out", plan)
    setting.verb("apply", plan, "--yes")
    aside = {file.path: file.size for file in lake.list_files()}
    assert any(path.startswith("_lakebed_quarantine/") for path in aside)
    assert {path for path in before if path not in aside}, "nothing was set aside"
    setting.verb("restore", "--all", "--artifacts", setting.root("artifacts"))
    assert {file.path: file.size for file in lake.list_files()} == before
