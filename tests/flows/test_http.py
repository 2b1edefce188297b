import contextlib
import io
import socket
import subprocess
import sys
import tempfile
import threading
import time

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn

import lakebed.flows.http
from lakebed.connectors.errors import ArtifactError
from lakebed.flows.http import app_from_environment, create_app
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.query_file import TOO_LARGE, ask_file
from tests.flows.processes import environment
from tests.tasks.search.lakes import HOSTILE, lake_tables, publish_lake, record_run


@contextlib.contextmanager
def served(app):
    """A client of a server that listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client(searchable):
    with served(create_app(str(searchable[0]))) as client:
        yield client


def test_the_answers_are_those_of_python(client, search):
    for path, asked, found in (
        ("/similar", {"table": "orders_2024", "k": 3}, search.similar("orders_2024", 3)),
        ("/joinable", {"column": "orders.city", "k": 3}, search.joinable("orders.city", 3)),
        ("/search", {"text": "town", "k": 3}, search.search("town", 3)),
    ):
        answer = client.get(path, params=asked)
        assert answer.status_code == 200
        assert answer.json() == [one.as_dict() for one in found]


def test_unknown_names_are_404_with_near_ones(client):
    answer = client.get("/similar", params={"table": "order_2024"})
    assert answer.status_code == 404
    assert "orders_2024" in answer.json()["examples"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/similar", {"table": "orders", "k": 0}),
        ("/similar", {"table": "orders", "k": 1_001}),
        ("/similar", {"table": "orders", "k": "many"}),
        ("/similar", {"table": ""}),
        ("/similar", {}),
        ("/search", {"text": "x" * 1_001}),
    ],
)
def test_what_is_out_of_bounds_is_refused(client, path, asked):
    assert client.get(path, params=asked).status_code == 422


def parquet(columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_a_file_is_asked_about_as_from_the_command_line(client, search, tmp_path):
    path = tmp_path / "mine.parquet"
    path.write_bytes(parquet({"town": lake_tables()["orders"]["city"][:4]}))
    answer = client.post("/similar", params={"k": 3}, content=path.read_bytes())
    assert answer.status_code == 200
    assert answer.json() == [one.as_dict() for one in search.similar_to(ask_file(search, path), 3)] != []


def test_columns_of_a_file_and_unions_over_http(client):
    towns = lake_tables()["orders"]["city"][:4]
    answer = client.post("/joinable", params={"column": "town", "k": 2}, content="town\n" + "\n".join(towns))
    assert [one["column"] for one in answer.json()][:1] == ["towns.town"], answer.text
    lines = "\n".join(f'{{"town": "{town}"}}' for town in towns)
    assert client.post("/joinable", params={"column": "town", "k": 2}, content=lines).json() == answer.json()
    assert client.post("/joinable", params={"column": "city"}, content=lines).status_code == 404
    for asked in ("union", "novel"):
        found = client.get("/similar", params={"table": "orders_2024", asked: True}).json()
        assert found and all(one["why"]["unionable"] for one in found)


@pytest.mark.parametrize("body", [b"", b"PAR1 and no more", parquet({"x": pa.array([], "int64")})])
def test_a_body_that_is_no_parquet_file_is_refused_without_a_path(client, body):
    answer = client.post("/similar", content=body)
    assert answer.status_code == 400
    assert answer.json()["value"] == "the body" and tempfile.gettempdir() not in answer.text


def test_a_body_over_the_bound_is_refused(client, monkeypatch):
    monkeypatch.setattr(lakebed.flows.http, "_BOUNDS", SearchConfig(max_file_bytes=1 << 10))
    answer = client.post("/similar", content=bytes(1 << 11))
    assert (answer.status_code, answer.json()["what"]) == (413, TOO_LARGE)


def test_hostile_names_come_back_as_json(client):
    answer = client.get("/similar", params={"table": HOSTILE})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert client.get("/search", params={"text": " "}).status_code == 400


def test_the_description_names_the_bounds(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/similar", "/joinable", "/search", "/savings"}
    (k,) = [one for one in paths["/similar"]["get"]["parameters"] if one["name"] == "k"]
    assert (k["schema"]["minimum"], k["schema"]["maximum"]) == (1, 1_000)
    assert "404" in paths["/similar"]["get"]["responses"]


def test_a_new_run_is_picked_up_without_a_restart(tmp_path):
    with served(create_app(str(tmp_path), refresh_s=0.0)) as client:
        assert client.get("/similar", params={"table": "a"}).status_code == 503
        publish_lake(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [2, 1]}})
        assert [one["table"] for one in client.get("/similar", params={"table": "a"}).json()] == ["b"]
        _, refs = publish_lake(tmp_path, lake_tables())
        record_run(tmp_path, refs, "20270101T000000-bbbbbb", "2027-01-01T00:00:00+00:00")
        assert client.get("/similar", params={"table": "orders"}).status_code == 200


def test_the_environment_must_name_the_artifacts(monkeypatch):
    monkeypatch.delenv("LAKEBED_ARTIFACTS", raising=False)
    with pytest.raises(ArtifactError, match="not set"):
        app_from_environment()
    monkeypatch.setenv("LAKEBED_ARTIFACTS", "somewhere")
    assert app_from_environment().title == "lakebed search"


def test_as_a_program_it_listens_at_loopback_and_imports_nothing_of_the_working_folder(searchable, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "lakebed.py").write_text("raise SystemExit('of the working folder')")
    command = [sys.executable, "-P", "-m", "lakebed.flows.http", "--port", str(port)]
    own = {"LAKEBED_ARTIFACTS": str(searchable[0])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(**own), stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 120
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = httpx.get(f"http://127.0.0.1:{port}/search", params={"text": "town"}, trust_env=False)
                    break
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.2)
        finally:
            process.terminate()
    assert answer.status_code == 200 and answer.json()


def test_without_uvicorn_the_extra_is_named(tmp_path):
    code = "import sys; sys.modules['uvicorn'] = None; from lakebed.flows.http import main; main([])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'uvicorn>=0.34' (the extra lakebed[http])" in done.stderr
