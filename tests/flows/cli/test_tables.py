"""A lake with tables of every managed format, from `run` to `restore`: no byte of them changes, no verb names a part.

Beside it what `lakebed tables` and `run` say of tables that were not read.
"""

import pyarrow.parquet as pq
import pytest

from lakebed.data_samples.families.managed import write_managed_lake
from lakebed.flows.cli.tables import print_unreadable
from lakebed.tables import TableRow
from lakebed.tasks.quarantine.receipt import pointer_path
from lakebed.tasks.retention.plan import read_plan
from tests.flows.lakes import snapshot, write_parquet_lake
from tests.flows.processes import LOCAL, here, lakebed

OPTIONS = ("--artifacts", "artifacts")


def done(verb, *arguments, folder, **variables):
    answer = (lakebed if verb == "run" else here)(verb, *arguments, folder=folder, **variables)
    assert answer.status == 0, answer.err
    return answer


def files(root):
    """All files outside the quarantine, without its pointers."""
    return {
        path: facts
        for path, facts in snapshot(root).items()
        if facts[0] != "folder" and not path.startswith("_lakebed") and not path.endswith(".lakebed.json")
    }


@pytest.mark.flow
def test_no_verb_touches_a_part_of_a_managed_table(tmp_path):
    lake = tmp_path / "lake"
    made = write_managed_lake(lake)
    before = files(lake)
    run = done("run", "--lake", "lake", *OPTIONS, "--to", "retention", folder=tmp_path, **LOCAL)
    assert f"{len(made.tables)} tables in" in run.out and f"{len(made.managed)} unreadable" in run.out
    assert (
        "lakehouse/orders" not in run.out and "clickhouse cannot be read: its files are kept by ClickHouse" in run.out
    )
    assert f"… and {len(made.managed) - 5} more: lakebed tables --unreadable --artifacts" in run.out
    assert "not looked at: 2 files of other kinds, 8 B" in run.out

    told = here("explain", "clickhouse", *OPTIONS, folder=tmp_path)
    assert told.status == 1 and "clickhouse could not be read" in told.err and "kept by ClickHouse" in told.err
    told = here("explain", "none", *OPTIONS, folder=tmp_path)
    assert f"lakebed tables --artifacts {tmp_path / 'artifacts'}" in told.err

    planned = done("plan", *OPTIONS, "--json", folder=tmp_path).json
    deleted = {table["name"] for table in planned["tables"] if table["decision"] == "delete"}
    assert deleted and deleted <= made.copies
    plan = read_plan(tmp_path / "plan.json")
    named = {file.path for table in plan.tables for file in table.identity.files}
    assert not {
        path
        for path in named
        if path in made.data_files or path.startswith(tuple(f"{f}/" for f in made.managed if f != "loose"))
    }
    assert plan.table("stream").identity.files[0].path == "stream/part-00000-a.snappy.parquet"

    assert done("apply", "plan.json", "--dry-run", "--json", folder=tmp_path).json["n_tables"] == len(deleted)
    assert files(lake) == before
    done("apply", "plan.json", "--yes", folder=tmp_path)
    assert before.items() - files(lake).items() == {(f"{name}.parquet", before[f"{name}.parquet"]) for name in deleted}
    assert all((lake / pointer_path(name)).is_file() for name in deleted)

    (tmp_path / "zones.toml").write_text('[retention]\nzones = ["lakehouse/**", "**"]\n')
    told = done("tables", *OPTIONS, "--config", "zones.toml", "--json", folder=tmp_path).json
    zones = {table["name"]: table["zone"] for table in told["tables"]}
    assert zones["lakehouse/orders"] == "lakehouse/**" and zones["clickhouse"] == "**"
    states = {table["name"]: (table["state"], table["format"]) for table in told["tables"]}
    assert states == {
        name: ("readable", "delta" if name == "uniform" else "parquet") for name in made.tables - deleted
    } | {name: ("set aside", "parquet") for name in deleted} | {
        name: ("unreadable", format_) for name, format_ in made.managed.items()
    }
    assert all(table["reason"] and table["hint"] for table in told["tables"] if table["state"] == "unreadable")
    assert all(
        table["n_rows"] and table["n_bytes"] and table["n_columns"] for table in told["tables"] if not table["reason"]
    )
    text = done("tables", *OPTIONS, folder=tmp_path).out
    assert f"{len(states)} tables" in text and "set aside" in text and "lakehouse/orders cannot be read" in text
    assert "orders.parquet" not in done("tables", *OPTIONS, "--unreadable", folder=tmp_path).out

    done("restore", "--all", "--lake", "lake", folder=tmp_path)
    assert files(lake) == before


@pytest.mark.flow
def test_a_table_that_fails_in_a_later_stage_is_unreadable_in_every_output(tmp_path):
    """Its footer is whole, so the inventory has described it; its pairs are missing, which nobody may have to guess."""
    lake = write_parquet_lake(tmp_path / "lake")
    damaged = lake / "orders_copy.parquet"
    pq.write_table(pq.read_table(lake / "orders.parquet").slice(0, 50), damaged)
    first = pq.ParquetFile(damaged).metadata.row_group(0).column(0)
    data = bytearray(damaged.read_bytes())
    start = first.dictionary_page_offset or first.data_page_offset
    data[start : start + 40] = bytes(40)
    damaged.write_bytes(data)
    run = done("run", "--lake", "lake", *OPTIONS, "--to", "containment", folder=tmp_path, **LOCAL)
    assert "4 tables in" in run.out and ", 1 unreadable" in run.out
    wanted = "orders_copy cannot be read: "
    assert wanted in run.out and "its pairs are left out; see `lakebed doctor`, then run again" in run.out
    assert wanted in done("tables", *OPTIONS, "--unreadable", folder=tmp_path).out
    told = {row["name"]: row for row in done("tables", *OPTIONS, "--json", folder=tmp_path).json["tables"]}
    assert told["orders_copy"]["state"] == "unreadable" and told["orders_copy"]["reason"]
    assert [row["state"] for row in told.values()].count("readable") == 3
    again = done("run", "--lake", "lake", *OPTIONS, "--to", "containment", folder=tmp_path, **LOCAL)
    assert wanted in again.out


def test_at_most_five_unreadable_tables_are_named(capsys):
    rows = [TableRow(f"t{i}", "hudi", None, None, None, "unreadable", "why") for i in range(7)]
    print_unreadable(rows, "a")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  t0 cannot be read: why" and len(lines) == 6
    assert lines[5] == "  … and 2 more: lakebed tables --unreadable --artifacts a"
    print_unreadable(rows[:5], "a")
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_without_a_run_there_is_nothing_to_tell(tmp_path):
    answer = lakebed("tables", *OPTIONS, "--json", folder=tmp_path)
    assert answer.status != 0 and "inventory" in answer.json["what"] and answer.json["hint"]
