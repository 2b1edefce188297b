"""One lake with a table in every format and one in a database: containments across them, and what may go."""

import json
import os
import sqlite3
from contextlib import closing

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyarrow import feather, orc
from pyiceberg.catalog.sql import SqlCatalog

from tests.flows.cli.test_tables import OPTIONS, done, files
from tests.services.mariadb import mariadb_server
from tests.workbooks import write_ods, write_xlsx

pytest.importorskip("pymysql", reason="pip install PyMySQL, the extra lakebed[mariadb]")
SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test
N = 600


def write_all(lake, table):
    """The table in every format that a folder may hold, by the name that lakebed gives each."""
    rows = [[row["order_id"], row["note"]] for row in table.to_pylist()]
    (lake / "copies").mkdir(parents=True)
    pc.write_csv(table, lake / "copies" / "text.csv")
    (lake / "copies" / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    pq.write_table(table, lake / "copies" / "plain.parquet")
    orc.write_table(table, lake / "copies" / "orc.orc")
    feather.write_feather(table, lake / "copies" / "arrow.feather")
    fields = [{"name": "order_id", "type": "long"}, {"name": "note", "type": "string"}]
    with (lake / "copies" / "avro.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, table.to_pylist())
    with closing(sqlite3.connect(lake / "copies" / "lite.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (order_id INTEGER, note TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        connection.commit()
    with duckdb.connect(str(lake / "copies" / "duck.duckdb")) as connection:
        connection.execute(f"CREATE TABLE orders AS FROM '{lake}/copies/plain.parquet'")
    for write, name in ((write_xlsx, "excel.xlsx"), (write_ods, "open.ods")):
        write(lake / "copies" / name, orders=[["order_id", "note"], *rows])
    write_deltalake(str(lake / "copies" / "delta"), table)
    catalog = SqlCatalog("own", uri=f"sqlite:///{lake.parent}/own.db", warehouse=f"file://{lake}")
    catalog.create_namespace("a")
    catalog.create_table("a.ice", table.schema, location=f"file://{lake}/ice").append(table)
    books = {f"copies/{name}/orders" for name in ("lite", "duck", "excel", "open")}
    return books | {f"copies/{name}" for name in ("text", "lines", "plain", "orc", "arrow", "avro", "delta")} | {"ice"}


@pytest.mark.flow
@pytest.mark.heavy
def test_one_lake_of_every_source(tmp_path):
    numbers = [n * 7919 % 100_003 for n in range(N)]
    table = pa.table({"order_id": numbers, "note": [f"note {n}" for n in numbers]})
    lake = tmp_path / "lake"
    names = write_all(lake, table)
    before = files(lake)
    with mariadb_server() as server:
        server.sql(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{SECRET}'; CREATE DATABASE shop CHARSET utf8mb4")
        server.sql("GRANT SELECT ON shop.* TO reader@'127.0.0.1'")
        values = ", ".join(f"({row['order_id']}, '{row['note']}')" for row in table.slice(100, 200).to_pylist())
        server.sql(f"CREATE TABLE some (order_id BIGINT, note TEXT); INSERT INTO some VALUES {values}", "shop")  # noqa: S608
        (tmp_path / "lake.toml").write_text(
            f'artifacts = "{tmp_path}/artifacts"\n[lake]\nroot = "{lake}"\n[lake.databases.db]\n'
            f'url = "jdbc:mariadb://127.0.0.1:{server.port}/shop"\nuser = "reader"\npassword_env = "READER_PASSWORD"\n'
        )
        done("run", "lake.toml", "--to", "retention", folder=tmp_path, READER_PASSWORD=SECRET, LAKEBED_ENGINE="local")
    told = done("containments", *OPTIONS, "--json", folder=tmp_path).out
    pairs = {(one["child"], one["parent"]) for one in map(json.loads, told.splitlines())}
    assert pairs >= {(one, other) for one in names for other in names if one != other}
    assert pairs >= {("db/shop.some", name) for name in names}
    planned = done("plan", *OPTIONS, "--json", folder=tmp_path).json
    decisions = {one["name"]: (one["decision"], one["reason"]) for one in planned["tables"]}
    assert decisions["ice"][0] == "keep"
    deleted = {name for name, (decision, _) in decisions.items() if decision == "delete"}
    assert deleted == {"copies/text", "copies/lines", "copies/plain", "copies/delta"}
    kept = {name: reason for name, (decision, reason) in decisions.items() if decision == "keep"}
    assert {reason for name, reason in kept.items() if name not in ("ice", "db/shop.some")} == {"other_format"}
    assert kept["db/shop.some"] == "database_table"
    assert files(lake) == before
    for path in (path for folder in ("artifacts", "lake") for path in (tmp_path / folder).rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path
    assert os.path.exists(tmp_path / "artifacts")
