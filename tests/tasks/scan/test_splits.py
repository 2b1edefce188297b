import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.batches import Split
from lakebed.tasks.inventory.contract import COLUMNS, FILES, TABLES
from lakebed.tasks.scan.splits import InventoryTables, pack_splits, plan_splits, spark_only


def file_row(table_id, file_id, groups, **facts):
    """A file whose row groups are (rows, bytes)."""
    return {
        "table_id": table_id,
        "file_id": file_id,
        "path": f"t{table_id}/{file_id}.parquet",
        "size": 1_000,
        "n_rows": sum(rows for rows, _ in groups),
        "row_group_rows": [rows for rows, _ in groups],
        "row_group_bytes": [size for _, size in groups],
        "partition_values": "{}",
        "staged_path": None,
        "casts": "{}",
        "sha256": "",
        "mtime_ns": 0,
        "etag": "",
    } | facts


def inventory_of(files, *, columns=(), read_via=None):
    ids = sorted({row["table_id"] for row in files})
    tables = [
        {
            "table_id": table_id,
            "name": f"t{table_id}",
            "path": f"t{table_id}",
            "format": "parquet",
            "n_files": 1,
            "n_rows": 1,
            "n_bytes": 1,
            "n_columns": 1,
            "schema_digest": "0" * 64,
            "delta_version": 5 if table_id in (read_via or {}) else None,
            "read_via": (read_via or {}).get(table_id, "arrow"),
            "partition_columns": [],
        }
        for table_id in ids
    ]
    return InventoryTables(
        pa.Table.from_pylist(tables, schema=TABLES.arrow_schema()),
        pa.Table.from_pylist(list(columns), schema=COLUMNS.arrow_schema()),
        pa.Table.from_pylist(list(files), schema=FILES.arrow_schema()),
    )


files = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=6), min_size=1, max_size=5)


@given(files, st.integers(1, 120))
def test_splits_cover_every_row_group_once_and_keep_to_the_size(groups, target):
    inventory = inventory_of([file_row(0, number, rows) for number, rows in enumerate(groups)])
    splits = plan_splits(inventory, [0], target)
    assert [split.split_id for split in splits] == list(range(len(splits)))
    for number, rows in enumerate(groups):
        mine = [split for split in splits if split.path == f"t0/{number}.parquet"]
        assert sum(split.n_rows for split in mine) == sum(n for n, _ in rows)
        if mine[0].row_groups is None:
            assert len(mine) == 1
            continue
        assert [group for split in mine for group in split.row_groups] == list(range(len(rows)))
        assert all(split.n_bytes <= target or len(split.row_groups) == 1 for split in mine)
        assert all(split.n_bytes == sum(rows[group][1] for group in split.row_groups) for split in mine)


def test_only_the_asked_tables_that_need_no_spark_have_splits():
    rows = [file_row(table, 0, [(1, 1)]) for table in (0, 1, 2, 3)]
    rows[3]["path"] = "s3://elsewhere/0.parquet"
    inventory = inventory_of(rows, read_via={2: "spark", 3: "spark"})
    assert spark_only(inventory) == {3}
    splits = plan_splits(inventory, [1, 2, 3], 10)
    assert [(split.table_id, split.split_id, split.format) for split in splits] == [
        (1, 0, "parquet"),
        (2, 1, "parquet"),
    ]
    assert (splits[0].delta, splits[1].delta) == (None, ("t2", 5))


def test_a_file_of_unknown_row_groups_is_one_split_of_its_size():
    (split,) = plan_splits(inventory_of([file_row(0, 0, [], n_rows=7)]), [0], 10)
    assert (split.row_groups, split.n_rows, split.n_bytes) == (None, 7, 1_000)


def test_staged_text_is_read_from_its_copy_with_its_casts():
    row = file_row(0, 0, [(1, 1)], staged_path="staged/000000.parquet", casts=json.dumps({'["a"]': "int64"}))
    (split,) = plan_splits(inventory_of([row], read_via={0: "staged"}), [0], 10)
    assert (split.format, split.path, split.casts) == ("staged", "staged/000000.parquet", (('["a"]', "int64"),))


def test_partition_values_carry_the_type_of_their_column():
    column = {"position": 0, "type_class": "x", "n_nulls": 0, "tightness": "none", "is_partition": True}
    columns = [
        column | {"table_id": 0, "token": '["k"]', "type": "int64"},
        column | {"table_id": 0, "token": '["v"]', "type": "string"},
        column | {"table_id": 1, "token": '["k"]', "type": "date32[day]"},
    ]
    rows = [
        file_row(0, 0, [(1, 1)], partition_values='{"[\\"k\\"]": "7"}'),
        file_row(0, 1, [(1, 1)], partition_values='{"[\\"k\\"]": null}'),
        file_row(1, 0, [(1, 1)]),
    ]
    splits = plan_splits(inventory_of(rows, columns=columns), [0, 1], 10)
    assert [split.partition_values for split in splits] == [
        (('["k"]', "7", "int64"),),
        (('["k"]', None, "int64"),),
        (),
    ]


def split_of(number, n_bytes):
    return Split(0, number, f"{number}", "parquet", None, (), (), 1, n_bytes)


@given(st.lists(st.integers(0, 1 << 30), max_size=40), st.integers(1, 9))
def test_packing_loses_nothing_and_leaves_no_task_empty(sizes, n_tasks):
    splits = [split_of(number, size) for number, size in enumerate(sizes)]
    tasks = pack_splits(splits, n_tasks)
    assert len(tasks) == min(n_tasks, len(splits))
    assert all(tasks)
    assert sorted(split.split_id for task in tasks for split in task) == list(range(len(splits)))
    if tasks:
        loads = [sum(split.n_bytes + 4_096 for split in task) for task in tasks]
        assert max(loads) - min(loads) <= max(sizes) + 4_096


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_packing_is_the_same_each_time(n_tasks):
    splits = [split_of(number, size) for number, size in enumerate([5, 5, 9, 1])]
    assert pack_splits(splits, n_tasks) == pack_splits(list(reversed(splits)), n_tasks)
