"""Tables of a real SQLite catalog: in the lake's folder they are one with the folder, elsewhere they are tables too."""

import socket
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from pyiceberg.catalog.sql import SqlCatalog

from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake import isolated
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import IcebergConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.iceberg.catalogs import CatalogTables, _place, keepers_of
from lakebed.connectors.lake.iceberg.table import IcebergFacts, read_tables
from lakebed.connectors.lake.listing import Listing
from lakebed.connectors.redaction import forget_secrets
from lakebed.tasks.inventory.previous import table_states
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime.workspace import Workspace
from tests.iceberg_tables import HandMade, column


def catalog_at(folder: Path, warehouse: Path, name: str = "prod") -> tuple[SqlCatalog, IcebergConfig]:
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/{name}.db", "warehouse": f"file://{warehouse}"}
    return SqlCatalog(name, **properties), IcebergConfig(properties=properties)


def read(tmp_path: Path, root: Path, **catalogs: IcebergConfig) -> tuple[dict[str, int], dict[str, str]]:
    """Rows of each Iceberg table by name, and what could not be read by name with the reason."""
    lake = LakeConfig(root=str(root), iceberg=catalogs)
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path / "artifacts"), engine="local")) as opened:
        listing = opened.listing
    tables = [*discover(listing, lake).tables, *listing.sources]
    files = {entry.path: entry for table in tables for entry in table.files}
    found = dict(zip([table.name for table in tables], read_tables(str(root), tables, files), strict=True))
    rows = {name: sum(f.n_rows for f in one.files) for name, one in found.items() if isinstance(one, IcebergFacts)}
    return rows, {problem.name: problem.reason for problem in listing.problems}


class DeniedCatalog(SqlCatalog):
    """A real catalog, of which this user may not list the namespace `a`, nor those in `deep`."""

    def list_tables(self, namespace: str | tuple[str, ...]) -> list[tuple[str, ...]]:
        if tuple(namespace) == ("a",):
            raise PermissionError("AccessDenied: a")
        return super().list_tables(namespace)

    def list_namespaces(self, namespace: str | tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        if tuple(namespace) == ("deep",):
            raise PermissionError("AccessDenied: deep")
        return super().list_namespaces(namespace)


def numbers(*values: int) -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int64())})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


def test_a_table_by_catalog_and_by_folder_is_one(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    catalog.create_namespace("a.deep")
    for name in ("a.t", "a.deep.t"):
        catalog.create_table(name, numbers().schema).append(numbers(1, 2, 3))
    assert read(tmp_path, lake, prod=config) == ({"a/t": 3, "a.deep/t": 3}, {})


def test_the_catalog_knows_which_metadata_counts(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    table.append(numbers(1))
    before = Path(table.metadata_location.removeprefix("file://"))
    table.append(numbers(2, 3))
    # a commit that failed left a metadata file of a later version behind
    before.with_name("00009-0.metadata.json").write_bytes(before.read_bytes())
    assert read(tmp_path, lake) == ({"a/t": 1}, {})
    assert read(tmp_path, lake, prod=config) == ({"a/t": 3}, {})


@pytest.mark.parametrize("is_real", [False, True])
def test_a_table_is_one_by_whatever_name_of_the_lake_its_catalog_has(tmp_path: Path, lake: Path, is_real: bool) -> None:
    """The lake over a link and the catalog by its own folder, or the other way around."""
    (tmp_path / "link").symlink_to(lake)
    root, warehouse = (lake, tmp_path / "link") if is_real else (tmp_path / "link", lake)
    catalog, config = catalog_at(tmp_path, warehouse)
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    table.append(numbers(1))
    before = Path(table.metadata_location.removeprefix("file://"))
    table.append(numbers(2, 3))
    before.with_name("00009-0.metadata.json").write_bytes(before.read_bytes())
    assert read(tmp_path, root, prod=config) == ({"a/t": 3}, {})
    found = keepers_of(str(root), {"prod": config})
    assert (found.tables.keys(), found.elsewhere) == ({"a/t"}, {})


def test_tables_outside_of_the_lake_are_called_by_their_catalog(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, tmp_path / "elsewhere")
    catalog.create_namespace("a")
    for name in ("a.t", "a.u"):
        catalog.create_table(name, numbers().schema).append(numbers(1, 2))
    (lake / "x.csv").write_text("")
    chosen = config.model_copy(update={"exclude": ("*.u",)})
    rows, problems = read(tmp_path, lake, prod=chosen)
    assert {name: n for name, n in rows.items() if "/" in name} == {"prod/a.t": 2} and problems == {}


def test_names_with_dots_and_quotes_are_of_one_table_each(tmp_path: Path, lake: Path) -> None:
    """A dot in a table's name is none between namespaces; SQL's catalog takes any text."""
    catalog, config = catalog_at(tmp_path, tmp_path / "elsewhere")
    catalog.create_namespace("a")
    catalog.create_namespace("a.x")
    names = {
        ("a", "x", "y"): "prod/a.x.y", ("a", "x.y"): 'prod/a."x.y"', ("a", "no thing"): "prod/a.no thing",
        ("a", 'say "x"'): 'prod/a."say ""x"""', ("a", "up/down"): 'prod/a."up/down"', ("a", "Ümläut"): "prod/a.Ümläut",
    }  # fmt: skip
    for number, identifier in enumerate(names, 1):
        place = f"file://{tmp_path}/elsewhere/t{number}"
        catalog.create_table(identifier, numbers().schema, location=place).append(numbers(*range(number)))
    assert read(tmp_path, lake, prod=config) == ({name: n for n, name in enumerate(names.values(), 1)}, {})
    chosen = config.model_copy(update={"include": ("a.x.*", "a.*thing")})
    assert read(tmp_path, lake, prod=chosen)[0].keys() == {"prod/a.x.y", 'prod/a."x.y"', "prod/a.no thing"}


@pytest.mark.parametrize(
    ("properties", "missing", "extra"),
    [
        ({"type": "sql", "uri": "postgresql+psycopg2://127.0.0.1:1/x"}, "psycopg2", "iceberg-postgresql"),
        ({"uri": "postgresql://127.0.0.1:1/x"}, "psycopg2", "iceberg-postgresql"),
        ({"uri": "sqlite:////nowhere.db"}, "sqlalchemy", "iceberg"),
        ({"type": "hive", "uri": "thrift://127.0.0.1:1"}, "thrift", "iceberg-hive"),
        ({"type": "glue"}, "boto3", "iceberg-glue"),
    ],
)
def test_a_client_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, lake: Path, monkeypatch: pytest.MonkeyPatch, properties: dict[str, str], missing: str, extra: str
) -> None:
    own = HandMade(lake / "own", [column(1, "id", "long")])
    own.commit(own.data(numbers(1)))
    for name in [*sys.modules]:
        if name.partition(".")[0] in {missing, "hive_metastore"} or name.startswith("pyiceberg.catalog."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with listed_lake(
        Workspace(
            lake=LakeConfig(root=str(lake), iceberg={"prod": IcebergConfig(properties=properties)}),
            artifacts=str(tmp_path / "artifacts"),
            engine="local",
        )
    ) as opened:
        (problem,) = opened.listing.problems
    assert (problem.name, problem.reason) == ("prod", f"the package {missing} is not installed")
    assert f"lakebed[{extra}]" in problem.hint


def test_catalogs_that_disagree_leave_the_table_unread(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    other, more = catalog_at(tmp_path, lake, "test")
    catalog.create_namespace("a")
    other.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    other.register_table("a.old", table.metadata_location)
    assert read(tmp_path, lake, prod=config, test=more) == ({"a/t": 0}, {})
    table.append(numbers(1))
    rows, problems = read(tmp_path, lake, prod=config, test=more)
    assert rows == {} and "different metadata files" in problems["a/t"]


def test_what_goes_wrong_is_a_reason(tmp_path: Path, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    good, gone = (catalog.create_table(name, numbers().schema) for name in ("a.good", "a.gone"))
    good.append(numbers(1))
    Path(gone.metadata_location.removeprefix("file://")).unlink()
    rows, problems = read(tmp_path, lake, prod=config)
    assert rows == {"a/good": 1} and "cannot load it" in problems["prod/a.gone"]
    wrong = IcebergConfig(properties={"type": "sql", "uri": f"sqlite:///{tmp_path}/no/such.db"})
    assert "does not answer" in read(tmp_path, lake, prod=wrong)[1]["prod"]
    hidden = IcebergConfig(properties={"type": "sql"}, properties_env={"uri": "PROD_URI"})
    monkeypatch.delenv("PROD_URI", raising=False)
    assert "PROD_URI is not set" in read(tmp_path, lake, prod=hidden)[1]["prod"]
    monkeypatch.setenv("PROD_URI", str(config.properties["uri"]))
    assert read(tmp_path, lake, prod=hidden)[0] == {"a/good": 1}


def test_a_namespace_that_cannot_be_listed_costs_itself_alone(tmp_path: Path, lake: Path) -> None:
    """Of those that are listed the catalog's metadata counts; what none names is refused, as it may be of the other."""
    catalog, config = catalog_at(tmp_path, lake)
    for name in ("a", "b", "deep", "deep.inner"):
        catalog.create_namespace(name)
        table = catalog.create_table(f"{name}.t", numbers().schema)
        table.append(numbers(1))
        table.append(numbers(2, 3))
    place = f"{__name__}.{DeniedCatalog.__name__}"
    denied = IcebergConfig(properties={**config.properties, "type": "", "py-catalog-impl": place})
    rows, problems = read(tmp_path, lake, prod=denied)
    assert rows == {"b/t": 3, "deep/t": 3}
    assert problems.keys() == {"prod/a", "prod/deep", "a/t", "deep.inner/t"}
    assert "AccessDenied: a" in problems["prod/a"] and "AccessDenied: deep" in problems["prod/deep"]
    assert "prod/a gave no answer" in problems["a/t"]
    # of what is left out as a whole it does not matter
    left_out = denied.model_copy(update={"exclude": ("a.*", "deep.*")})
    assert read(tmp_path, lake, prod=left_out)[1] == {}
    for globs in (("a.?", "deep.*"), ("a.[!t]*", "deep.*"), ("*.t", "deep.*")):
        some = denied.model_copy(update={"exclude": globs})
        assert "prod/a" in read(tmp_path, lake, prod=some)[1] and keepers_of(str(lake), {"prod": some}).silent
    assert "AccessDenied" in keepers_of(str(lake), {"prod": denied}).silent
    keepers = keepers_of(str(lake), {"prod": left_out})
    assert not keepers.silent and keepers.tables.keys() == {"b/t", "deep/t"}


def test_while_a_catalog_does_not_answer_its_tables_are_not_guessed(tmp_path: Path, lake: Path) -> None:
    """The newest file may be that of a commit that failed; a folder that counts its own versions needs no catalog."""
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    table.append(numbers(1))
    own = HandMade(lake / "own", [column(1, "id", "long")])
    own.commit(own.data(numbers(1, 2, 3, 4)))
    silent = IcebergConfig(properties={"type": "sql", "uri": f"sqlite:///{tmp_path}/no/such.db"})
    rows, problems = read(tmp_path, lake, lost=silent)
    assert rows == {"own": 4} and "only the catalog knows" in problems["a/t"] and "lost" in problems["a/t"]
    # what another catalog names is read
    assert read(tmp_path, lake, lost=silent, prod=config)[0] == {"a/t": 1, "own": 4}


def test_metadata_that_a_catalog_names_and_that_is_gone_has_no_stand_in(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    old = table.metadata_location.removeprefix("file://")
    table.append(numbers(1))
    Path(table.metadata_location.removeprefix("file://")).unlink()
    rows, problems = read(tmp_path, lake, prod=config)
    assert Path(old).exists() and rows == {} and "prod/a.t" in problems["a/t"]


def test_a_catalog_takes_over_a_folder_that_counted_its_versions(tmp_path: Path, lake: Path) -> None:
    catalog, config = catalog_at(tmp_path, lake)
    catalog.create_namespace("a")
    table = HandMade(lake / "own", [column(1, "id", "long")])
    table.commit(table.data(numbers(1, 2, 3)))
    table.name, table.has_hint = "0000{n}-cat.metadata.json", False
    catalog.register_table("a.own", str(table.commit(table.data(numbers(4)))))
    assert read(tmp_path, lake, prod=config) == ({"own": 4}, {})
    assert read(tmp_path, lake) == ({}, {})


def test_a_catalog_that_says_nothing_ends_no_run(tmp_path: Path, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "STALL_S", 3.0)
    own = HandMade(lake / "own", [column(1, "id", "long")])
    own.commit(own.data(numbers(1)))
    _, config = catalog_at(tmp_path, lake)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begin = time.monotonic()
        mute = IcebergConfig(properties={"type": "rest", "uri": uri})
        rows, problems = read(tmp_path, lake, mute=mute, prod=config)
    assert time.monotonic() - begin < 30
    assert rows == {"own": 1} and "does not answer" in problems["mute"] and "3 s" in problems["mute"]


def test_another_metadata_file_of_a_table_elsewhere_is_another_lake(tmp_path: Path, lake: Path) -> None:
    """A table that is registered anew at an older file has the same files."""
    catalog, config = catalog_at(tmp_path, tmp_path / "elsewhere")
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", numbers().schema)
    table.append(numbers(1))
    old = table.metadata_location
    table.append(numbers(2))
    (lake / "x.csv").write_text("a\n1\n")
    space = Workspace(
        lake=LakeConfig(root=str(lake), iceberg={"prod": config}), artifacts=str(tmp_path / "runs"), engine="local"
    )
    found = []
    for _ in range(2):
        with listed_lake(space) as opened:
            found.append(opened.listing)
        catalog.drop_table("a.t")
        catalog.register_table("a.t", old)
    before, after = found
    assert [one.files for one in before.sources] == [one.files for one in after.sources]
    assert before.identity != after.identity
    assert table_states(before, before.sources) != table_states(after, after.sources)


@pytest.mark.parametrize(
    "properties",
    [
        {"s3.secret-access-key": "x"}, {"token": "x"}, {"uri": "postgresql://me:word@host/db"}, {"credential": "a:b"},
        {"header.Authorization": "Basic dXNlcjp3b3Jk"}, {"HEADER.AUTHORIZATION": "x"}, {"header.x-api-key": "x"},
        {"adls.account-key": "x"}, {"adls.connection-string": "x"}, {"warehouse": "https://host/a?sig=abcdef"},
        {"anything": "DefaultEndpointsProtocol=https;AccountKey=abcdef"},
    ],
)  # fmt: skip
def test_secrets_stand_in_the_environment_alone(properties: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="properties_env"):
        IcebergConfig(properties=properties)


def test_a_secret_that_was_refused_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "lakebed.toml"
    given = '[lake.iceberg.prod.properties]\n"header.authorization" = "Custom dXNlcjp3b3Jk"'
    path.write_text(f'[lake]\nroot = "x"\n{given}\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "properties_env" in str(caught.value) and "dXNl" not in str(caught.value)
    forget_secrets()


def test_names_are_of_one_source_each() -> None:
    with pytest.raises(ValidationError, match="are called x"):
        LakeConfig(root="/lake", iceberg={"x": IcebergConfig()}, catalogs={"x": {}})
    assert "iceberg" not in LakeConfig(root="/lake").model_dump()
    assert "iceberg" in LakeConfig(root="/lake", iceberg={"x": IcebergConfig()}).model_dump()


def test_a_table_on_an_object_store_elsewhere_is_listed_with_its_reason(tmp_path: Path, lake: Path) -> None:
    """Its catalog need not be asked for more than where it is."""
    found = CatalogTables()
    for place in ("s3://bucket/a/t/metadata/00001-a.metadata.json", "hdfs://host/a/metadata/v1.metadata.json"):
        _place(found, Listing(str(lake), (), ()), set(), "prod/a.t", place)
    assert [problem.name for problem in found.problems] == ["prod/a.t"] * 2 and not found.sources
    assert all("on an object store outside of the lake" in problem.reason for problem in found.problems)
    assert all("make its bucket or a folder of it the lake's root" in problem.hint for problem in found.problems)
