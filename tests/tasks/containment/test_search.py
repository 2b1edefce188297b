import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.data_samples.layouts import DeltaTable
from lakebed.tasks.containment.config import ContainmentConfig
from tests.oracle.brute_force import Leaves, schema_pairs
from tests.tasks.containment.lakes import search_here, true_pairs, write_lake

INNER = pa.struct([("b", pa.int64()), ("c", pa.string())])
LISTS = pa.list_(pa.int64())
NAN = float("nan")
NUMBERS = [
    (pa.int64(), [None, -1, 0, 1, 2**53, 2**53 + 1]),
    (pa.uint64(), [None, 0, 1, 2**53 + 1, 2**64 - 1]),
    (pa.float64(), [None, -1.0, -0.0, 0.0, 1.0, NAN, float(2**53), float("inf")]),
    (pa.float32(), [None, -0.0, 1.0, NAN]),
    (pa.decimal128(20, 2), [None, Decimal("0.00"), Decimal("1.00"), Decimal(2**53 + 1)]),
]
OTHERS = [
    (pa.string(), [None, "", "0", "1", "é"]),
    (pa.large_string(), [None, "", "1"]),
    (pa.dictionary(pa.int8(), pa.string()), [None, "1", "é"]),
    (pa.bool_(), [None, False, True]),
    (pa.date32(), [None, date(1970, 1, 1), date(2000, 2, 29)]),
    (pa.timestamp("us"), [None, datetime(2000, 1, 1), datetime(2000, 1, 1, 0, 0, 0, 1)]),
    (pa.timestamp("ms", "Asia/Tokyo"), [None, datetime(2000, 1, 1, tzinfo=UTC)]),
    (pa.duration("us"), [None, timedelta(0), timedelta(seconds=1)]),
    (pa.binary(), [None, b"", b"1"]),
    (pa.null(), [None]),
    (INNER, [None, {"b": None, "c": None}, {"b": 1, "c": None}, {"b": 1, "c": ""}]),
    (LISTS, [None, [], [None], [1], [1, 1]]),
    (pa.map_(pa.string(), pa.int64()), [None, [], [("a", 1)], [("a", None)]]),
]
KINDS = st.sampled_from(NUMBERS) | st.sampled_from(OTHERS)


@st.composite
def tables(draw):
    """A table of up to three columns of any types, some of whose values are those of other types too."""
    names = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3, unique=True))
    n_rows = draw(st.integers(0, 6))
    columns = []
    for _ in names:
        kind, values = draw(KINDS)
        cells = draw(st.lists(st.sampled_from(values), min_size=n_rows, max_size=n_rows))
        columns.append(pa.array(cells, kind))
    return pa.table(columns, names=names)


@st.composite
def lakes(draw):
    """Tables, and parts of them: some rows, in another order, some twice, some columns."""
    found = {f"t{number}": draw(tables()) for number in range(draw(st.integers(1, 4)))}
    for number in range(draw(st.integers(0, 4))):
        base = found[draw(st.sampled_from(sorted(found)))]
        places = draw(st.lists(st.integers(0, max(0, base.num_rows - 1)), max_size=8)) if base.num_rows else []
        names = draw(st.lists(st.sampled_from(base.column_names), min_size=1, max_size=3, unique=True))
        found[f"part/p{number}"] = base.select(names).take(pa.array(places, pa.int64()))
    return found


def check(lake, config, **options):
    """Edges equal the oracle's, but for all-null children that metadata does not show to be such."""
    with tempfile.TemporaryDirectory() as folder:
        write_lake(Path(folder) / "lake", lake, **options)
        found = search_here(Path(folder), config)
        true = true_pairs(lake, config.semantics)
        assert found.pairs <= true
        assert all(Leaves(lake[child]).is_vacuous for child, _ in true - found.pairs)
        return found


@settings(max_examples=25)
@given(lakes(), st.sampled_from(["set", "bag"]), st.booleans())
def test_edges_of_random_lakes_are_those_of_the_oracle(lake, semantics, has_statistics):
    check(lake, ContainmentConfig(semantics=semantics), write_statistics=has_statistics)


@settings(max_examples=15)
@given(lakes(), st.sampled_from(["set", "bag"]), st.integers(1, 3))
def test_edges_do_not_depend_on_effort(lake, semantics, row_group_size):
    """Neither on thin samples, nor on whether pairs are listed, nor on splits."""
    config = ContainmentConfig(
        semantics=semantics, max_listed_pairs=0, sketch_rows=16, target_split_bytes=1 << 16, rows_per_bucket=1 << 10
    )
    check(lake, config, row_group_size=row_group_size)


@settings(max_examples=25)
@given(lakes(), st.sampled_from(["set", "bag"]))
def test_schema_graph_and_min_max_lose_no_true_edge(lake, semantics):
    with tempfile.TemporaryDirectory() as folder:
        write_lake(Path(folder) / "lake", lake)
        found = search_here(Path(folder), ContainmentConfig(semantics=semantics))
        view = found.view
        names = np.array(view.lake.names)
        left = set(zip(names[view.survey.children], names[view.survey.parents], strict=True))
        true = true_pairs(lake, semantics)
        assert {pair for pair in true if not Leaves(lake[pair[0]]).is_vacuous} <= left
        assert left <= set(schema_pairs({name: Leaves(table) for name, table in lake.items()}))


def near_miss(n_rows, change):
    """A parent, and a child that is its copy but for one row."""
    rng = np.random.default_rng(n_rows)
    parent = pa.table({"id": rng.permutation(n_rows), "group": rng.integers(0, 7, n_rows), "score": rng.random(n_rows)})
    return parent, change(parent, n_rows - 2)


def bad_row(table, place):
    """A row of values that the table has, but not together."""
    row = table.slice(place, 1).set_column(2, "score", table["score"].slice(place - 1, 1))
    return pa.concat_tables([table.slice(0, place), row, table.slice(place + 1)])


def bad_cell(table, place):
    groups = table["group"].to_numpy().copy()
    groups[place] = (groups[place] + 1) % 7
    return table.set_column(1, "group", pa.array(groups))


@pytest.mark.parametrize("n_rows", [1_000, 10_000, 100_000])
@pytest.mark.parametrize("change", [bad_row, bad_cell])
def test_one_bad_row_or_cell_is_no_containment(tmp_path, n_rows, change):
    parent, child = near_miss(n_rows, change)
    write_lake(tmp_path / "lake", {"parent": parent, "miss": child, "hit": parent.slice(5, n_rows // 2)})
    found = search_here(tmp_path, ContainmentConfig(rows_per_bucket=1 << 14))
    assert found.pairs == {("hit", "parent"), ("hit", "miss")}
    # metadata cannot tell, so content did: by its samples, or by the one row that is missing
    sketched = zip(found.sketched.child.tolist(), found.sketched.parent.tolist(), strict=True)
    number = found.view.lake.names.index
    assert (number("miss"), number("parent")) in set(sketched)
    is_miss = (found.verified.pairs.child == number("miss")) & (found.verified.pairs.parent == number("parent"))
    assert found.verified.counts.n_missing[is_miss].tolist() in ([], [1])


@pytest.mark.parametrize("semantics", ["set", "bag"])
def test_repeats_count_in_bags_only(tmp_path, semantics):
    lake = {"once": pa.table({"x": [1, 2]}), "twice": pa.table({"x": [1, 2, 1]}), "all": pa.table({"x": [1, 1, 2, 3]})}
    write_lake(tmp_path / "lake", lake)
    expected = {("once", "twice"), ("once", "all"), ("twice", "all")} | (
        {("twice", "once")} if semantics == "set" else set()
    )
    assert search_here(tmp_path, ContainmentConfig(semantics=semantics)).pairs == expected


def test_strict_types_tell_ints_from_floats(tmp_path):
    ints, floats = pa.table({"x": pa.array([1, 2])}), pa.table({"x": pa.array([1.0, 2.0])})
    write_lake(tmp_path / "lake", {"int": ints, "copy": ints, "float": floats})
    mutual = {("int", "copy"), ("copy", "int")}
    assert search_here(tmp_path, ContainmentConfig(strict_types=True)).pairs == mutual
    assert len(search_here(tmp_path, ContainmentConfig()).pairs) == 6


def test_names_inside_list_types_are_no_types(tmp_path):
    item, element = (
        pa.table({"x": pa.array([[1], []], pa.list_(pa.field(name, pa.int64())))}) for name in ("item", "e")
    )
    write_lake(tmp_path / "lake", {"item": item, "element": element}, use_compliant_nested_type=False)
    for strict in (False, True):
        config = ContainmentConfig(strict_types=strict)
        assert len(search_here(tmp_path, config, out=f"strict {strict}").pairs) == 2


def test_case_of_column_names_is_ignored_only_where_asked(tmp_path):
    write_lake(tmp_path / "lake", {"a": pa.table({"ID": [1], "n": [2]}), "b": pa.table({"id": [1, 3], "N": [2, 2]})})
    assert search_here(tmp_path).pairs == set()
    assert search_here(tmp_path, ignore_column_case=True, out="folded").pairs == {("a", "b")}


def test_weird_names_and_duplicate_columns(tmp_path):
    names = ["", "a.b", 'q"`\\', "\n", "日本", "{x}", "x", "x"]
    data = pa.Table.from_arrays([pa.array([row, row + 10]) for row in range(len(names))], names)
    swapped = data.select([*range(6), 7, 6])
    lake = {"a b/ü %20 {n}": data, "c,d": data.slice(1), "swapped": swapped, "one": data.select([0])}
    write_lake(tmp_path / "lake", lake)
    found = search_here(tmp_path)
    # the second column called x is a column of its own
    assert (
        found.pairs
        == true_pairs(lake)
        == {("c,d", "a b/ü %20 {n}"), *((("one", name)) for name in lake if name in ("a b/ü %20 {n}", "swapped"))}
    )


def test_a_thousand_columns(tmp_path):
    rng = np.random.default_rng(0)
    wide = pa.table({f"c{number}": rng.integers(0, 9, 50) for number in range(1_000)})
    lake = {"wide": wide, "rows": wide.slice(9, 20), "columns": wide.select(range(0, 1_000, 7))}
    write_lake(tmp_path / "lake", lake)
    assert search_here(tmp_path).pairs == {("rows", "wide"), ("columns", "wide")}


@pytest.mark.parametrize(
    "lake",
    [
        {"one": pa.table({"x": [1]})},
        {"a": pa.table({"x": [1]}), "b": pa.table({"y": [1]}), "c": pa.table({"x": [2]})},
        {"none": pa.table({}), "x": pa.table({"x": [1]})},
        {"none": pa.table({})},
        {"empty": pa.table({"x": pa.array([], pa.int64())}), "nulls": pa.table({"x": pa.nulls(2, pa.string())})},
    ],
)
def test_lakes_with_nothing_to_compare(tmp_path, lake):
    write_lake(tmp_path / "lake", lake)
    found = search_here(tmp_path)
    assert found.pairs == true_pairs(lake)
    assert len(found.verified.pairs.child) == 0


def test_a_damaged_file_costs_its_table_alone(tmp_path):
    data = pa.table({"x": list(range(2_000)), "s": [f"row {row}" for row in range(2_000)]})
    write_lake(tmp_path / "lake", {"a": data, "b": data, "bad": data})
    path = tmp_path / "lake" / "bad.parquet"
    content = bytearray(path.read_bytes())
    content[200:600] = bytes(400)
    path.write_bytes(content)
    found = search_here(tmp_path)
    assert found.pairs == {("a", "b"), ("b", "a")}
    assert list(found.content.unstable) == [found.view.lake.names.index("bad")]


def test_a_delta_table_without_files_keeps_its_columns(tmp_path):
    nothing = pa.table({"x": pa.array([], pa.int64()), "y": pa.array([], pa.string())})
    DeltaTable().write(tmp_path / "lake", "nothing", nothing)
    lake = {"x": pa.table({"x": [1]}), "both": pa.table({"x": [1], "y": ["a"]})}
    write_lake(tmp_path / "lake", lake)
    assert search_here(tmp_path).pairs == {("nothing", "both"), ("x", "both")}
