"""Which engine is chosen under `auto`."""

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import CatalogConfig, DatabaseConfig
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import is_local


def database(kind: str) -> DatabaseConfig:
    return DatabaseConfig(url=f"jdbc:{kind}://host/shop")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, True),
        ({"databases": {"a": database("mariadb"), "b": database("mysql")}}, True),
        ({"databases": {"a": database("mariadb"), "b": database("postgresql")}}, False),
        ({"catalogs": {"a": CatalogConfig()}}, False),
    ],
)
def test_sources_that_only_spark_reads_ask_for_spark(sources: dict[str, object], expected: bool) -> None:
    lake = LakeConfig(root="/lake", **sources)  # type: ignore[arg-type]
    assert is_local(Workspace(lake=lake, artifacts="/artifacts", engine="auto")) == expected
    assert is_local(Workspace(lake=lake, artifacts="/artifacts", engine="local"))
