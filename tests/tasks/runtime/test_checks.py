import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import ContractError
from lakebed.tasks.runtime.checks import ArrowChecks, check_frame, check_table
from lakebed.tasks.runtime.contract import Column, Contract
from tests.tasks.runtime.conftest import EDGES, ROW, edge_rows

BROKEN = [
    ({"child": "UP"}, "child", "matches"),
    ({"n_child": -1}, "n_child", "≥ 0"),
    ({"n_child": 5}, "n_child", "n_child ≤ n_parent"),
    ({"chance": 1.5}, "chance", "≤ 1"),
    ({"chance": math.nan}, "chance", "≥ 0"),
    ({"semantics": "heap"}, "semantics", "one of"),
    ({"parent": None}, "parent", "not null"),
]


def loose(rows):
    """A table that may hold nulls where the contract forbids them."""
    return pa.Table.from_pylist(rows, schema=pa.schema([(c.name, c.type) for c in EDGES.columns]))


def test_a_good_table_gets_the_schema_of_its_contract():
    table = loose([ROW, ROW | {"child": "b", "chance": None}]).select(list(reversed(EDGES.names)))
    assert check_table(EDGES, table).schema == EDGES.arrow_schema()


@pytest.mark.parametrize(("change", "column", "check"), BROKEN)
def test_a_broken_check_is_named_with_its_rows(change, column, check):
    with pytest.raises(ContractError) as caught:
        check_table(EDGES, loose([*edge_rows(4), ROW | change]))
    assert f"column {column} breaks the check `{check}" in caught.value.what
    assert "in 1 rows" in caught.value.what
    assert len(caught.value.examples) == 1


def test_at_most_five_rows_are_shown_and_all_are_counted():
    rows = [row | {"chance": 2.0} for row in edge_rows(9)]
    with pytest.raises(ContractError, match="in 9 rows") as caught:
        check_table(EDGES, loose(rows))
    assert len(caught.value.examples) == 5


def test_a_key_twice_in_different_batches_is_found():
    checks = ArrowChecks(EDGES)
    for _ in range(2):
        checks.add(loose([ROW]).to_batches()[0])
    with pytest.raises(ContractError, match=r"column child, parent breaks the check `unique` in 2 rows"):
        checks.finish()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (loose([ROW]).drop_columns(["chance"]), "columns are not those"),
        (loose([ROW]).append_column("more", [[1]]), "columns are not those"),
        (loose([ROW]).set_column(2, "n_child", pa.array([1], pa.int32())), "n_child has another type"),
    ],
)
def test_other_columns_or_types_are_refused(table, words):
    with pytest.raises(ContractError, match=words):
        check_table(EDGES, table)


@given(st.lists(st.integers(-3, 3), max_size=20))
def test_the_count_is_that_of_the_plain_rule(values):
    rows = [row | {"n_child": v} for row, v in zip(edge_rows(len(values)), values, strict=True)]
    n_bad = sum(value < 0 for value in values)
    rows = [row | {"n_parent": 9} for row in rows]
    if n_bad:
        with pytest.raises(ContractError, match=f"n_child breaks the check `≥ 0` in {n_bad} rows"):
            check_table(EDGES, loose(rows))
    else:
        assert check_table(EDGES, loose(rows)).num_rows == len(values)


@pytest.mark.spark
def test_spark_judges_as_arrow_does(spark):
    good = edge_rows(4)
    check_frame(EDGES, spark.createDataFrame(loose(good)))
    for change, column, check in BROKEN:
        with pytest.raises(ContractError) as caught:
            check_frame(EDGES, spark.createDataFrame(loose([*good, ROW | change])))
        assert f"column {column} breaks the check `{check}" in caught.value.what
        assert "in 1 rows" in caught.value.what
        assert len(caught.value.examples) == 1
    with pytest.raises(ContractError, match="child, parent breaks the check `unique`"):
        check_frame(EDGES, spark.createDataFrame(loose([*good, good[0]])))


NUMBERS = st.integers(-2, 3) | st.sampled_from([2**31 - 1, 2**40, 2**63 - 1])


@pytest.mark.parametrize("n_columns", [1, 2, 3])
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=12))
def test_keys_of_numbers_are_held_to_be_different(n_columns, rows):
    names = ("a", "b", "c")
    contract = Contract("t", 1, "numbers", tuple(Column(name, pa.int64(), "one") for name in names), names[:n_columns])
    table = pa.table([pa.array(column, pa.int64()) for column in list(zip(*rows, strict=True)) or [[]] * 3], names)
    keys = [row[:n_columns] for row in rows]
    n_repeated = sum(keys.count(key) > 1 and keys.index(key) == at for at, key in enumerate(keys))
    if not n_repeated:
        check_table(contract, table)
        return
    n_rows = sum(keys.count(key) > 1 for key in keys)
    with pytest.raises(ContractError, match=f"breaks the check `unique` in {n_rows} rows"):
        check_table(contract, table)
