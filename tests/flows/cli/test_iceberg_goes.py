"""A lake in which an Iceberg table without a catalog lies in another table, from `run` to `restore`: it may go."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

import lakebed
from tests.flows.cli.test_tables import OPTIONS, done, files
from tests.flows.processes import LOCAL
from tests.iceberg_tables import folder_table

N = 90_000


def rows(start, end):
    numbers = range(start, end)
    names = [f"note {number * 7919 % 100_003}" for number in numbers]
    return pa.table({"order_id": pa.array(numbers, pa.int64()), "day": [n // 150 for n in numbers], "note": names})


@pytest.fixture
def lake(tmp_path):
    """A Parquet file, an Iceberg table of two appends with a part of its rows, and the rows of that as a file."""
    lake = tmp_path / "lake"
    lake.mkdir()
    pq.write_table(rows(0, N), lake / "all.parquet")
    folder_table(lake / "ice", rows(0, N // 3), rows(N // 3, N // 2), branch="audit")
    (tmp_path / "lakebed.toml").write_text("[retention]\nallow_lesser_keeper = true\n[quarantine]\ngrace_days = 0\n")
    return lake


def planned(folder):
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=folder, **LOCAL)
    told = done("plan", *OPTIONS, "--json", folder=folder).json
    return {one["name"]: one for one in told["tables"]}


def seen(lake):
    """What pyiceberg sees of the table: rows of now and of the branch, names of references, properties, schema."""
    table = StaticTable.from_metadata(str(lake / "ice" / "metadata" / "v3.metadata.json"))
    (first,) = [one for one in table.snapshots() if one.parent_snapshot_id is None]
    return (
        table.scan().to_arrow().sort_by("order_id"),
        table.scan(snapshot_id=first.snapshot_id).to_arrow().sort_by("order_id"),
        sorted(table.metadata.refs),
        table.properties,
        table.schema(),
        table.metadata.table_uuid,
    )


@pytest.mark.flow
def test_an_iceberg_table_goes_comes_back_and_is_rebuilt_with_all_that_it_has(tmp_path, lake):
    before, looked = files(lake), seen(lake)
    assert planned(tmp_path)["ice"]["decision"] == "delete"
    assert done("apply", "plan.json", "--dry-run", "--json", folder=tmp_path).json["n_tables"] == 1
    assert files(lake) == before
    done("apply", "plan.json", "--yes", folder=tmp_path)
    assert files(lake).keys() == {"all.parquet"} and not (lake / "ice").exists()
    told = done("tables", *OPTIONS, "--json", folder=tmp_path).json
    assert {one["name"]: one["state"] for one in told["tables"]}["ice"] == "set aside"
    wanted = rows(0, N // 2).to_pydict()
    assert lakebed.open_table(str(lake / "ice")).sort_by("order_id").to_pydict() == wanted
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert files(lake) == before
    done("apply", "plan.json", "--yes", folder=tmp_path)
    done("purge", "ice", *OPTIONS, "--yes", folder=tmp_path)
    assert lakebed.open_table(str(lake / "ice")).sort_by("order_id").to_pydict() == wanted
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert seen(lake)[0].equals(looked[0]) and seen(lake) == looked
    assert files(lake).keys() == before.keys()


@pytest.mark.flow
def test_a_table_of_a_catalog_is_not_listed_while_it_is_set_aside(tmp_path):
    lake = tmp_path / "lake"
    lake.mkdir()
    pq.write_table(rows(0, N), lake / "all.parquet")
    uri, warehouse = f"sqlite:///{tmp_path}/catalog.db", f"file://{lake}"
    catalog = SqlCatalog("prod", uri=uri, warehouse=warehouse)
    catalog.create_namespace("sales")
    catalog.create_table("sales.orders", rows(0, 1).schema).append(rows(0, N // 2))
    settings = f'[lake.iceberg.prod]\nproperties = {{ type = "sql", uri = "{uri}", warehouse = "{warehouse}" }}\n'
    (tmp_path / "lakebed.toml").write_text(f"[retention]\nallow_lesser_keeper = true\n{settings}")
    before = files(lake)
    assert planned(tmp_path)["sales/orders"]["decision"] == "delete"
    done("apply", "plan.json", "--yes", folder=tmp_path)
    assert catalog.list_tables("sales") == [] and files(lake) == before
    assert "sales/orders" in done("status", *OPTIONS, folder=tmp_path).out
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **LOCAL)
    states = {one["name"]: one["state"] for one in done("tables", *OPTIONS, "--json", folder=tmp_path).json["tables"]}
    assert states == {"all": "readable", "sales/orders": "set aside"}
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert catalog.list_tables("sales") == [("sales", "orders")] and files(lake) == before
    assert catalog.load_table("sales.orders").scan().to_arrow().num_rows == N // 2
