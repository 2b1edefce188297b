import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.keys.lake import lake_of_columns
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.links.kernel import lake_evidence
from lakebed.tasks.links.kernel.lake_evidence import column_evidence, told
from tests.tasks.lakegraph.columns import lake_column


def lake(tables):
    names = sorted(tables)
    columns = [lake_column(t, c, pa.array(tables[t][c]), p) for t in names for p, c in enumerate(tables[t])]
    table_of = np.array([names.index(column.table) for column in columns])
    return lake_of_columns(names, [str(column.path[0]) for column in columns], table_of, value_table(columns))


def found(tables, most=100):
    held = lake(tables)
    evidence = column_evidence(held, 2, most)
    names = [f"{held.tables[t]}.{c}" for t, c in zip(held.table_of, held.names, strict=True)]
    ends = zip(evidence.first.tolist(), evidence.second.tolist(), strict=True)
    return {(names[a], names[b]): k for k, (a, b) in enumerate(ends)}, evidence


TOWNS = [f"town {k}" for k in range(30)]
# sparse numbers of a wide range, and dense ones that everything shares
CODES = (np.random.default_rng(0).permutation(100_000)[:40] + 1).tolist()
SHOP = {
    "shop/orders": {"order": list(range(1, 61)), "town": TOWNS * 2, "code": [CODES[k % 20] for k in range(60)]},
    "shop/towns": {"town": TOWNS, "people": list(range(5, 35))},
    "shop/goods": {"code": CODES, "weight": list(range(3, 43))},
}


def test_shared_texts_and_rare_numbers_are_evidence_and_dense_numbers_are_none():
    pairs, evidence = found(SHOP)
    assert {*pairs} == {("shop/orders.town", "shop/towns.town"), ("shop/goods.code", "shop/orders.code")}
    place = pairs["shop/goods.code", "shop/orders.code"]
    assert (evidence.shared[place], evidence.share[place], evidence.likeness[place]) == (20, 1.0, 1.0)
    assert told(evidence)[place].startswith("20 shared values, 100% of the smaller column's; a value stands in one of ")


def test_a_thousand_equal_tables_and_columns_without_values_have_none():
    equal = {f"t{k:03d}": {"x": ["a", "b", "c"]} for k in range(200)}
    assert not found(equal)[0]
    nothing = {"a": {"x": pa.nulls(3, pa.string())}, "b": {"x": pa.nulls(3, pa.string())}}
    assert not found(nothing)[0] and not found({"a": {"x": ["1", "b"]}})[0]


def test_rare_values_like_names_and_one_folder_count():
    common = {f"shop/more{k}": {"other": TOWNS} for k in range(8)}
    far = {"far/towns": {"town": TOWNS}}
    plain, evidence = found(SHOP)
    crowd, crowded = found(SHOP | common | far)
    pair = "shop/orders.town", "shop/towns.town"
    assert crowded.score[crowd[pair]] < evidence.score[plain[pair]]
    assert crowded.score[crowd["far/towns.town", "shop/towns.town"]] < crowded.score[crowd[pair]]
    unlike = crowd["shop/more0.other", "shop/orders.town"]
    assert crowded.score[unlike] < 0.5 * crowded.score[crowd[pair]]
    assert "names unlike" in told(crowded)[unlike]
    assert ((crowded.chance > 0) & (crowded.chance < 1)).all()
    order = np.argsort(crowded.score)
    assert (np.diff(crowded.chance[order]) >= 0).all()


def test_copies_of_a_table_count_less():
    two = {"shop/a": {"town": TOWNS, "lake": [f"lake {k}" for k in range(30)]}}
    pairs, evidence = found(two | {"shop/b": {**two["shop/a"]}})
    assert evidence.copied.tolist() == [1.0, 1.0]
    assert "100% of the smaller table's columns have a partner" in told(evidence)[0]
    wide = {"shop/b": {"town": TOWNS, **{f"c{k}": [f"{k} {j}" for j in range(30)] for k in range(9)}}}
    other, alone = found({"shop/a": wide["shop/b"] | {}, "shop/b": {"town": TOWNS, **{f"d{k}": [k] for k in range(9)}}})
    assert alone.copied.tolist() == [0.1]
    assert pairs.keys() >= other.keys()


def test_pairs_do_not_depend_on_the_block(monkeypatch):
    whole = found(SHOP)[1]
    monkeypatch.setattr(lake_evidence, "BLOCK_ROWS", 2)
    parts = found(SHOP)[1]
    assert np.array_equal(whole.first, parts.first) and np.array_equal(whole.score, parts.score)


def test_a_value_of_too_many_columns_finds_no_pair():
    assert found(SHOP, most=2)[0]
    assert ("shop/orders.town", "shop/towns.town") not in found(SHOP | {"x": {"y": TOWNS}}, most=2)[0]


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_lake_has_none(n):
    tables = {"a": {"x": ["p", "q"]}} if n else {"a": {"x": pa.array([], pa.string())}}
    assert len(found(tables)[1].score) == 0
