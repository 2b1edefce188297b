"""The sample lake on a real S3 server, to the last stage, killed while each stage writes; what it asks for."""

import sys

import pytest

from lakebed.chain import STAGES
from lakebed.connectors.spark.jars import S3_JARS
from lakebed.connectors.storage import Storage
from lakebed.data_samples.generator import generate_sample_lake
from lakebed.data_samples.truth import check_against_truth
from lakebed.tasks.runtime.artifacts import MANIFEST
from lakebed.tasks.runtime.lease import is_held
from tests.flows.processes import Running, lakebed
from tests.services.jars import require_jar_set
from tests.services.versitygw import BUCKET, s3_server

pytestmark = [pytest.mark.flow, pytest.mark.heavy, pytest.mark.long]

ORPHANS_END_WITHIN_S = 60


@pytest.fixture(scope="module")
def _connector():
    """The sample lake has a Delta table that only Spark can read."""
    require_jar_set(S3_JARS)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    truth = generate_sample_lake(folder / "lake")
    answer = lakebed("run", "--lake", "lake", "--artifacts", "local", "--to", "links", "--json", folder=folder)
    assert answer.status == 0, answer.err
    return folder, truth, answer


@pytest.mark.usefixtures("_connector")
def test_killed_while_each_stage_writes_the_digests_are_those_of_a_local_run(local):
    folder, truth, undisturbed = local
    with s3_server() as server:
        lake, root = server.upload(folder / "lake", "lake"), f"s3://{BUCKET}/artifacts"
        arguments = ("run", "--lake", lake, "--artifacts", root, "--to", "links", "--json")
        storage = Storage.at(root)
        for stage in STAGES:
            with Running(*arguments, folder=folder) as run:
                if not run.wait_until(lambda stage=stage: bool(storage.list_files(stage)), pause_s=0.2):
                    break
                run.kill()
                assert run.living_after(ORPHANS_END_WITHIN_S) == []
            assert not is_held(root)
            assert not any(file.path.endswith(f"/{MANIFEST}") for file in storage.list_files(STAGES[-1]))
        before = len(server.log_lines())
        answer = lakebed(*arguments, folder=folder)
        assert answer.status == 0, answer.err
        assert {stage: digest for stage, (_, digest) in answer.digests.items()} == {
            stage: digest for stage, (_, digest) in undisturbed.digests.items()
        }
        edges = lakebed("containments", "--artifacts", root, "--json", folder=folder).out.splitlines()
        found = {(row["child"], row["parent"]) for row in map(_json, edges)}
        assert check_against_truth(truth, found, "set") == []
        sys.stdout.write(f"requests of the last run: {server.requests(before)}\n")


@pytest.mark.usefixtures("_connector")
def test_a_first_run_and_an_unchanged_one_ask_what_the_docs_say(local):
    folder, _, _ = local
    with s3_server() as server:
        lake = server.upload(folder / "lake", "lake")
        arguments = ("run", "--lake", lake, "--artifacts", f"s3://{BUCKET}/artifacts", "--json")
        counts = []
        for _ in range(2):
            before = len(server.log_lines())
            answer = lakebed(*arguments, folder=folder)
            assert answer.status == 0, answer.err
            counts.append(server.requests(before))
        sys.stdout.write(f"first run: {counts[0]}\nunchanged: {counts[1]}\n")
        assert counts[0].total() < 5_000
        assert counts[1].total() < 130


def _json(line):
    import json

    return json.loads(line)
