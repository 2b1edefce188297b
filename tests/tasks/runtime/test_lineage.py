import contextlib
import json
import socket
import time

import jsonschema
import pytest

from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import Manifest, TableEntry
from lakebed.tasks.runtime.config import LineageConfig
from lakebed.tasks.runtime.lineage import (
    EVENTS,
    MAX_FIELDS,
    LakeTable,
    Lineage,
    Made,
    database_name,
    dataset_name,
    lineage_id,
    open_events,
)
from lakebed.tasks.runtime.lineage_post import API_KEY, MAX_FAILURES
from lakebed.tasks.runtime.progress import Progress, show
from tests.services.openlineage import Receiver, require_valid

LAKE = "/data/lake"
TABLE = TableEntry(
    contract="edges", contract_version=1, digest="d" * 64, n_rows=7, n_bytes=900, n_files=2, writer="delta-rs", files=()
)
INVENTORY = Manifest(stage="inventory", key="a" * 64, digest="b" * 64, version=1, tables={"tables": TABLE})
CONTAINMENT = Manifest(
    stage="containment", key="c" * 64, digest="e" * 64, version=1, inputs=(INVENTORY.ref,), tables={"edges": TABLE}
)


_open: list[Lineage] = []


def made(**changes):
    tables = (LakeTable("file", f"{LAKE}/sales/orders", (("id", "int64"), ("name", "string"))),)
    facts = {
        "root": "/data/artifacts",
        "manifest": CONTAINMENT,
        "schemas": {"edges": [("child", "string"), ("parent", "string")]},
        "read": (INVENTORY,),
        "lake_tables": tables,
        "n_lake_tables": 3,
    }
    return Made(**facts | changes)


def lineage(tmp_path, run_id="20260101T000000-aaaaaa", **config):
    told = Lineage(str(tmp_path / "runs" / run_id), run_id, LineageConfig(**config), LAKE)
    _open.append(told)
    return told


def events(tmp_path, run_id="20260101T000000-aaaaaa"):
    while _open:
        told = _open.pop()
        with contextlib.suppress(RuntimeError):
            told.settle()
    lines = (tmp_path / "runs" / run_id / EVENTS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def kinds(found):
    return [(event["eventType"], event["job"]["name"]) for event in found]


@pytest.fixture
def notes():
    """What progress says meanwhile."""
    import io

    stream = io.StringIO()
    show(Progress(stream))
    return stream


def test_a_run_with_a_stage_is_four_valid_events(tmp_path):
    told = lineage(tmp_path)
    told.start()
    told.start("containment")
    told.complete("containment", made)
    told.complete()
    told.close()
    found = events(tmp_path)
    assert kinds(found) == [
        ("START", "run"),
        ("START", "run.containment"),
        ("COMPLETE", "run.containment"),
        ("COMPLETE", "run"),
    ]
    for event in found:
        require_valid(event)
    run, stage = found[0]["run"]["runId"], found[2]
    assert {event["run"]["runId"] for event in found} == {run, stage["run"]["runId"]}
    assert stage["run"]["facets"]["parent"]["run"]["runId"] == run
    assert stage["run"]["facets"]["parent"]["job"] == {"namespace": "lakebed", "name": "run", "facets": {}}
    assert stage["run"]["facets"]["processing_engine"]["name"] == "lakebed"


def test_datasets_of_a_stage(tmp_path):
    told = lineage(tmp_path)
    told.start("containment")
    told.complete("containment", made)
    event = events(tmp_path)[-1]
    assert [(one["namespace"], one["name"]) for one in event["inputs"]] == [
        ("file", LAKE),
        ("file", f"{LAKE}/sales/orders"),
        ("file", f"/data/artifacts/inventory/{'a' * 64}/tables"),
    ]
    assert "3 tables" in event["inputs"][0]["facets"]["documentation"]["description"]
    fields = event["inputs"][1]["facets"]["schema"]["fields"]
    assert [(one["name"], one["type"]) for one in fields] == [("id", "int64"), ("name", "string")]
    (output,) = event["outputs"]
    assert output["name"] == f"/data/artifacts/containment/{'c' * 64}/edges"
    assert [one["name"] for one in output["facets"]["schema"]["fields"]] == ["child", "parent"]
    assert output["facets"]["version"]["datasetVersion"] == "e" * 64
    wrote = output["outputFacets"]["outputStatistics"]
    assert (wrote["rowCount"], wrote["size"], wrote["fileCount"]) == (7, 900, 2)


def test_a_reused_stage_wrote_nothing_and_wide_tables_are_cut(tmp_path):
    wide = (LakeTable("file", f"{LAKE}/wide", tuple((f"c{i}", "string") for i in range(MAX_FIELDS + 50))),)
    told = lineage(tmp_path)
    told.start("containment")
    told.complete("containment", lambda: made(is_reused=True, lake_tables=wide))
    event = events(tmp_path)[-1]
    require_valid(event)
    assert event["outputs"][0]["outputFacets"] == {}
    assert len(event["inputs"][1]["facets"]["schema"]["fields"]) == MAX_FIELDS


def test_the_schema_of_the_tests_refuses_what_is_wrong(tmp_path):
    told = lineage(tmp_path)
    told.start()
    (event,) = events(tmp_path)
    for broken in (
        {**event, "eventType": "BEGIN"},
        {**event, "eventTime": "yesterday"},
        {**event, "run": {"runId": "no uuid"}},
        {**event, "job": {"name": "run"}},
        {**event, "unknown": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            require_valid(broken)


@pytest.mark.parametrize(("error", "ending"), [(ValueError("oh"), "FAIL"), (KeyboardInterrupt(), "ABORT")])
def test_what_is_open_ends_with_the_run(tmp_path, error, ending):
    told = lineage(tmp_path)
    told.start()
    told.start("inventory")
    told.fail(error)
    found = events(tmp_path)
    assert kinds(found)[2:] == [(ending, "run.inventory"), (ending, "run")]
    for event in found:
        require_valid(event)
    assert type(error).__name__ in found[-1]["run"]["facets"]["errorMessage"]["message"]


def test_a_stage_that_was_not_begun_does_not_complete(tmp_path):
    told = lineage(tmp_path)
    told.start()
    told.complete("summary", made)
    assert kinds(events(tmp_path)) == [("START", "run")]


def test_an_error_carries_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DB_PASSWORD", "correct-horse-7")
    told = lineage(tmp_path)
    told.start()
    told.fail(ValueError("jdbc:postgresql://u:s3cr3t-pw@h/db refused correct-horse-7"))
    told.close()
    text = (tmp_path / "runs" / "20260101T000000-aaaaaa" / EVENTS).read_text()
    assert "s3cr3t-pw" not in text and "correct-horse-7" not in text and "refused" in text


def test_off_writes_nothing(tmp_path):
    told = lineage(tmp_path, enabled=False)
    told.start()
    told.start("inventory")
    told.complete("inventory", made)
    told.fail(ValueError("x"))
    told.close()
    assert not (tmp_path / "runs").exists()


def test_a_receiver_gets_every_event_in_order_with_the_key_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(API_KEY, "a-key-of-the-receiver")
    with Receiver() as receiver:
        told = lineage(tmp_path, url=receiver.url)
        told.start()
        told.start("containment")
        told.complete("containment", made)
        told.complete()
        told.close()
        assert receiver.events == events(tmp_path)
        assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer a-key-of-the-receiver"}
    assert "a-key-of-the-receiver" not in json.dumps(events(tmp_path))


def test_without_a_key_none_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv(API_KEY, raising=False)
    with Receiver() as receiver:
        told = lineage(tmp_path, url=receiver.url)
        told.start()
        told.close()
        assert "Authorization" not in receiver.headers[0]


def test_an_unreachable_receiver_costs_little_and_the_file_has_all(tmp_path, notes):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        told = lineage(tmp_path, url=url, max_delay_s=20)
        started = time.monotonic()
        told.start()
        told.complete()
        assert time.monotonic() - started < 5
        told.close()
    assert len(events(tmp_path)) == 2
    assert "2 of 2 lineage events were not delivered" in notes.getvalue().replace("\n", " ")


def test_a_receiver_that_hangs_delays_no_longer_than_it_may(tmp_path, notes):
    with Receiver(delay_s=8) as receiver:
        told = lineage(tmp_path, url=receiver.url, max_delay_s=0.5, timeout_s=30)
        told.start()
        started = time.monotonic()
        told.close()
        assert time.monotonic() - started < 4
    assert "no answer within 0.5 s" in notes.getvalue()


@pytest.mark.parametrize(("answer", "n_tries"), [(401, 1), (500, MAX_FAILURES), (302, 1)])
def test_refusals_are_final_and_faults_are_tried_again(tmp_path, notes, answer, n_tries):
    with Receiver(answer) as receiver:
        told = lineage(tmp_path, url=receiver.url)
        told.start()
        told.close()
        assert len(receiver.events) == n_tries
    assert f"HTTP {answer}" in notes.getvalue()


def test_what_goes_wrong_is_said_and_the_run_goes_on(tmp_path, notes):
    told = lineage(tmp_path)
    told.start("containment")

    def fails():
        raise OSError("the disk is gone")

    told.complete("containment", fails)
    told.start("retention")
    assert kinds(events(tmp_path))[-1] == ("START", "run.retention")
    assert "the disk is gone" in notes.getvalue()


def test_the_next_run_ends_what_a_dead_one_began(tmp_path):
    died = lineage(tmp_path)
    died.start()
    died.start("inventory")
    died.complete("inventory", made)
    died.start("containment")
    died.settle()
    with Receiver() as receiver:
        following = lineage(tmp_path, "20260102T000000-bbbbbb", url=receiver.url)
        runs = Storage.at(str(tmp_path))
        following.abort_dead(["20260101T000000-aaaaaa", "20250101T000000-nofile"], runs, "runs")
        following.close()
        found = events(tmp_path)
        assert kinds(found)[-2:] == [("ABORT", "run.containment"), ("ABORT", "run")]
        for event in found:
            require_valid(event)
        assert receiver.events == found[-2:]
        assert found[-1]["run"]["runId"] == lineage_id("20260101T000000-aaaaaa")
        following.abort_dead(["20260101T000000-aaaaaa"], runs, "runs")
        assert events(tmp_path) == found
    assert open_events(found) == []


@pytest.mark.parametrize(
    ("root", "below", "named"),
    [
        ("/data/lake", ("a/b",), ("file", "/data/lake/a/b")),
        ("/data/lake", (), ("file", "/data/lake")),
        ("s3a://bucket/some/lake", ("t",), ("s3://bucket", "some/lake/t")),
        ("s3://bucket", (), ("s3://bucket", "/")),
        ("gcs://bucket/x", ("t",), ("gs://bucket", "x/t")),
        ("abfss://c@acc.dfs.core.windows.net/x", (), ("abfss://c@acc.dfs.core.windows.net", "x")),
    ],
)
def test_names_are_those_of_the_standard(root, below, named):
    assert dataset_name(root, *below) == named


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("jdbc:postgresql://db.example:5433/shop", "postgres://db.example:5433", "shop.sales.orders"),
        ("jdbc:postgresql://db.example/shop?sslmode=require", "postgres://db.example:5432", "shop.sales.orders"),
        ("jdbc:postgresql://a:1,b:2/shop", "postgres://a:1", "shop.sales.orders"),
        ("jdbc:postgresql:shop", "postgres://localhost:5432", "shop.sales.orders"),
        ("jdbc:mariadb://db.example/sales?sslMode=trust", "mysql://db.example:3306", "sales.orders"),
        ("jdbc:mysql://db.example:3307", "mysql://db.example:3307", "sales.orders"),
        ("jdbc:sqlserver://db.example;databaseName=shop", "mssql://db.example:1433", "shop.sales.orders"),
    ],
)
def test_tables_of_databases_are_named_as_the_standard_does(url, namespace, name):
    assert database_name(url, "sales.orders") == (namespace, name)


def test_a_lake_of_databases_alone_has_no_root(tmp_path):
    told = Lineage(str(tmp_path / "runs" / "r"), "r", LineageConfig(), "")
    told.start()
    told.start("containment")
    table = LakeTable("postgres://db:5432", "shop.sales.orders", (("id", "int64"),))
    told.complete("containment", lambda: made(lake_tables=(table,)))
    told.complete()
    told.close()
    found = events(tmp_path, "r")
    for event in found:
        require_valid(event)
    assert found[0]["inputs"] == found[-1]["inputs"] == []
    assert found[2]["inputs"][0]["namespace"] == "postgres://db:5432"


def test_nothing_but_the_warning_is_said_of_a_receiver_that_cannot_be_reached(tmp_path, notes, capfd, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "a-key-of-the-receiver")
    told = lineage(tmp_path, url="http://127.0.0.1:1/?api_key=planted-key")
    told.start()
    told.close()
    assert capfd.readouterr() == ("", "")
    assert "1 of 1 lineage events were not delivered" in notes.getvalue().replace("\n", " ")
    assert "planted-key" not in notes.getvalue() and "a-key-of-the-receiver" not in notes.getvalue()


def test_a_login_of_the_machine_takes_no_keys_place(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret-of-another")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv(API_KEY, "a-key-of-the-receiver")
    with Receiver() as receiver:
        told = lineage(tmp_path, url=receiver.url)
        told.start()
        told.close()
        assert [headers["Authorization"] for headers in receiver.headers] == ["Bearer a-key-of-the-receiver"]


def test_an_address_that_cannot_be_read_is_said(tmp_path, notes):
    told = lineage(tmp_path, url="http://127.0.0.1:99999999/")
    told.start()
    told.close()
    assert "1 of 1 lineage events were not delivered" in notes.getvalue().replace("\n", " ")
