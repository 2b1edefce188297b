"""The search for keys as a whole: what it finds, and what odd lakes do to it."""

import time

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import judge_of
from lakebed.tasks.keys.kernel.choice import primary_keys
from lakebed.tasks.keys.kernel.features import FEATURES, ColumnFacts, pair_facts
from lakebed.tasks.keys.kernel.search import across_folders, folder_pairs, within_folders
from tests.tasks.keys.lakes import SHOP_KEYS, lake, named, shop

JUDGES = {model: judge_of(KeysConfig(model=model)) for model in ("trees", "rule")}


def found_in(tables, model="trees", least=None):
    one = lake(tables)
    facts = ColumnFacts.of(one)
    found = within_folders(facts, JUDGES[model], KeysConfig().min_chance if least is None else least)
    return one, facts, found


@pytest.mark.parametrize("model", ["trees", "rule"])
def test_the_keys_of_a_shop(model):
    one, facts, found = found_in(shop(), model)
    assert named(one, found.a, found.b) == SHOP_KEYS
    primary = {(one.tables[one.table_of[at]], one.names[at]) for at in primary_keys(facts).tolist()}
    assert primary == {
        ("shop/customers", "customer_id"), ("shop/products", "product_id"), ("shop/orders", "order_id"),
        ("other/weather", "day"),
    }  # fmt: skip


def test_order_of_tables_and_rows_changes_nothing():
    tables = shop()
    turned = {name: table.take(np.random.default_rng(1).permutation(len(table))) for name, table in tables.items()}
    first, second = found_in(tables), found_in(dict(reversed(turned.items())))
    assert named(first[0], first[2].a, first[2].b) == named(second[0], second[2].a, second[2].b)
    assert first[2].chance.tolist() == second[2].chance.tolist()


def test_no_figure_of_a_pair_is_missing():
    facts = ColumnFacts.of(lake())
    held = pair_facts(facts, folder_pairs(facts))
    assert held.features.shape == (len(held.pairs.a), len(FEATURES))
    assert np.isfinite(held.features).all()


def test_keys_between_folders_are_lesser():
    tables = shop()
    tables["archive/customers"] = tables.pop("shop/customers")
    one = lake(tables)
    facts = ColumnFacts.of(one)
    inside = within_folders(facts, JUDGES["trees"], 0.32)
    wanted = ("shop/orders", "customer_id", "archive/customers", "customer_id")
    assert wanted not in named(one, inside.a, inside.b)
    both = inside.with_others(across_folders(facts, JUDGES["trees"], 0.5))
    assert wanted in named(one, both.a[both.is_across], both.b[both.is_across])
    assert (np.diff(both.a) > 0).all()


def test_two_columns_never_refer_to_each_other():
    ids = list(range(50))
    tables = {name: pa.table({"id": ids, "x": [f"{name}{n}" for n in ids]}) for name in ("a", "b", "c")}
    _, _, found = found_in(tables, least=0.01)
    pairs = set(zip(found.a.tolist(), found.b.tolist(), strict=True))
    assert not pairs & {(b, a) for a, b in pairs}


def wide(n):
    return pa.table({f"c{at}": pa.array(range(at, at + 20)) for at in range(n)})


ODD = {
    "one table": {"t": pa.table({"id": [1, 2, 3]})},
    "no rows": {"t": pa.table({"id": pa.array([], pa.int64())}), "u": pa.table({"id": [1, 2]})},
    "all null": {
        "t": pa.table({"x": pa.nulls(5), "y": pa.nulls(5, pa.string())}),
        "u": pa.table({"x": [1, 2]}),
    },
    "names of one letter": {"t": pa.table({"a": [1, 2]}), "u": pa.table({"a": [1, 2, 1], "": [1, 2, 2]})},
    "languages without blanks": {
        "客户": pa.table({"客户编号": [1, 2, 3], "姓名": ["张三", "李四", "王五"]}),
        "订单": pa.table({"订单编号": [1, 2, 3, 4], "客户编号": [1, 2, 3, 3]}),
    },
    "no columns": {"t": pa.table({}), "u": pa.table({"a": [1, 2]})},
    "nested names": {"t": pa.table({"a.b": [1, 2]}), "u": pa.table({'"': [1, 2, 1]})},
}


@pytest.mark.parametrize("tables", ODD.values(), ids=ODD)
@pytest.mark.parametrize("model", ["trees", "rule"])
def test_odd_lakes_have_answers(tables, model):
    one, facts, found = found_in(tables, model, 0.0)
    assert ((found.chance >= 0) & (found.chance <= 1)).all()
    assert len(primary_keys(facts)) <= len(tables)
    across_folders(facts, JUDGES[model], 0.0)
    if "客户" in tables and model == "trees":
        assert ("订单", "客户编号", "客户", "客户编号") in named(one, found.a, found.b)


@pytest.mark.heavy
def test_five_thousand_columns_take_bounded_time():
    tables = {"wide": wide(5_000), "other": wide(300), "small": pa.table({"c1": list(range(1, 21))})}
    found_in(shop())
    started = time.process_time()
    found_in(tables)
    assert time.process_time() - started < 30


@pytest.mark.heavy
def test_a_thousand_equal_columns_take_bounded_time():
    same = pa.table({"id": list(range(200))})
    tables = {f"t{at:04d}": same for at in range(1_000)}
    found_in(shop())
    started = time.process_time()
    _, _, found = found_in(tables)
    assert time.process_time() - started < 40
    assert len(found.a) <= 1_000
