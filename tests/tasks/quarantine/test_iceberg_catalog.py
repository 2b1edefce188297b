"""Iceberg tables in a SQLite catalog: renamed, never dropped, and their files stay."""

import shutil

import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

import lakebed
from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import IcebergConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.iceberg import renaming
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.iceberg_lakes import ICE, CatalogCase, IceCase, write_lake
from tests.tasks.quarantine.lakes import make_plan, parent_rows
from tests.tasks.quarantine.rest_catalog import rest_server
from tests.tasks.quarantine.test_owners import applied, purged, restored


@pytest.fixture
def case(tmp_path):
    return CatalogCase(tmp_path)


def listed(case):
    """The tables that a run would find."""
    with listed_lake(Workspace(lake=case.lake, artifacts=f"{case.root}/../a", engine="local")) as opened:
        return {table.name for table in discover(opened.listing, case.lake).tables}, opened.listing.problems


def data_of(case):
    return {path: facts for path, facts in case.snapshot().items() if "lakebed" not in path}


def test_it_gets_another_name_and_its_own_again(case):
    looked = case.seen()
    (receipt,) = case.apply().receipts
    (name,) = case.names()
    assert receipt.layout == "catalog" and name == f"lakebed_quarantine.{receipt.catalog.aside}"
    assert data_of(case) == case.before
    assert case.catalog.load_table(name).scan().to_arrow().num_rows == 60
    assert lakebed.open_table(f"{case.root}/{ICE}").num_rows == 60
    assert listed(case) == ({"all"}, ())
    case.restore()
    assert case.names() == ["sales.ice"] and case.seen() == looked and case.snapshot() == case.before
    # the namespace of tables that were set aside goes with the last
    assert [".".join(one) for one in case.catalog.list_namespaces()] == ["sales"]
    assert listed(case) == ({"all", ICE}, ())


def test_what_was_purged_comes_back_into_the_catalog(case):
    looked = case.seen()
    case.apply()
    case.purge()
    assert case.phases() == {ICE: Phase.PURGED} and not (case.root / ICE).exists()
    assert listed(case) == ({"all"}, ())
    rows = lakebed.open_table(f"{case.root}/{ICE}").sort_by("id")
    assert rows.to_pydict() == parent_rows().slice(0, 60).to_pydict()
    case.restore()
    assert case.names() == ["sales.ice"] and case.seen() == looked
    assert case.snapshot().keys() == case.before.keys()


def test_a_commit_since_the_plan_keeps_the_table(case):
    case.catalog.load_table("sales.ice").append(parent_rows().slice(0, 1))
    before = case.snapshot()
    with pytest.raises(PlanError, match="catalog may keep") as caught:
        case.apply([ICE])
    assert "its catalog counts" in caught.value.value
    assert case.snapshot() == before and case.names() == ["sales.ice"]


def test_a_commit_while_it_is_renamed_brings_it_back(case, monkeypatch):
    rename = renaming._rename

    def commit_first(catalog, entry, source, target):
        if source == ("sales", "ice"):
            case.catalog.load_table("sales.ice").append(parent_rows().slice(0, 1))
        rename(catalog, entry, source, target)

    monkeypatch.setattr(renaming, "_rename", commit_first)
    with pytest.raises(PlanError, match="committed to a table while it was set aside; it is back at its place"):
        case.apply([ICE])
    assert case.names() == ["sales.ice"] and case.catalog.load_table("sales.ice").scan().to_arrow().num_rows == 61


def test_catalogs_are_asked_again(case, tmp_path):
    before = case.snapshot()
    case.catalog.register_table("sales.twin", case.catalog.load_table("sales.ice").metadata_location)
    with pytest.raises(PlanError, match="catalog may keep") as caught:
        case.apply([ICE])
    assert "several names" in caught.value.value
    case.catalog.drop_table("sales.twin")
    (tmp_path / "catalog.db").rename(tmp_path / "away.db")
    with pytest.raises(PlanError, match="catalog may keep") as caught:
        case.apply([ICE])
    assert "does not answer" in caught.value.value and case.snapshot() == before
    (tmp_path / "catalog.db").unlink(missing_ok=True)
    (tmp_path / "away.db").rename(tmp_path / "catalog.db")
    case.catalog.engine.dispose()
    case.catalog.rename_table("sales.ice", "sales.other")
    case.apply()
    case.restore()
    assert case.names() == ["sales.other"]


def test_a_table_that_the_globs_of_its_catalog_leave_out_is_its_own_all_the_same(case, tmp_path):
    """A folder that counts its own versions, which a catalog has taken in."""
    own = write_lake(tmp_path / "own")
    case.catalog.register_table("sales.own", f"{own}/ice/metadata/v3.metadata.json")
    config = case.lake.iceberg["prod"].model_copy(update={"exclude": ("*",)})
    lake = LakeConfig(root=str(own), iceberg={"prod": config})
    (receipt,) = IceCase(own, tmp_path / "rows2", lake).apply().receipts
    assert receipt.catalog.told == "prod/sales.own"


def test_another_name_keeps_it_from_being_purged(case):
    case.apply()
    (name,) = case.names()
    case.catalog.register_table("sales.again", case.catalog.load_table(name).metadata_location)
    with pytest.raises(PlanError, match="may be named by a catalog; nothing was deleted") as caught:
        case.purge()
    assert "sales.again" in caught.value.value
    case.catalog.drop_table("sales.again")
    case.purge()
    case.restore()


def test_a_new_table_of_its_name_keeps_it_where_it_is(case):
    case.apply()
    case.catalog.create_table("sales.ice", parent_rows().schema, location=f"file://{case.root}/other")
    with pytest.raises(PlanError, match="another table has the name"):
        case.restore()
    case.catalog.drop_table("sales.ice")
    case.restore()
    assert case.names() == ["sales.ice"]


def test_without_its_catalog_in_the_config_it_stays_unless_it_is_said_to_have_none(case, tmp_path):
    without = LakeConfig(root=str(case.root))
    plain = IceCase(case.root, tmp_path / "rows2", without)
    with pytest.raises(PlanError, match="catalog may keep") as caught:
        plain.apply([ICE])
    assert "called as a catalog calls its metadata" in caught.value.value and case.snapshot() == case.before
    said = IceCase(case.root, tmp_path / "rows3", without.model_copy(update={"unmanaged": (ICE,)}))
    (receipt,) = said.apply().receipts
    assert receipt.layout == "whole" and not (case.root / ICE).exists()
    said.restore()
    assert case.snapshot() == case.before


def test_a_rest_catalog_renames_too(case, tmp_path):
    looked = case.seen()
    with rest_server(case.catalog) as uri:
        lake = LakeConfig(root=str(case.root), iceberg={"prod": IcebergConfig(properties={"type": "rest", "uri": uri})})
        by_rest = IceCase(case.root, tmp_path / "rows2", lake)
        (receipt,) = by_rest.apply().receipts
        assert case.names() == [f"lakebed_quarantine.{receipt.catalog.aside}"] and data_of(case) == case.before
        by_rest.restore()
        assert case.names() == ["sales.ice"] and case.snapshot() == case.before
        by_rest.apply()
        by_rest.purge()
        by_rest.restore()
    assert case.names() == ["sales.ice"] and case.seen() == looked


@pytest.fixture
def elsewhere(lake_template, tmp_path):
    """The usual lake, a file of which a table that lies elsewhere has taken in, as its catalog knows."""
    root = shutil.copytree(lake_template, tmp_path / "lake")
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/else"}
    catalog = SqlCatalog("prod", **properties)
    catalog.create_namespace("sales")
    table = catalog.create_table("sales.part", pq.read_schema(root / "part.parquet"))
    table.add_files([f"{root}/part.parquet"])
    lake = LakeConfig(root=str(root), iceberg={"prod": IcebergConfig(properties=properties)})
    return Case(root), make_plan(lake, ("part", "sub/text"))


def test_files_of_a_table_that_lies_elsewhere_stay(elsewhere):
    case, plan = elsewhere
    done = applied(case, plan)
    assert [receipt.table.name for receipt in done.receipts] == ["sub/text"]
    ((name, why),) = done.left
    assert name == "part" and "another system keeps" in why and "else/sales" in why
    restored(case)
    assert case.snapshot() == case.before


def test_purge_asks_for_tables_elsewhere_too(elsewhere, tmp_path):
    case, plan = elsewhere
    (tmp_path / "catalog.db").rename(tmp_path / "away.db")
    # what is set aside comes back
    assert len(applied(case, plan).receipts) == 2
    with pytest.raises(PlanError, match="may be a part of an Iceberg table") as caught:
        purged(case, ["part"])
    assert "does not answer" in caught.value.value
    (tmp_path / "catalog.db").unlink(missing_ok=True)
    (tmp_path / "away.db").rename(tmp_path / "catalog.db")
    with pytest.raises(PlanError, match="another system keeps; nothing was deleted"):
        purged(case, ["part"])
    restored(case)
    assert case.snapshot() == case.before


def test_a_name_with_a_dot_goes_and_comes_back_and_its_namesake_stays(tmp_path):
    """`sales."ice.cold"` is not `cold` of the namespace `sales.ice`."""
    case = CatalogCase(tmp_path, table=("sales", "ice.cold"))
    case.catalog.create_namespace("sales.ice")
    case.catalog.create_table(("sales", "ice", "cold"), parent_rows().schema, location=f"file://{tmp_path}/other")
    looked = case.seen()
    case.apply()
    held = case.identifiers()
    assert ("sales", "ice", "cold") in held and ("sales", "ice.cold") not in held
    case.restore()
    assert case.identifiers() == {("sales", "ice", "cold"), ("sales", "ice.cold")} and case.seen() == looked
