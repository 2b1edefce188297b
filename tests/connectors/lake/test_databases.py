import pytest
from pydantic import ValidationError

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import DatabaseConfig

URL = "jdbc:postgresql://host:5432/shop"


def test_a_lake_has_tables_somewhere():
    with pytest.raises(ValidationError, match="root should name the folder"):
        LakeConfig()
    alone = LakeConfig(databases={"shop": DatabaseConfig(url=URL)})
    assert (alone.root, alone.has_sources) == ("", True)
    assert not LakeConfig(root="x").has_sources


@pytest.mark.parametrize(
    "url",
    [
        "jdbc:postgresql://user:secret@host/shop",
        f"{URL}?password=secret",
        f"{URL}?sslmode=require&PASSWORD=secret",
        f"{URL}?user=me",
        f"{URL}?sslpassword=secret",
        "jdbc:sqlserver://host;databaseName=shop;user=me",
        "jdbc:sqlserver://host;databaseName=shop;Password=secret",
    ],
)
def test_a_url_holds_no_credentials(url):
    with pytest.raises(ValidationError, match="neither user nor password"):
        DatabaseConfig(url=url)


def test_other_databases_are_refused():
    with pytest.raises(ValidationError, match=r"begin with jdbc:postgresql:, .*jdbc:mysql: or jdbc:sqlserver:"):
        DatabaseConfig(url="jdbc:oracle://host/shop")
    assert DatabaseConfig(url=f"{URL}?sslmode=verify-full").identity == "rows"


@pytest.mark.parametrize("name", ["a/b", "", "1shop", "a.b", "ä"])
def test_names_of_sources_are_plain(name):
    with pytest.raises(ValidationError):
        LakeConfig(root="x", databases={name: DatabaseConfig(url=URL)})


def test_no_two_sources_share_a_name():
    with pytest.raises(ValidationError, match="two databases or catalogs are called shop"):
        LakeConfig(root="x", databases={"shop": {"url": URL}}, catalogs={"shop": {}})
