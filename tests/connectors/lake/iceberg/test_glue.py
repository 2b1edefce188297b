"""Tables of an Iceberg catalog in AWS Glue, which moto stands in for, on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyiceberg.catalog import load_catalog

from lakebed.connectors.lake.databases import IcebergConfig
from tests.connectors.lake.iceberg.test_catalogs import numbers, read


@pytest.fixture
def glue() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_table_by_glue_and_by_folder_is_one_and_secrets_come_from_the_environment(
    tmp_path: Path, glue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    plain = {
        "type": "glue", "glue.endpoint": glue, "glue.region": "eu-central-1", "warehouse": f"file://{lake}",
        "glue.access-key-id": "reader",
    }  # fmt: skip
    monkeypatch.setenv("GLUE_SECRET", "only-for-tests")
    catalog = load_catalog("prod", **plain, **{"glue.secret-access-key": "only-for-tests"})
    catalog.create_namespace("a")
    catalog.create_table("a.t", numbers().schema, location=f"file://{lake}/a/t").append(numbers(1, 2, 3))
    elsewhere = catalog.create_table("a.far", numbers().schema, location=f"file://{tmp_path}/far")
    elsewhere.append(numbers(1, 2))
    key = {"glue.secret-access-key": "GLUE_SECRET"}
    public = {name: value for name, value in plain.items() if name != "glue.access-key-id"}
    monkeypatch.setenv("GLUE_KEY", "reader")
    config = IcebergConfig(properties=public, properties_env={**key, "glue.access-key-id": "GLUE_KEY"})
    assert read(tmp_path, lake, prod=config) == ({"a/t": 3, "prod/a.far": 2}, {})
    monkeypatch.delenv("GLUE_SECRET")
    rows, problems = read(tmp_path, lake, prod=config)
    assert "prod/a.far" not in rows
    assert "GLUE_SECRET" in problems["prod"]
