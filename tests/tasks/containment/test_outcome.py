import pytest

from tests.tasks.containment.conftest import mixed_tables
from tests.tasks.containment.lakes import true_pairs

pytestmark = pytest.mark.spark

TABLES = {name: data for name, (data, _) in mixed_tables().items()}


def test_the_funnel_narrows_to_what_was_proven(mixed_run):
    store, ref = mixed_run
    rows = store.read(ref, "funnel").to_pylist()
    n_pairs = [row["n_pairs"] for row in rows]
    assert [row["step"] for row in rows] == ["schema", "min_max", "sketch", "proof"]
    assert n_pairs == sorted(n_pairs, reverse=True)
    assert n_pairs[-1] == len(true_pairs(TABLES)) == store.manifest(ref).summary["proven"]
    names = {name: set(data.column_names) for name, data in TABLES.items()}
    assert n_pairs[0] == sum(a != b and names[a] <= names[b] for a in names for b in names)


def test_candidates_hold_proven_pairs_and_near_misses_with_their_share(mixed_lake, mixed_run):
    store, ref = mixed_run
    names = store.read(mixed_lake.inventory, "tables").sort_by("table_id")["name"].to_pylist()
    rows = {(names[row["child_id"]], names[row["parent_id"]]): row for row in store.read(ref, "candidates").to_pylist()}
    edges = store.read(ref, "edges").to_pylist()
    proven = {
        (edge["child"], edge["parent"]) for edge in edges if edge["coincidental_reason"] not in ("empty", "all-null")
    }
    assert {pair for pair, row in rows.items() if row["verdict"] == "proven"} == proven
    near = rows["near", "orders"]
    assert (near["verdict"], near["n_compared"], near["n_missing"]) == ("refuted_by_rows", 200, 1)
    assert near["fraction_low"] == near["fraction"] == near["fraction_high"] == pytest.approx(199 / 200)
    crossed = rows["crossed", "orders"]
    cities = zip(*(TABLES[name]["city"].to_pylist() for name in ("crossed", "orders")), strict=True)
    share = sum(mine == theirs for mine, theirs in cities) / TABLES["orders"].num_rows
    assert crossed["verdict"] == "refuted_by_sketch"
    assert 0 < crossed["fraction_low"] < share < crossed["fraction_high"] < 1.0


def test_the_summary_counts_what_the_tables_hold(mixed_run):
    store, ref = mixed_run
    summary, edges = store.manifest(ref).summary, store.read(ref, "edges")
    assert summary["coincidental"] == sum(edges["coincidental"].to_pylist())
    assert summary["contained_tables"] == len(set(edges["child"].to_pylist()))
    assert (summary["mode"], summary["semantics"], summary["unstable"]) == ("exact", "set", 0)
    assert summary["are_near_misses_complete"]
