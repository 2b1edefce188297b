"""The order of the columns that a column can be joined with."""

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import judge_of
from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.likeness import NAME_FEATURES, name_features, name_likeness
from tests.benchmarks.joins import joiner
from tests.benchmarks.key_lakes import lake_and_values, lake_of_tables
from tests.tasks.keys.lakes import shop


def ranked(tables, table, column, model="trees"):
    """(table, column) of the answers, and the joins themselves."""
    lake, values = lake_and_values(tables)
    asked = next(at for at in range(lake.n) if (lake.tables[lake.table_of[at]], lake.names[at]) == (table, column))
    joins = joiner(lake, values, judge_of(KeysConfig(model=model))).ranked(asked)
    return [(lake.tables[lake.table_of[at]], lake.names[at]) for at in joins.column.tolist()], joins


@pytest.mark.parametrize("model", ["trees", "rule"])
def test_the_column_referred_to_comes_first(model):
    found, joins = ranked(shop(), "shop/lines", "order_id", model)
    assert found[0] == ("shop/orders", "order_id")
    assert joins.share[0] == 1 and joins.is_near[0]


def test_values_that_differ_in_case_and_blanks_are_found():
    found, joins = ranked(shop(), "shop/orders", "product")
    assert found == [("shop/products", "product_id")]
    assert joins.why(0)["folded_share"] == 1.0
    assert joins.why(1) == {
        "folded_share": 0.0,
        "key_chance": None,
        "same_folder": False,
        "spelled_alike": None,
    }


def test_columns_with_half_of_the_values_come_before_others():
    tables = {
        "a/orders": pa.table({"customer_id": list(range(100))}),
        "a/customers": pa.table({"customer_id": list(range(60, 500))}),
        "b/things": pa.table({"x": list(range(-50, 90))}),
    }
    found, joins = ranked(tables, "a/orders", "customer_id")
    assert found == [("b/things", "x"), ("a/customers", "customer_id")]
    assert joins.share.tolist() == [0.9, 0.4]


def test_a_common_folder_speaks_for_a_column():
    parent = pa.table({"town_id": list(range(30)), "town": [f"t{n}" for n in range(30)]})
    tables = {"x/towns": parent, "y/towns": parent, "y/people": pa.table({"town_id": [n % 30 for n in range(90)]})}
    found, _ = ranked(tables, "y/people", "town_id")
    assert found == [("y/towns", "town_id"), ("x/towns", "town_id")]
    tables["x/people"] = tables.pop("y/people")
    assert ranked(tables, "x/people", "town_id")[0][0] == ("x/towns", "town_id")


def test_a_column_without_values_joins_nothing():
    tables = shop() | {"shop/empty": pa.table({"x": pa.nulls(5, pa.string())})}
    assert ranked(tables, "shop/empty", "x")[0] == []


def test_the_likeness_alone_is_that_among_all_figures_of_names():
    lake = lake_of_tables(shop())
    facts = ColumnFacts.of(lake)
    places = np.arange(lake.n)
    pairs = Pairs(np.repeat(places, lake.n), np.tile(places, lake.n), np.zeros(lake.n**2))
    every = name_features(lake, facts.names, pairs)[:, NAME_FEATURES.index("n_max")]
    assert name_likeness(lake, facts.names, pairs).tolist() == every.tolist()


def test_words_that_tables_share_and_names_written_alike_speak_for_a_column():
    ids = list(range(40))
    towns = {"Town": [f"t{n}" for n in ids], "Mayor": ["Meier", "Schulz"] * 20}
    tables = {
        "towns": pa.table({"town_id": ids} | towns),
        "places": pa.table({"Town_ID": ids, "Species": ["oak", "elm"] * 20}),
        "parks": pa.table({"town_id": [n % 40 for n in range(80)], "Mayor": ["Schulz", "Meier"] * 40}),
        "trees": pa.table({"Town_ID": [n % 40 for n in range(80)], "Species": ["elm", "oak"] * 40}),
    }
    assert ranked(tables, "parks", "town_id")[0][0] == ("towns", "town_id")
    assert ranked(tables, "trees", "Town_ID")[0][0] == ("places", "Town_ID")
