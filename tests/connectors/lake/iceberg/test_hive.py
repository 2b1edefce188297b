"""Tables of an Iceberg catalog in a Hive metastore: its protocol over Thrift, on loopback."""

import socket
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog

from lakebed.connectors.lake.databases import IcebergConfig
from tests.connectors.lake.iceberg.test_catalogs import numbers, read
from tests.services.hive_metastore import hive_metastore


def test_a_table_by_hive_and_by_folder_is_one_and_hives_own_are_no_matter(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    with hive_metastore() as (uri, held):
        catalog = load_catalog("prod", type="hive", uri=uri, warehouse=f"file://{lake}")
        catalog.create_namespace("a")
        catalog.create_table("a.t", numbers().schema, location=f"file://{lake}/a/t").append(numbers(1, 2, 3))
        catalog.create_table("a.far", numbers().schema, location=f"file://{tmp_path}/far").append(numbers(1))
        plain, *_ = held.tables.values()
        held.tables["a", "plain"] = type(plain)(tableName="plain", dbName="a", parameters={"EXTERNAL": "TRUE"})
        config = IcebergConfig(properties={"type": "hive", "uri": uri})
        assert read(tmp_path, lake, prod=config) == ({"a/t": 3, "prod/a.far": 1}, {})
        by_uri = IcebergConfig(properties={"uri": uri}, exclude=("*.far",))
        assert read(tmp_path, lake, prod=by_uri) == ({"a/t": 3}, {})


def test_a_metastore_that_is_gone_is_told(tmp_path: Path) -> None:
    pytest.importorskip("thrift", reason="no Thrift here: pip install 'lakebed[iceberg-hive]'")
    (tmp_path / "lake").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = IcebergConfig(properties={"type": "hive", "uri": f"thrift://127.0.0.1:{port}"})
    _, problems = read(tmp_path, tmp_path / "lake", prod=config)
    assert "does not answer" in problems["prod"] and str(port) in problems["prod"]
