"""A whole run as whoever watches it sees it: lineage, logs, record, metrics; and that none of it tells a secret."""

import contextlib
import json
import stat

import psutil
import pytest

from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import Running, lakebed
from tests.services.openlineage import Receiver, require_valid

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

SECRETS = {
    "SHOP_DB_PASSWORD": "planted-Password/1+2=3",
    "AWS_SECRET_ACCESS_KEY": "planted/AwsSecret+Key00000000000000000",
    "OPENLINEAGE_API_KEY": "planted-lineage-key",
    "LAKEBED_CONTAINMENT__HASH_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2,
}
IN_CONFIG = "planted-in-config"
CONFIG = f"""
[spark.conf]
"spark.hadoop.fs.s3a.secret.key" = "{IN_CONFIG}"
"spark.hadoop.some.url" = "jdbc:postgresql://reader:planted-url-password@db/shop?password=planted-query"
"""
PLANTED = (*SECRETS.values(), IN_CONFIG, "planted-url-password", "planted-query")


def listening(family):
    """The addresses on which a family of processes listens."""
    for process in family:
        with contextlib.suppress(psutil.Error):
            yield from (one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run up to containment with secrets all around it: its folder, answer, events received, addresses."""
    folder = tmp_path_factory.mktemp("watched")
    write_mixed_lake(folder / "lake")
    (folder / "lakebed.toml").write_text(CONFIG)
    arguments = ("--log-format", "json", "run", "--lake", "lake", "--artifacts", "artifacts", "--to", "containment")
    found = set()
    with (
        Receiver() as receiver,
        Running(
            *arguments, "--json", folder=folder, LAKEBED_LINEAGE__URL=receiver.url, NO_PROXY="127.0.0.1", **SECRETS
        ) as running,
    ):
        running.wait_until(lambda: found.update(listening(running.look())), pause_s=0.3)
        answer = running.finish()
        assert answer.status == 0, answer.err
        yield folder, answer, receiver.events, found


@pytest.fixture(scope="module")
def run_folder(watched):
    return watched[0] / "artifacts" / "runs" / watched[1].json["run_id"]


def test_standard_error_is_one_object_a_line(watched):
    lines = [json.loads(line) for line in watched[1].err.splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "run_started" and events[-1] == "run_finished"
    assert events.count("stage_finished") == 2
    assert {line["run_id"] for line in lines if line["event"].startswith(("run", "stage"))} == {
        watched[1].json["run_id"]
    }


def test_lineage_in_the_file_and_at_the_receiver_is_the_same_and_valid(watched, run_folder):
    events = [json.loads(line) for line in (run_folder / "openlineage.jsonl").read_text().splitlines()]
    assert events == watched[2]
    for event in events:
        require_valid(event)
    assert [(event["eventType"], event["job"]["name"]) for event in events] == [
        ("START", "run"),
        ("START", "run.inventory"),
        ("COMPLETE", "run.inventory"),
        ("START", "run.containment"),
        ("COMPLETE", "run.containment"),
        ("COMPLETE", "run"),
    ]
    lake = str(watched[0] / "lake")
    named = {one["name"] for one in events[2]["inputs"]}
    assert {lake, f"{lake}/orders.parquet", f"{lake}/cities.csv"} <= named
    edges = next(one for one in events[4]["outputs"] if one["name"].endswith("/edges"))
    assert edges["outputFacets"]["outputStatistics"]["rowCount"] == watched[1].json["proven"] == 2
    assert "child" in {field["name"] for field in edges["facets"]["schema"]["fields"]}


def test_the_record_tells_what_ran_where(watched, run_folder):
    record = json.loads((run_folder / "run.json").read_text())
    assert record["spark"]["application_id"].startswith("local-") and record["spark"]["java"]
    assert any("delta-spark" in name for name in record["spark"]["jars"])
    assert record["prefect"]["flow_run_id"]
    assert all(stage["task_run_id"] and stage["bytes_written"] > 0 for stage in record["stages"])
    assert record["seeds"]["summary.seed"] == 0
    shown = lakebed("status", record["run_id"][:15], "--artifacts", "artifacts", "--json", folder=watched[0])
    assert shown.json == record
    text = lakebed("status", record["run_id"], "--artifacts", "artifacts", folder=watched[0]).out
    assert record["spark"]["application_id"] in text and record["prefect"]["flow_run_id"] in text
    figures = lakebed("status", "--format", "prometheus", "--artifacts", "artifacts", folder=watched[0]).out
    assert "lakebed_run_success 1.0" in figures
    assert figures == (watched[0] / "artifacts" / "runs" / "lakebed.prom").read_text()


def test_no_secret_is_in_anything_that_the_run_wrote_or_said(watched):
    folder, answer, received, _ = watched
    plan = lakebed("plan", "--artifacts", "artifacts", "--out", "plan.json", folder=folder, **SECRETS)
    report = lakebed("report", "--artifacts", "artifacts", folder=folder, **SECRETS)
    said = [answer.out, answer.err, json.dumps(received), plan.out, plan.err, report.out, report.err]
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lakebed.toml"]
    assert len(files) > 40 and any(path.name == "report.html" for path in files)
    for secret in PLANTED:
        assert not any(secret in text for text in said), secret
        assert not [path for path in files if secret.encode() in path.read_bytes()], secret


def test_an_address_with_a_password_is_refused_and_told_nowhere(watched):
    folder = watched[0]
    answer = lakebed("run", "--lake", "s3://key:planted-in-uri@bucket/lake", "--artifacts", "other", folder=folder)
    assert answer.status == 2
    assert "planted-in-uri" not in answer.out + answer.err
    assert not (folder / "other").exists()


def test_every_server_of_a_run_listens_on_loopback(watched):
    assert watched[3] and all(address in {"127.0.0.1", "::1", "::ffff:127.0.0.1"} for address in watched[3])


def test_nothing_that_a_run_writes_is_for_others_to_write(watched):
    for path in (watched[0] / "artifacts").rglob("*"):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_a_killed_runs_lineage_is_ended_by_the_next(tmp_path):
    write_mixed_lake(tmp_path / "lake")
    runs = tmp_path / "artifacts" / "runs"
    with Running("run", "--lake", "lake", "--artifacts", "artifacts", folder=tmp_path) as running:
        assert running.wait_until(lambda: list(runs.glob("*/openlineage.jsonl")), pause_s=0.01)
        running.kill()
    assert running.living_after(60) == []
    (path,) = runs.glob("*/openlineage.jsonl")
    assert "COMPLETE" not in path.read_text() and "ABORT" not in path.read_text()
    (tmp_path / "lake").rename(tmp_path / "elsewhere")
    assert lakebed("run", "--lake", "lake", "--artifacts", "artifacts", folder=tmp_path).status != 0
    events = [json.loads(line) for line in path.read_text().splitlines()]
    begun = [event["run"]["runId"] for event in events if event["eventType"] == "START"]
    ended = [event["run"]["runId"] for event in events if event["eventType"] == "ABORT"]
    assert sorted(begun) == sorted(ended)
    for event in events:
        require_valid(event)
    (other,) = [found for found in runs.glob("*/openlineage.jsonl") if found != path]
    kinds = [json.loads(line)["eventType"] for line in other.read_text().splitlines()]
    assert kinds == ["START", "FAIL"]
