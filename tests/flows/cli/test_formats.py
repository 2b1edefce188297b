"""The same rows in files of many formats: all are compared, and what lakebed can rebuild goes."""

import sqlite3
from contextlib import closing

import fastavro
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, orc

from tests.flows.cli.test_tables import OPTIONS, done, files
from tests.flows.processes import LOCAL, UNJUDGED
from tests.workbooks import write_xlsx

N = 700


@pytest.mark.flow
def test_files_of_other_formats_are_compared_and_left_where_they_are(tmp_path):
    lake = tmp_path / "lake"
    (lake / "exports").mkdir(parents=True)
    numbers = [n * 7919 % 100_003 for n in range(N)]
    table = pa.table({"order_id": numbers, "note": [f"note {n}" for n in numbers]})
    pq.write_table(table, lake / "orders.parquet")
    pc.write_csv(table, lake / "exports" / "text.csv")
    orc.write_table(table, lake / "exports" / "orc.orc")
    feather.write_feather(table.slice(10, 300), lake / "exports" / "part.feather")
    fields = [{"name": "order_id", "type": "long"}, {"name": "note", "type": ["null", "string"]}]
    with (lake / "exports" / "avro.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, table.to_pylist())
    near = table.to_pylist()
    near[5]["note"] = "another"
    with (lake / "exports" / "near.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, near)
    with closing(sqlite3.connect(lake / "exports" / "shop.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (order_id INTEGER, note TEXT)")
        connection.execute("CREATE TABLE some (order_id INTEGER, note TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [tuple(row.values()) for row in table.to_pylist()])
        connection.execute("INSERT INTO some SELECT * FROM orders LIMIT 99")
        connection.commit()
    rows = [[row["order_id"], row["note"]] for row in table.to_pylist()]
    write_xlsx(lake / "exports" / "book.xlsx", orders=[["order_id", "note"], *rows], some=[["order_id"], *rows[:50]])
    before = files(lake)
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **UNJUDGED)
    told = done("containments", *OPTIONS, "--json", folder=tmp_path).out
    for name in ("avro", "book/orders", "orc", "part", "shop/orders", "shop/some", "text"):
        assert f'"exports/{name}"' in told
    assert '"child": "exports/near"' not in told
    planned = done("plan", *OPTIONS, "--json", folder=tmp_path).json
    decisions = {one["name"]: (one["decision"], one["reason"]) for one in planned["tables"]}
    assert {name for name, (decision, _) in decisions.items() if decision == "delete"} == {"exports/text"}
    for name in ("avro", "book/orders", "orc", "shop/orders", "shop/some"):
        assert decisions[f"exports/{name}"][1] == "other_format"
    # an unchanged lake is not read again; one more file costs that file, whichever engine has read the others
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **UNJUDGED)
    orc.write_table(table.slice(0, 20), lake / "exports" / "more.orc")
    done("run", "--lake", "lake", *OPTIONS, "--to", "containment", folder=tmp_path, **LOCAL)
    assert '"exports/more"' in done("containments", *OPTIONS, "--json", folder=tmp_path).out
    assert {**files(lake), **before} == files(lake)
