from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.layouts import ParquetFile
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.explain import explain_table
from tests.tasks.containment.conftest import inventoried

pytestmark = pytest.mark.spark


def verdicts(lake, run, table, **options):
    """The verdicts of a table by (child, parent)."""
    store, ref = run
    return {
        (pair.child, pair.parent): pair for pair in explain_table(store, lake.inventory, ref, table, **options).pairs
    }


def test_each_step_is_named_with_its_reason(mixed_lake, mixed_run):
    found = verdicts(mixed_lake, mixed_run, "orders")
    expected = {
        ("copy", "orders"): ("proof", "contained", "all 300 distinct rows"),
        ("empty", "orders"): ("definition", "contained", "no rows"),
        ("nulls", "orders"): ("definition", "contained", "all cells are null"),
        ("later", "orders"): ("min_max", "not contained", "the maximum of id is larger in the child: 20299 against"),
        ("near", "orders"): ("proof", "not contained", "1 of 200 distinct rows are not in the parent"),
        ("crossed", "orders"): ("sketch", "not contained", "sampled distinct rows are not in the parent"),
    }
    for pair, (step, verdict, words) in expected.items():
        assert (found[pair].step, found[pair].verdict) == (step, verdict), pair
        assert words in found[pair].reason


def test_every_pair_that_schemas_admit_is_explained_and_proven_ones_come_first(mixed_lake, mixed_run):
    store, ref = mixed_run
    explained = explain_table(store, mixed_lake.inventory, ref, "ids")
    assert explained.n_rows == 50
    assert len(explained.pairs) == explained.n_schema_parents + explained.n_schema_children
    # the one column of ids lies in every table that has that column
    assert (explained.n_schema_parents, explained.n_schema_children) == (13, 0)
    order = [pair.verdict for pair in explained.pairs]
    assert order == sorted(order)
    assert explain_table(store, mixed_lake.inventory, ref, "alone").pairs == ()


def test_a_coincidence_is_called_one(mixed_lake, mixed_run):
    pair = verdicts(mixed_lake, mixed_run, "ids")["ids", "orders"]
    assert (pair.step, pair.verdict, pair.facts["coincidental"]) == ("proof", "contained", True)
    assert "called coincidental" in pair.reason
    assert pair.as_dict()["facts"]["certificate"]["child"]["name"] == "ids"


def test_rows_decide_where_samples_are_too_thin(tmp_path, spark):
    numbers = list(range(40_000))
    lake = inventoried(
        tmp_path,
        {
            "parent": (pa.table({"x": [*numbers, -1, 40_000], "y": [*numbers, 0, 0]}), ParquetFile()),
            "near": (pa.table({"x": [0, *numbers], "y": [1, *numbers]}), ParquetFile()),
        },
    )
    run = lake.run("rows", ContainmentConfig(sketch_rows=16))
    pair = verdicts(lake, run, "near")["near", "parent"]
    assert (pair.step, pair.verdict) == ("proof", "not contained")
    assert pair.reason == "1 of 40,001 distinct rows are not in the parent"


def test_bags_are_explained_as_bags_though_the_table_has_no_edge(tmp_path, spark):
    lake = inventoried(
        tmp_path,
        {"twice": (pa.table({"x": [1, 2, 2]}), ParquetFile()), "once": (pa.table({"x": [1, 3]}), ParquetFile())},
    )
    run = lake.run("bag", ContainmentConfig(semantics="bag"))
    pair = verdicts(lake, run, "twice")["twice", "once"]
    assert (pair.step, pair.reason) == ("min_max", "the child has more rows than the parent")


def test_numbers_that_are_written_alike_are_told_with_their_types(tmp_path, spark):
    exact = pa.array([Decimal("0.13"), Decimal("7.50")], pa.decimal128(5, 2))
    lake = inventoried(
        tmp_path,
        {
            "exact": (pa.table({"x": exact}), ParquetFile()),
            "binary": (pa.table({"x": [0.13, 7.5]}), ParquetFile()),
        },
    )
    pair = verdicts(lake, lake.run("alike", ContainmentConfig()), "exact")["exact", "binary"]
    assert pair.reason == (
        "the minimum of x is smaller in the child: 0.13 against 0.13 "
        "(decimal128(5, 2) against double: written alike, and not the same number)"
    )


def test_a_table_that_changed_is_not_decided(tmp_path, spark):
    data = pa.table({"x": list(range(9))})
    lake = inventoried(tmp_path, {name: (data, ParquetFile()) for name in ("a", "b")})
    pq.write_table(data.slice(1), tmp_path / "lake" / "b.parquet")
    pair = verdicts(lake, lake.run("changed", ContainmentConfig()), "a")["a", "b"]
    assert pair.verdict == "not decided"
    assert "b was left out" in pair.reason


def test_without_near_misses_a_sample_refutes_in_fewer_words(mixed_lake):
    run = mixed_lake.run("unlisted", ContainmentConfig(max_listed_pairs=0))
    pair = verdicts(mixed_lake, run, "crossed")["crossed", "orders"]
    assert (pair.step, pair.reason) == ("sketch", "not every sampled row of the child is in the parent")


def test_an_unknown_name_suggests_near_ones(mixed_lake, mixed_run):
    store, ref = mixed_run
    with pytest.raises(SourceError, match="orders"):
        explain_table(store, mixed_lake.inventory, ref, "oders")
