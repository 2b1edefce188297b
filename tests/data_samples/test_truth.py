"""The truth file and what is said about differences from it."""

from pathlib import Path

import pyarrow as pa

from lakebed.data_samples.layouts import ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies
from lakebed.data_samples.truth import Truth, check_against_truth, leaf_paths, load_truth, true_pairs


def _table(name: str, **columns: list[int | None]) -> SampleTable:
    data = pa.table({column: pa.array(values, pa.int64()) for column, values in columns.items()})
    return SampleTable(name, data, ParquetFile(), f"made as {name}")


def _truth() -> Truth:
    tables = (_table("a", x=[1, 1]), _table("b", x=[1], y=[2]), _table("c", x=[1, 1], y=[2, 3]), _table("d", x=[9]))
    claims = (Claim("a", "b", "once only", is_bag=False), Claim("b", "c", "its first row"))
    return Truth({}, (), true_pairs([Family(tables, claims)]), {})


def test_claims_chain() -> None:
    truth = _truth()
    assert truth.contained("set") == {("a", "b"), ("b", "c"), ("a", "c")}
    # the chain over b counts too little: that a lies in c as a bag needs a claim of its own
    assert truth.contained("bag") == {("b", "c")}


def test_copies_are_contained_in_each_other() -> None:
    tables = tuple(_table(name, x=[1]) for name in "abc")
    pairs = true_pairs([Family(tables, tuple(copies("equal", "a", "b", "c")))])
    assert [pair.is_bag_contained for pair in pairs] == [True] * 6


def test_vacuous_children_are_contained_by_definition() -> None:
    tables = (_table("empty", x=[]), _table("nulls", x=[None]), _table("full", x=[1]))
    pairs = {(pair.child, pair.parent): pair for pair in true_pairs([Family(tables)])}
    contained = {names for names, pair in pairs.items() if pair.is_set_contained and pair.is_bag_contained}
    assert contained == {("empty", "nulls"), ("empty", "full"), ("nulls", "empty"), ("nulls", "full")}
    assert pairs["nulls", "full"].why == "by definition: made as nulls"


def test_differences_are_named_with_their_reason() -> None:
    differences = check_against_truth(_truth(), [("a", "b"), ("b", "c"), ("d", "c"), ("c", "a")], "set")
    assert differences == [
        "not proven: a in c (follows from others: made as a | made as c)",
        "proven but untrue: c in a (their schemas do not nest)",
        "proven but untrue: d in c (made as d | made as c)",
    ]
    assert check_against_truth(_truth(), [("b", "c")], "bag") == []


def test_truth_survives_its_file(tmp_path: Path) -> None:
    truth = _truth()
    truth.save(tmp_path / "truth.json")
    assert load_truth(tmp_path / "truth.json") == truth


def test_leaves_of_nested_and_repeated_columns() -> None:
    inner = pa.struct([("b", pa.int64()), ("c", pa.list_(pa.struct([("d", pa.int64())])))])
    schema = pa.schema([("a", inner), ("a.b", pa.int64()), ("x", pa.int64()), ("x", pa.string())])
    assert leaf_paths(schema) == [("a", "b"), ("a", "c"), ("a.b",), ("x",), ("x", 2)]
