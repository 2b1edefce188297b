"""Tables of a Unity Catalog, which a server on loopback answers for as the documented API does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pydantic import ValidationError

from lakebed.connectors.lake import unity
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import VIEW, UnityConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import Listing
from lakebed.connectors.redaction import forget_secrets
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime.workspace import Workspace

TOKEN = "dapi-s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test
ROWS = pa.table({"id": pa.array(range(20), pa.int64())})


class Server(ThreadingHTTPServer):
    """Catalogs, schemas and tables, two to a page; asks for the token, as far as there is one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tables: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.is_endless = self.is_torn = False
        self.redirect = ""
        # what it answers of these, by kind and the last name that is asked with: a number of HTTP, or nothing
        self.failing: dict[tuple[str, str], int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, name: str, location: str = "", format_: str = "DELTA", **more: Any) -> None:
        catalog, schema, table = name.split(".")
        own = {"catalog_name": catalog, "schema_name": schema, "name": table, "table_type": "EXTERNAL", "columns": []}
        self.tables.append({**own, "data_source_format": format_, "storage_location": location, **more})

    def rows(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        catalog, schema = query.get("catalog_name"), query.get("schema_name")
        if kind == "catalogs":
            return [{"name": one} for one in sorted({table["catalog_name"] for table in self.tables})]
        own = [table for table in self.tables if table["catalog_name"] == catalog]
        if kind == "schemas":
            names = {table["schema_name"] for table in own} | {"information_schema"}
            return [{"name": one, "catalog_name": catalog} for one in sorted(names)]
        return [table for table in own if table["schema_name"] == schema]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append(self.path)
        begin, kind = parts.path.rsplit("/", 1)
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
        elif code := self.server.failing.get((kind, [*query.values(), ""][1 if kind == "tables" else 0])):
            self._fail(code)
        elif begin != "/api/2.1/unity-catalog" or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send_error(401 if begin == "/api/2.1/unity-catalog" else 404)
        else:
            self._answer(kind, query)

    def _fail(self, code: int) -> None:
        if code > 0:
            self.send_error(code, "the connection of the foreign catalog is down")
        else:
            self.close_connection = True

    def _answer(self, kind: str, query: dict[str, str]) -> None:
        start = int(query.get("page_token", "0"))
        rows = self.server.rows(kind, query)
        answer: dict[str, Any] = {kind: rows[start : start + 2]}
        if self.server.is_endless:
            answer |= {"next_page_token": "0"}
        elif start + 2 < len(rows):
            answer["next_page_token"] = str(start + 2)
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.server.is_torn else data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("UNITY_TOKEN", TOKEN)
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()
    forget_secrets()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "lake").mkdir()
    pq.write_table(ROWS, tmp_path / "lake" / "plain.parquet")
    return tmp_path / "lake"


def listed(root: Path, tmp_path: Path, url: str, **more: Any) -> Listing:
    config = UnityConfig(**{"url": url, "token_env": "UNITY_TOKEN", **more})
    lake = LakeConfig(root=str(root), unity={"uc": config})
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path / "a"), engine="local")) as opened:
        assert [table.name for table in discover(opened.listing, lake).tables if "/" not in table.name]
        return opened.listing


def told(listing: Listing) -> dict[str, tuple[str, str]]:
    return {problem.name: (problem.format, problem.reason) for problem in listing.problems}


def test_tables_elsewhere_are_read_as_files_and_those_in_the_folder_are_the_folders(
    server: Server, root: Path, tmp_path: Path
) -> None:
    for place in (tmp_path / "far delta", root / "near"):
        write_deltalake(place, ROWS)
    (tmp_path / "far").mkdir()
    pq.write_table(ROWS, tmp_path / "far" / "part-0.parquet")
    server.add("main.sales.delta", (tmp_path / "far delta").as_uri())
    server.add("main.sales.near", (root / "near").as_uri())
    server.add("main.sales.flat", (tmp_path / "far").as_uri(), "PARQUET")
    server.add("main.sales.odd'n name", str(tmp_path / "far"), "PARQUET")
    server.add("test.dev.hidden", (tmp_path / "far").as_uri(), "PARQUET")
    listing = listed(root, tmp_path, server.url, exclude=("test.*",))
    assert told(listing) == {}
    assert {(source.name, source.format) for source in listing.sources} == {
        ("uc/main.sales.delta", "delta"), ("uc/main.sales.flat", "parquet"), ("uc/main.sales.odd'n name", "parquet"),
    }  # fmt: skip
    far = str(tmp_path / "far delta")
    assert [entry.path.startswith(f"{far}/_delta_log/") for entry in listing.logs if entry.path.startswith("/")] == [
        True
    ]
    assert not any("information_schema" in path for path in server.asked)
    assert (
        listed(root, tmp_path, server.url, catalogs=("test",), include=("*.hidden",)).sources[0].name
        == "uc/test.dev.hidden"
    )


def test_a_table_in_the_folder_is_the_folders_by_whatever_name_of_it(
    server: Server, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(root)
    (root / "a#1").mkdir()
    pq.write_table(ROWS, root / "a#1" / "part-0.parquet")
    for number, base in enumerate((root, tmp_path / "link")):
        server.add(f"main.s{number}.plain", str(base / "a#1"), "PARQUET")
        server.add(f"main.s{number}.uri", f"file:{base}/a#1", "PARQUET")
    for base in (root, tmp_path / "link"):
        listing = listed(base, tmp_path, server.url)
        assert not listing.sources and told(listing) == {}


def test_what_is_not_read_has_its_reason(server: Server, root: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    pq.write_table(ROWS, tmp_path / "far" / "part-0.parquet")
    place = (tmp_path / "far").as_uri()
    server.add("m.s.view", "", "", table_type="VIEW")
    server.add("m.s.far", "s3://bucket/t")
    server.add("m.s.managed", "", table_type="MANAGED")
    server.add("m.s.gone", (tmp_path / "gone").as_uri())
    server.add("m.s.avro", place, "AVRO")
    server.add("m.s.ice", place, "ICEBERG")
    server.add("m.s.parts", place, "PARQUET", columns=[{"name": "day", "partition_index": 0}])
    found = told(listed(root, tmp_path, server.url))
    assert found["uc/m.s.view"] == (VIEW, "a view is not read")
    assert {name for name, (kind, _) in found.items() if kind == "unity"} == {
        f"uc/m.s.{name}" for name in ("far", "managed", "gone", "avro", "ice", "parts")
    }
    assert "s3://bucket/t" in found["uc/m.s.far"][1] and "no such file" in found["uc/m.s.gone"][1]
    assert "it is AVRO" in found["uc/m.s.avro"][1]


def test_whatever_a_server_does_costs_its_catalog_alone(
    server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("m.s.t", (tmp_path / "far").as_uri())
    server.is_endless = True
    assert "the same page again" in told(listed(root, tmp_path, server.url))["uc"][1]
    server.is_endless, server.is_torn = False, True
    assert "does not answer" in told(listed(root, tmp_path, server.url))["uc"][1]
    server.is_torn = False
    assert "404" in told(listed(root, tmp_path, f"{server.url}/elsewhere"))["uc"][1]
    monkeypatch.setenv("UNITY_TOKEN", "wrong-token-of-nobody")
    found = told(listed(root, tmp_path, server.url))
    assert "401" in found["uc"][1] and "wrong-token" not in str(found)
    monkeypatch.delenv("UNITY_TOKEN")
    assert "UNITY_TOKEN is not set" in told(listed(root, tmp_path, server.url))["uc"][1]
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("UNITY_TOKEN", TOKEN)
    assert "does not answer" in told(listed(root, tmp_path, server.url))["uc"][1]


def test_a_catalog_or_schema_that_fails_costs_itself_alone(server: Server, root: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    pq.write_table(ROWS, tmp_path / "far" / "part-0.parquet")
    for name in ("crm.s.t", "main.a.t", "main.b.t", "main.c.t", "zoo.s.t"):
        server.add(name, (tmp_path / "far").as_uri(), "PARQUET")
    server.failing = {("schemas", "crm"): 500, ("tables", "a"): 403, ("tables", "b"): -1}
    listing = listed(root, tmp_path, server.url)
    assert {source.name for source in listing.sources} == {"uc/main.c.t", "uc/zoo.s.t"}
    found = told(listing)
    assert found.keys() == {"uc/crm", "uc/main.a", "uc/main.b"}
    assert "500 the connection of the foreign catalog is down" in found["uc/crm"][1]
    assert "403" in found["uc/main.a"][1] and "does not answer" in found["uc/main.b"][1]
    # left out, it is not asked
    assert told(listed(root, tmp_path, server.url, catalogs=("main", "zoo"))).keys() == {"uc/main.a", "uc/main.b"}


def test_a_server_that_falls_silent_is_not_asked_for_each_schema(server: Server, root: Path, tmp_path: Path) -> None:
    for number in range(9):
        server.add(f"main.s{number}.t", (tmp_path / "far").as_uri())
    server.failing = {("tables", f"s{number}"): -1 for number in range(9)}
    assert told(listed(root, tmp_path, server.url)).keys() == {"uc/main.s0", "uc/main.s1", "uc"}
    assert sum("/tables" in path for path in server.asked) == 3


def test_a_token_goes_to_its_catalog_alone(server: Server, root: Path, tmp_path: Path) -> None:
    with Server() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        server.redirect = f"{other.url}/api/2.1/unity-catalog/catalogs"
        assert "302" in told(listed(root, tmp_path, server.url))["uc"][1]
        assert other.asked == []
        other.shutdown()
    found = told(listed(root, tmp_path, "http://catalog.example"))
    assert "over https alone" in found["uc"][1]


def test_a_catalog_that_says_nothing_ends_no_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(unity, "_TIMEOUT_S", 0.5)
    monkeypatch.setenv("UNITY_TOKEN", TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert "does not answer" in told(listed(root, tmp_path, url))["uc"][1]


@pytest.mark.parametrize("url", ["https://me:word@host", "https://host?token=abcdefgh", "host", "uc://host"])
def test_an_address_holds_no_secret_and_is_one(url: str) -> None:
    with pytest.raises(ValidationError, match=r"token_env|begin with"):
        UnityConfig(url=url)
    forget_secrets()


def test_a_lake_without_catalogs_is_what_it_was() -> None:
    assert "unity" not in LakeConfig(root="/lake").model_dump()
    assert LakeConfig(unity={"uc": {"url": "https://host"}}).root == ""
    with pytest.raises(ValidationError, match="are called x"):
        LakeConfig(root="/lake", unity={"x": {"url": "https://host"}}, catalogs={"x": {}})
