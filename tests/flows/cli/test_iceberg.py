"""A lake with an Iceberg table and copies of its rows, from `run` to `restore`: it is kept, they may go."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from tests.flows.cli.test_tables import OPTIONS, done, files
from tests.flows.processes import LOCAL, UNJUDGED
from tests.iceberg_tables import HandMade, column

N = 900


def rows(start, end):
    numbers = range(start, end)
    names = [f"note {number * 7919 % 100_003}" for number in numbers]
    return pa.table({"order_id": pa.array(numbers, pa.int64()), "note": names})


def written(lake):
    """An Iceberg table with deletes of both kinds, whose rows are also a Parquet file, and a part of them another."""
    fields = [column(1, "order_id", "long"), column(2, "note", "string")]
    table = HandMade(lake / "ice", fields, location="s3://gone/ice")
    parts = [table.data(rows(n, n + N // 3)) for n in range(0, N, N // 3)]
    table.commit(*parts)
    table.commit(table.positions(parts[0], [0, 7]), table.equality(pa.table({"order_id": [50, N - 1]})))
    live = [n for n in range(N) if n not in (0, 7, 50, N - 1)]
    whole = pa.concat_tables([rows(n, n + 1) for n in live]).combine_chunks()
    (lake / "exports").mkdir()
    pq.write_table(whole, lake / "exports" / "copy.parquet")
    csv.write_csv(whole, lake / "exports" / "text.csv")
    pq.write_table(whole.slice(100, 200), lake / "exports" / "part.parquet")
    # holds a row that was deleted
    pq.write_table(rows(0, 100), lake / "exports" / "older.parquet")
    return table


def paths(name):
    return [f"{name}.csv" if name == "exports/text" else f"{name}.parquet"]


@pytest.mark.flow
def test_copies_of_an_iceberg_table_go_and_come_back(tmp_path):
    lake = tmp_path / "lake"
    table = written(lake)
    before = files(lake)
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **UNJUDGED)
    told = done("tables", *OPTIONS, "--json", folder=tmp_path).json
    states = {one["name"]: (one["state"], one["format"], one["n_rows"]) for one in told["tables"]}
    assert states["ice"] == ("readable", "iceberg", N - 4)
    planned = done("plan", *OPTIONS, "--json", folder=tmp_path).json
    gone = {file for one in planned["tables"] if one["decision"] == "delete" for file in paths(one["name"])}
    # whether the part pays is a matter of prices
    assert gone - {"exports/part.parquet"} == {"exports/copy.parquet", "exports/text.csv"}
    (ice,) = [one for one in planned["tables"] if one["name"] == "ice"]
    assert ice["reason"] == "parent" and "exports/copy" in ice["needed_by"]
    done("apply", "plan.json", "--yes", folder=tmp_path)
    assert before.keys() - files(lake).keys() == gone
    # an append leaves all as it is, even where the metadata of then is forgotten
    table.commit(table.data(rows(N, N + 9)))
    for old in ("v1", "v2"):
        (lake / "ice" / "metadata" / f"{old}.metadata.json").unlink()
    assert "chang" not in done("status", *OPTIONS, folder=tmp_path).out
    grown = files(lake)
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert files(lake) == {**grown, **{path: before[path] for path in gone}}


@pytest.mark.flow
def test_rows_that_are_deleted_from_the_parent_are_told(tmp_path):
    lake = tmp_path / "lake"
    table = written(lake)
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **LOCAL)
    done("plan", *OPTIONS, "--json", folder=tmp_path)
    done("apply", "plan.json", "--yes", folder=tmp_path)
    table.commit(table.equality(pa.table({"order_id": [200]})))
    assert "rows in the newest snapshot, not" in done("status", *OPTIONS, folder=tmp_path).out
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert (lake / "exports" / "copy.parquet").is_file()


@pytest.mark.flow
def test_what_is_purged_is_rebuilt_after_deletes_were_rewritten_and_data_lies_beside(tmp_path):
    """The parent has its files in another folder of the lake; its deletes go into new files, the old ones go."""
    lake = tmp_path / "lake"
    fields = [column(1, "order_id", "long"), column(2, "note", "string")]
    table = HandMade(lake / "ice", fields, location="s3://gone/lake/ice")
    data = table.data(rows(0, N))
    (lake / "wd").mkdir()
    name = data["data_file"]["file_path"].rpartition("/")[2]
    (lake / "ice" / "data" / name).rename(lake / "wd" / name)
    data["data_file"]["file_path"] = f"s3://gone/lake/wd/{name}"
    table.commit(data)
    old = table.positions(data, [0, 7])
    table.commit(old)
    live = pa.concat_tables([rows(1, 7), rows(8, N)]).combine_chunks()
    (lake / "exports").mkdir()
    pq.write_table(live, lake / "exports" / "copy.parquet")
    (tmp_path / "lakebed.toml").write_text("[quarantine]\ngrace_days = 0\n")
    before = files(lake)
    done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **LOCAL)
    done("plan", *OPTIONS, "--json", folder=tmp_path)
    done("apply", "plan.json", "--yes", folder=tmp_path)
    assert before.keys() - files(lake).keys() == {"exports/copy.parquet"}
    done("purge", "exports/copy", *OPTIONS, "--yes", folder=tmp_path)
    table.commit(data, table.positions(data, [0, 7]), drop=True)
    (lake / "ice" / "data" / old["data_file"]["file_path"].rpartition("/")[2]).unlink()
    assert "chang" not in done("status", *OPTIONS, folder=tmp_path).out
    done("restore", "--all", *OPTIONS, folder=tmp_path)
    assert pq.read_table(lake / "exports" / "copy.parquet").equals(live)
