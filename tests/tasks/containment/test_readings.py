"""Typed columns of text files against string columns: by their text, and else by value."""

import json
from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.explain import explain_table
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.previous import reading_notes
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.containment.lakes import search_here

# cells of one column, as a text file has them
TEXTS = {
    "money": ["1.50", "2.25", "10.00"],
    "whole": ["1.0", "2.5", "-3.0"],
    "zip": ["10001", "60601", "94105"],
    "flag": ["True", "False", "True"],
    "day": ["2024-01-02", "2024-01-03", "0001-01-01"],
    "moment": ["2024-01-02 03:04:05", "2024-01-02 03:04:06", "1999-12-31 23:59:59"],
}
VALUES = {
    "money": pa.array(["1.50", "2.25", "10.00"]).cast(pa.decimal128(10, 2)),
    "whole": pa.array([1.0, 2.5, -3.0]),
    "zip": pa.array([10001, 60601, 94105]),
    "flag": pa.array([True, False, True]),
    "day": pa.array([date(2024, 1, 2), date(2024, 1, 3), date(1, 1, 1)]),
    "moment": pa.array(TEXTS["moment"]).cast(pa.timestamp("us")),
}


def write_csv(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(*columns.values(), strict=True)
    path.write_text("".join(",".join(row) + "\n" for row in [tuple(columns), *rows]))


def write_json(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def both_ways(*names):
    return {(one, other) for one in names for other in names if one != other}


@pytest.mark.parametrize("name", TEXTS)
def test_a_column_equals_its_text_and_its_values(tmp_path, name):
    texts, lake = TEXTS[name], tmp_path / "lake"
    names = [f"row {number}" for number in range(len(texts))]
    write_csv(lake / "c.csv", {"name": names, name: texts})
    write_parquet(lake / "text.parquet", {"name": names, name: texts})
    write_parquet(lake / "typed.parquet", {"name": names, name: VALUES[name]})
    write_parquet(lake / "part.parquet", {name: texts[1:]})
    found = search_here(tmp_path)
    assert found.pairs - {("part", "text")} == both_ways("c", "text") | both_ways("c", "typed") | {("part", "c")}
    strict = search_here(tmp_path, ContainmentConfig(strict_types=True), out="strict")
    assert not strict.view.lake.is_reading.any()
    assert {pair for pair in strict.pairs if "c" in pair} <= both_ways("c", "typed")


def test_json_strings_count_by_their_text_and_its_numbers_do_not(tmp_path):
    lake = tmp_path / "lake"
    write_json(lake / "days" / "j.jsonl", {"d": TEXTS["day"]})
    write_parquet(lake / "days" / "p.parquet", {"d": TEXTS["day"]})
    write_json(lake / "numbers" / "j.jsonl", {"n": [1, 2]})
    write_parquet(lake / "numbers" / "p.parquet", {"n": ["1", "2"]})
    assert search_here(tmp_path).pairs == both_ways("days/j", "days/p")


def test_each_pair_has_the_reading_that_its_columns_ask_for(tmp_path):
    """Two columns of a text file, each asked as text, as value, or both, by the tables beside it."""
    lake, zips, money = tmp_path / "lake", TEXTS["zip"], TEXTS["money"]
    write_csv(lake / "c.csv", {"zip": zips, "money": money})
    for one, zip_ in (("text", zips), ("value", VALUES["zip"])):
        for other, sum_ in (("text", money), ("value", VALUES["money"])):
            write_parquet(lake / f"{one}-{other}.parquet", {"zip": zip_, "money": sum_})
    write_parquet(lake / "nulls.parquet", {"zip": zips[:1], "money": pa.nulls(1, pa.string())})
    others = {"text-text", "text-value", "value-text", "value-value"}
    found = search_here(tmp_path)
    assert found.pairs == {pair for other in others for pair in both_ways("c", other)}
    assert found.view.lake.is_reading.sum() == 3
    texts = {
        row["parent"]: json.loads(row["certificate"]).get("compared_as_text") for row in found.edges.to_pylist()
        if row["child"] == "c"
    }  # fmt: skip
    assert texts == {
        "text-text": [["money"], ["zip"]], "text-value": [["zip"]], "value-text": [["money"]], "value-value": None
    }  # fmt: skip


def test_tables_of_text_alone_share_one_reading(tmp_path):
    """Seven sets of a text file's columns, each a table of its own: what such a table lacks tells no two apart."""
    lake, columns = tmp_path / "lake", {name: TEXTS[name] for name in ("zip", "money", "day")}
    write_csv(lake / "c.csv", columns)
    parts = [held for n in (1, 2, 3) for held in combinations(columns, n)]
    for held in parts:
        write_parquet(lake / f"{'-'.join(held)}.parquet", {name: columns[name] for name in held})
    write_parquet(lake / "typed.parquet", {"zip": VALUES["zip"], "money": TEXTS["money"]})
    found = search_here(tmp_path)
    children = {("-".join(held), "c") for held in parts} | {("typed", "c")}
    assert {pair for pair in found.pairs if pair[1] == "c"} == children
    assert {pair for pair in found.pairs if pair[0] == "c"} == {("c", "zip-money-day")}
    assert found.view.lake.is_reading.sum() == 2
    as_text = {
        row["child"]: json.loads(row["certificate"]).get("compared_as_text") for row in found.edges.to_pylist()
        if row["parent"] == "c"
    }  # fmt: skip
    assert as_text["day"] == [["day"]] and as_text["typed"] == [["money"]]


def test_text_files_meet_by_value_and_by_text_where_one_of_them_is_text(tmp_path):
    lake = tmp_path / "lake"
    write_csv(lake / "a.csv", {"x": ["1.50", "2.25"]})
    write_csv(lake / "b.csv", {"x": ["1.5", "2.25"]})
    write_csv(lake / "codes.csv", {"x": ["1.50", "2.25", "none"]})
    write_parquet(lake / "p.parquet", {"x": ["1.50", "2.25", "none"]})
    write_parquet(lake / "other.parquet", {"x": ["1.5", "2.25"]})
    expected = both_ways("a", "b") | both_ways("codes", "p") | {("a", "p"), ("a", "codes")} | both_ways("b", "other")
    assert search_here(tmp_path).pairs == expected


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_text_file_lies_in_one_whose_columns_an_odd_cell_leaves_text(tmp_path, ending):
    """Each has a column that is text in the other: both are read as text there."""
    days, sums = ["2024-01-02", "2024-01-03"], ["1.50", "2.25"]
    write = {"csv": write_csv, "json": write_json}[ending]
    write(tmp_path / "lake" / f"a.{ending}", {"day": days, "sum": sums, "n": ["x", "y"]})
    write(tmp_path / "lake" / f"b.{ending}", {"day": [*days, "unknown"], "sum": [*sums, "3.00"], "n": ["x", "y", "z"]})
    write(tmp_path / "lake" / f"c.{ending}", {"day": [*days, "unknown"], "sum": [*sums, "?"], "n": ["x", "y", "z"],
                                              "more": ["1.0", "2.0", "2.5"]})  # fmt: skip
    write(tmp_path / "lake" / f"d.{ending}", {"day": [*days, "2024-01-04"], "sum": [*sums, "?"], "n": ["x", "y", "z"]})
    assert search_here(tmp_path).pairs == {("a", "b"), ("a", "c"), ("a", "d")}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    root = tmp_path_factory.mktemp("asked")
    zips = [str(10_000 + 7 * number) for number in range(200)]
    write_csv(root / "lake" / "c.csv", {"zip": zips})
    write_parquet(root / "lake" / "p.parquet", {"zip": [*zips, "00501"]})
    write_parquet(root / "lake" / "q.parquet", {"zip": [*zips[:-1], "0" + zips[-1]]})
    write_parquet(root / "lake" / "above.parquet", {"zip": ["Adam", "Eve"] * 100})
    return root


def run(root, **config):
    space = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root / "artifacts"), engine="local")
    inventory = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(space, inventory, ContainmentConfig(**config)))
    return ArtifactStore(space.artifacts), inventory, containment


def test_the_artifact_names_tables_and_explains_what_was_compared_as_what(asked):
    store, inventory, containment = run(asked)
    rows = store.read(containment, "edges").to_pylist()
    assert [(row["child"], row["parent"]) for row in rows] == [("c", "p")]
    tables = dict(zip(*store.read(inventory, "tables", ["table_id", "name"]).to_pydict().values(), strict=True))
    candidates = store.read(containment, "candidates").to_pylist()
    assert {tables[row[end]] for row in candidates for end in ("child_id", "parent_id")} <= {"c", "p", "q"}
    funnel = {row["step"]: row for row in store.read(containment, "funnel").to_pylist()}
    assert (funnel["schema"]["n_pairs"], funnel["schema"]["n_tables"]) == (12, 4)
    pairs = {(pair.child, pair.parent): pair for pair in explain_table(store, inventory, containment, "c").pairs}
    assert len(pairs) == 6
    assert "compared as text" in pairs["c", "p"].reason and pairs["c", "p"].verdict == "contained"
    assert "the minimum of zip is smaller in the child: 10000 against Adam" in pairs["c", "above"].reason
    assert pairs["c", "q"].verdict == "not contained"


def test_pairs_whose_reading_is_left_out_are_undecided_and_said(tmp_path):
    """Seven columns are asked as text in 127 ways: the 64 most asked are compared, and nothing is lost unsaid."""
    names = [f"c{number}" for number in range(7)]
    write_csv(tmp_path / "lake" / "c.csv", {name: ["10", "20"] for name in names})
    sets = [held for n in range(1, 8) for held in combinations(names, n)]
    for place, held in enumerate(sets):
        columns = {name: ["10", "20"] if name in held else [10, 20] for name in names}
        write_parquet(tmp_path / "lake" / f"p{place:03d}.parquet", columns)
    store, inventory, containment = run(tmp_path)
    assert store.manifest(containment).summary["readings_left_out"] == {"c": 63}
    found = explain_table(store, inventory, containment, "c").pairs
    assert len(found) == 2 * len(sets)
    told = Counter(pair.verdict for pair in found)
    assert told == {"contained": 2 * 64, "not decided": 2 * 63}
    reasons = {pair.reason for pair in found if pair.verdict == "not decided"}
    (reason,) = reasons
    assert reason.startswith("c is asked as text in 127 ways, of which the first 64 are compared")


def test_what_was_read_as_text_is_not_read_again(asked):
    run(asked)
    write_parquet(asked / "lake" / "unlike.parquet", {"unlike": [1]})
    store, _, containment = run(asked)
    assert store.metrics(containment)["changes"]["tables_read"] == 0
    assert len(store.read(containment, "edges")) == 1


def test_the_sampled_mode_knows_readings(asked):
    store, _, containment = run(asked, mode="sampled")
    passed = [row for row in store.read(containment, "candidates").to_pylist() if row["verdict"] == "passed_sample"]
    assert len(passed) >= 1


CELLS = {
    "int": st.integers(-20, 20).map(str),
    "code": st.integers(0, 20).map(lambda n: f"{n:03d}"),
    "cents": st.integers(-20, 20).map(lambda n: f"{n / 4:.2f}"),
    "float": st.integers(-20, 20).map(lambda n: str(n / 4)),
    "bool": st.sampled_from(["true", "false"]),
    "True": st.sampled_from(["True", "False"]),
}


def value_of(cell, kind):
    """The value of a text cell whose column has a type; the kind it is of."""
    if kind in ("bool", "True"):
        return cell.lower() == "true"
    return cell if kind == "code" else Decimal(cell)


def is_code(column):
    """Whether its cells stay text in a text file: one has zeros before it that a number has not."""
    return any(cell != str(int(cell)) for cell in column)


@st.composite
def lakes(draw):
    """Tables of columns a and b: (format, {column: (kind, cells)})."""
    tables = []
    for _ in range(draw(st.integers(2, 5))):
        names = draw(st.sampled_from([("a",), ("a", "b"), ("b",)]))
        n_rows = draw(st.integers(1, 4))
        columns = {}
        for name in names:
            kind = draw(st.sampled_from(sorted(CELLS)))
            columns[name] = kind, draw(st.lists(CELLS[kind], min_size=n_rows, max_size=n_rows))
        tables.append((draw(st.sampled_from(["csv", "text", "typed"])), columns))
    return tables


def cells_of(format_, kind, cells, *, as_text):
    """What a pair compares of a column: (class, value) each."""
    is_text = format_ == "text" or (kind == "code" and (format_ == "typed" or is_code(cells)))
    if is_text or as_text:
        return [("string", cell) for cell in cells]
    if kind == "code":
        return [("number", Decimal(cell)) for cell in cells]
    return [("bool" if kind in ("bool", "True") else "number", value_of(cell, kind)) for cell in cells]


def has_strings(format_, kind, cells):
    return format_ == "text" or (kind == "code" and (format_ == "typed" or is_code(cells)))


def holds(child, parent):
    """Set containment by brute force, a column at a time by the rule."""
    if not set(child[1]) <= set(parent[1]):
        return False
    sides = []
    for mine, other in ((child, parent), (parent, child)):
        columns = [
            cells_of(mine[0], *mine[1][name], as_text=mine[0] == "csv" and has_strings(other[0], *other[1][name]))
            for name in sorted(child[1])
        ]
        sides.append(set(zip(*columns, strict=True)))
    return sides[0] <= sides[1]


def written(kind, cells, format_):
    if format_ == "text" or kind == "code":
        return cells
    if kind in ("bool", "True"):
        return [value_of(cell, kind) for cell in cells]
    return pa.array(cells).cast(pa.decimal128(20, 4))


@settings(max_examples=4, deadline=None)
@given(st.lists(lakes(), min_size=20, max_size=20))
def test_pairs_are_those_of_a_brute_force(tmp_path_factory, many):
    """Twenty lakes in one: their columns have names of their own."""
    folder = tmp_path_factory.mktemp("lake")
    expected = set()
    for place, tables in enumerate(many):
        for number, (format_, columns) in enumerate(tables):
            path = folder / "lake" / f"{place}" / f"t{number}.{'csv' if format_ == 'csv' else 'parquet'}"
            if format_ == "csv":
                write_csv(path, {f"{name}{place}": cells for name, (_, cells) in columns.items()})
            else:
                arrays = {f"{name}{place}": written(kind, cells, format_) for name, (kind, cells) in columns.items()}
                write_parquet(path, arrays)
        expected |= {
            (f"{place}/t{one}", f"{place}/t{other}")
            for one, child in enumerate(tables)
            for other, parent in enumerate(tables)
            if one != other and holds(child, parent)
        }
    assert search_here(folder).pairs == expected


def test_how_text_was_read_is_kept_and_told(tmp_path):
    lake = tmp_path / "lake"
    write_csv(lake / "plain.csv", {"x": ["1", "2"]})
    (lake / "noted.csv").write_text("# exported today\nx,y\n1,2\n3,4\n")
    (lake / "latin.csv").write_bytes("word\ncafé olé\ndéjà vu\nêtre à Noël\n".encode("cp1252"))
    for _ in range(2):  # the second time from the first one's state
        store, inventory, _ = run(tmp_path)
        notes = reading_notes(store, inventory)
        assert set(notes) == {"noted", "latin"}
        assert "charset-normalizer" in notes["latin"][0]
        write_csv(lake / "new.csv", {"z": ["1"]})


def test_types_that_differ_are_named(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"x": ["1.50", "2.25"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"x": pa.array([date(2024, 1, 2)])})
    (pair, _) = explain_table(*run(tmp_path), "c").pairs
    assert "decimal128(38, 2) against date32[day]; the text file has it as decimal:2; `lake.text.types`" in pair.reason
