import json
import traceback

import pytest
from pydantic import ValidationError

from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import DatabaseConfig, IcebergConfig, UnityConfig
from lakebed.connectors.redaction import forget_secrets, redacted, redacted_value

URL = "jdbc:postgresql://host:5432/shop"


@pytest.fixture(autouse=True)
def forgotten():
    yield
    forget_secrets()


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
    with pytest.raises(ValidationError, match="should hold no secret: use `user` and `password_env`"):
        DatabaseConfig(url=url)


SECRET = "hun,ter2)of}the&moon"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    "begin",
    [
        "jdbc:sqlserver://h;databaseName=d;pwd=", "jdbc:sqlserver://h;databaseName=d;password =",
        "jdbc:sqlserver://h;databaseName=d;accessToken=", "jdbc:sqlserver://h;databaseName=d;password={",
        "jdbc:mariadb://h/d?trustStorePassword=", "jdbc:mysql://address=(host=h)(password=",
        f"{URL}?pass%77ord=", "jdbc:oracle:thin:me/", "jdbc:postgresql://me:",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [DatabaseConfig, UnityConfig, IcebergConfig])
def test_no_address_holds_a_secret_and_no_character_of_one_is_shown(tmp_path, kind, begin):
    """One rule for all: in the error, in what is logged of it, and in the config as it is written down."""
    url = f"{begin}{SECRET}@host/{'long' * 20}"
    given = {"properties": {"uri": url}} if kind is IcebergConfig else {"url": url}
    section = {DatabaseConfig: "databases", UnityConfig: "unity", IcebergConfig: "iceberg"}[kind]
    file = tmp_path / "lakebed.toml"
    inner = f"properties = {{ uri = {json.dumps(url)} }}" if kind is IcebergConfig else f"url = {json.dumps(url)}"
    file.write_text(f"[lake]\nroot = 'x'\n[lake.{section}.s]\n{inner}\n")
    with pytest.raises(ConfigError, match="should hold no secret") as caught:
        load_config(file)
    told = "".join(traceback.format_exception(caught.value))
    shown = (redacted(told), str(redacted_value({"lake": {section: {"s": given}}})), redacted(repr(given)))
    assert not any(part in one for one in shown for part in ("hun", "ter2", "of}the", "moon"))
    with pytest.raises(ValidationError, match="should hold no secret"):
        kind(**given)


@pytest.mark.parametrize(
    "url",
    [f"{URL}?sslmode=verify-full&sslrootcert=/x/ca.pem", "jdbc:mariadb://h:1/d?sslMode=verify-ca&serverSslCert=/x.pem",
     "jdbc:sqlserver://h;databaseName=d;encrypt=true;serverCertificate=/x/ca.pem", "jdbc:mysql://h/passwords"],
)  # fmt: skip
def test_addresses_without_secrets_are_taken(url):
    assert DatabaseConfig(url=url).url == url


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
