import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.kernel.min_max import Refutation, refute_pairs
from lakebed.tasks.containment.statistics import load_statistics
from lakebed.tasks.encoding.order_keys import order_key
from lakebed.tasks.inventory.contract import COLUMNS, FILE_BOUNDS, FILES, PARTITION_VALUES, TABLES


def key(value):
    return None if value is None else order_key(value, "number")


def column(table_id, token, low=None, high=None, **facts):
    """A column with tight bounds."""
    return {
        "table_id": table_id,
        "position": 0,
        "token": f'["{token}"]',
        "type": "int64",
        "type_class": "number",
        "n_nulls": 0,
        "min_lower": key(low),
        "min_upper": key(low),
        "max_lower": key(high),
        "max_upper": key(high),
        "tightness": "tight",
        "is_partition": False,
    } | facts


def lake_of(columns, *, n_rows=(10, 10), files=(), file_bounds=(), partition_values=(), strict_types=False):
    tables = [
        {
            "table_id": number,
            "name": f"t{number}",
            "path": f"t{number}",
            "format": "parquet",
            "n_files": 1,
            "n_rows": n,
            "n_bytes": 1,
            "n_columns": 1,
            "schema_digest": "0" * 64,
            "read_via": "arrow",
            "partition_columns": [],
        }
        for number, n in enumerate(n_rows)
    ]
    listed = [
        {
            "table_id": table,
            "file_id": file,
            "n_rows": n,
            "path": f"{table}/{file}",
            "size": 1,
            "partition_values": "{}",
        }
        | {"row_group_rows": [], "row_group_bytes": [], "casts": "{}", "sha256": "", "mtime_ns": 0, "etag": ""}
        for table, file, n in files
    ]
    ranges = [
        {"table_id": table, "file_id": file, "token": '["a"]', "min_lower": key(low), "max_upper": key(high)}
        | {"n_nulls": n_nulls}
        for table, file, low, high, n_nulls in file_bounds
    ]
    values = [{"table_id": table, "token": '["a"]', "value": key(value)} for table, value in partition_values]
    pieces = [(tables, TABLES), (columns, COLUMNS), (listed, FILES), (ranges, FILE_BOUNDS), (values, PARTITION_VALUES)]
    made = [pa.Table.from_pylist(list(rows), schema=contract.arrow_schema()) for rows, contract in pieces]
    return load_statistics(*made[:3], (made[3], made[4]), strict_types=strict_types)


def verdict(lake, child=0, parent=1):
    reasons, _ = refute_pairs(lake.bounds, np.array([child], np.int32), np.array([parent], np.int32), is_bag=False)
    return Refutation(int(reasons[0]))


def test_ranks_keep_the_order_of_values_across_tables():
    numbers = [-5, 0, 1, 2**53, 2**53 + 1, 2**64]
    lake = lake_of([column(table, "a", n, n) for table, n in enumerate(numbers)], n_rows=[1] * len(numbers))
    ranks = lake.bounds.bounds[:, 0]
    assert ranks.tolist() == sorted(set(ranks.tolist()))


def test_columns_are_found_by_table_and_token_in_any_order_of_rows():
    lake = lake_of([column(1, "b", 7, 8), column(0, "b", 1, 2), column(1, "a", 3, 4), column(0, "c", 0, 0)])
    assert lake.names == ["t0", "t1"]
    assert lake.projection_tokens(int(lake.groups.schema_of_table[1])) == ['["a"]', '["b"]']
    tokens = np.array([lake.tokens.index(f'["{name}"]') for name in ("b", "c", "a", "c")])
    entries = lake.entries(np.array([1, 0, 0, 1]), tokens)
    assert entries[2:].tolist() == [-1, -1]
    rows = lake.column_rows[entries[:2]]
    assert rows.tolist() == [0, 3]


def test_bounds_refute_through_the_ranks():
    assert verdict(lake_of([column(0, "a", 1, 5), column(1, "a", 1, 5)])) is Refutation.NONE
    assert verdict(lake_of([column(0, "a", 0, 5), column(1, "a", 1, 5)])) is Refutation.MINIMUM
    assert verdict(lake_of([column(0, "a", 1, 6), column(1, "a", 1, 5)])) is Refutation.MAXIMUM
    assert verdict(lake_of([column(0, "a", 1, 6), column(1, "a")])) is Refutation.NONE


def test_unknown_null_counts_give_no_verdict():
    lake = lake_of([column(0, "a", 1, 5, n_nulls=3), column(1, "a", 1, 5, n_nulls=None)])
    assert verdict(lake) is Refutation.NONE
    assert lake.bounds.n_nulls.tolist() == [3, -1]


def test_types_are_classes_unless_strict():
    columns = [column(0, "a", 1, 5), column(1, "a", 1, 5, type="double")]
    assert verdict(lake_of(columns)) is Refutation.NONE
    assert verdict(lake_of(columns, strict_types=True)) is Refutation.TYPE
    text = column(1, "a", type="string", type_class="string")
    assert verdict(lake_of([columns[0], text])) is Refutation.TYPE


GAP = [(1, 0, 0, 3, 0), (1, 1, 6, 9, 0)]


@pytest.mark.parametrize(
    ("files", "ranges", "expected"),
    [
        ([(1, 0, 5), (1, 1, 5)], GAP, Refutation.GAP),
        # the second file's range is unknown
        ([(1, 0, 5), (1, 1, 5)], [GAP[0], (1, 1, None, None, 0)], Refutation.NONE),
        # a file that is not listed among the ranges at all
        ([(1, 0, 5), (1, 1, 5), (1, 2, 5)], GAP, Refutation.NONE),
        # a file of nulls, and one without rows, have no range and need none
        ([(1, 0, 5), (1, 1, 5), (1, 2, 4)], [*GAP, (1, 2, None, None, 4)], Refutation.GAP),
        ([(1, 0, 5), (1, 1, 5), (1, 2, 0)], [*GAP, (1, 2, None, None, 0)], Refutation.GAP),
        # null count unknown too: the file may hold anything
        ([(1, 0, 5), (1, 1, 5), (1, 2, 4)], [*GAP, (1, 2, None, None, None)], Refutation.NONE),
    ],
)
def test_a_gap_counts_only_where_every_file_has_a_range(files, ranges, expected):
    columns = [column(0, "a", 5, 7), column(1, "a", 0, 9)]
    assert verdict(lake_of(columns, files=[(0, 0, 10), *files], file_bounds=ranges)) is expected


def test_partition_values_are_compared_as_sets():
    columns = [column(0, "a", 1, 3), column(1, "a", 1, 3)]
    mine, theirs = [(0, 1), (0, 3)], [(1, 1), (1, 2), (1, 3)]
    assert verdict(lake_of(columns, partition_values=[*theirs, *mine])) is Refutation.NONE
    assert verdict(lake_of(columns, partition_values=[*mine, *theirs]), 1, 0) is Refutation.VALUES
    # the null partition is no value
    with_null = lake_of(columns, partition_values=[*mine, (0, None), *theirs])
    assert verdict(with_null) is Refutation.NONE
    assert with_null.bounds.value_indptr.tolist() == [0, 2, 5]


def test_a_lake_whose_tables_have_no_column_loads():
    lake = lake_of([], n_rows=[3])
    assert lake.groups.n_schemas == 1
    assert lake.bounds.trivial_tables().tolist() == [True]
    assert lake.entries(np.array([0]), np.array([0])).tolist() == [-1]
