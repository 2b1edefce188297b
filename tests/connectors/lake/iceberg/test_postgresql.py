"""Tables of an Iceberg catalog in a real PostgreSQL database."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakebed.connectors.lake.databases import IcebergConfig
from tests.connectors.lake.iceberg.test_catalogs import numbers, read
from tests.services.postgresql import postgresql_server

pytest.importorskip("psycopg2", reason="no client of PostgreSQL here: pip install 'lakebed[iceberg-postgresql]'")
SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with postgresql_server() as running:
        running.sql(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'")
        yield running


def reader_of(server: Any, database: str, **more: Any) -> IcebergConfig:
    return IcebergConfig(properties={"type": "sql"}, properties_env={"uri": "PROD_URI"}, **more)


def uri_of(server: Any, database: str, secret: str = SECRET) -> str:
    return f"postgresql+psycopg2://reader:{secret}@127.0.0.1:{server.port}/{database}"


def test_a_reader_sees_the_tables_in_the_folder_and_elsewhere(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    server.sql("CREATE DATABASE catalog")
    catalog = SqlCatalog("prod", uri=server.url("catalog", "postgresql+psycopg2"), warehouse=f"file://{lake}")
    for namespace in ("a", "a.deep"):
        catalog.create_namespace(namespace)
    table = catalog.create_table("a.t", numbers().schema)
    table.append(numbers(1))
    before = Path(table.metadata_location.removeprefix("file://"))
    table.append(numbers(2, 3))
    # a commit that failed: only the catalog knows that it counts for nothing
    before.with_name("00009-0.metadata.json").write_bytes(before.read_bytes())
    far = {("a", "deep", "t"): 1, ("a", "deep.t"): 2, ("a", 'Odd "name"'): 3}
    for number, identifier in enumerate(far, 1):
        place = f"file://{tmp_path}/far{number}"
        catalog.create_table(identifier, numbers().schema, location=place).append(numbers(*range(number)))
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "catalog")
    monkeypatch.setenv("PROD_URI", uri_of(server, "catalog"))
    held = server.sql("SELECT * FROM iceberg_tables ORDER BY 1, 2, 3", "catalog")
    rows, problems = read(tmp_path, lake, prod=reader_of(server, "catalog"))
    assert problems == {}
    assert rows == {"a/t": 3, "prod/a.deep.t": 1, 'prod/a."deep.t"': 2, 'prod/a."Odd ""name"""': 3}
    assert server.sql("SELECT * FROM iceberg_tables ORDER BY 1, 2, 3", "catalog") == held
    # whatever goes wrong is the catalog's own trouble, and shows no password
    monkeypatch.setenv("PROD_URI", uri_of(server, "catalog", "wrong-pass-word"))
    rows, problems = read(tmp_path, lake, prod=reader_of(server, "catalog"))
    assert rows == {} and "password authentication failed" in problems["prod"]
    assert "only the catalog knows" in problems["a/t"]
    assert "wrong-pass-word" not in str(problems)


def test_a_database_without_a_catalog_is_told_and_nothing_is_made_in_it(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql("CREATE DATABASE bare")
    (tmp_path / "lake").mkdir()
    monkeypatch.setenv("PROD_URI", server.url("bare", "postgresql+psycopg2"))
    _, problems = read(tmp_path, tmp_path / "lake", prod=reader_of(server, "bare"))
    assert "iceberg_" in problems["prod"] and server.password not in str(problems)
    assert server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "bare") == "0"


def test_a_port_that_nobody_listens_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("PROD_URI", f"postgresql+psycopg2://me:{SECRET}@127.0.0.1:{port}/x")
    config = IcebergConfig(properties={"type": "sql"}, properties_env={"uri": "PROD_URI"})
    _, problems = read(tmp_path, tmp_path / "lake", prod=config)
    assert "does not answer" in problems["prod"] and SECRET not in problems["prod"]
