"""The whole search against brute force, on random lakes and on planted relations."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.relations.config import RelationsConfig
from tests.oracle.brute_force import Leaves
from tests.oracle.relations import fraction, holds_under, is_covered
from tests.tasks.containment.lakes import write_lake
from tests.tasks.containment.test_search import tables
from tests.tasks.relations.here import relate_here
from tests.tasks.scan.here import HereEngine

SEMANTICS = st.sampled_from(["set", "bag"])


@st.composite
def lakes(draw):
    """Random tables; parts of them with other rows mixed in, some under other names, some in several files."""
    found = {f"t{number}": [draw(tables())] for number in range(draw(st.integers(1, 3)))}
    for number in range(draw(st.integers(1, 5))):
        base = pa.concat_tables(found[draw(st.sampled_from(sorted(found)))])
        places = draw(st.lists(st.integers(0, base.num_rows - 1), max_size=8)) if base.num_rows else []
        names = draw(st.lists(st.sampled_from(base.column_names), min_size=1, max_size=3, unique=True))
        part = base.select(names).take(pa.array(places, pa.int64()))
        if draw(st.booleans()):
            part = part.rename_columns(draw(st.permutations(["x", "y", "z", "w"]))[: len(names)])
        cut = draw(st.integers(0, part.num_rows))
        found[f"part{number}"] = [part.slice(0, cut), part.slice(cut)] if draw(st.booleans()) else [part]
    return found


def write(root, lake):
    """Tables of one file as files, the others as folders of `part-*` files."""
    write_lake(root, {name: files[0] for name, files in lake.items() if len(files) == 1})
    for name, files in lake.items():
        if len(files) > 1:
            write_lake(root, {f"{name}/part-{number}": file for number, file in enumerate(files)})


def path_of(token):
    return tuple(json.loads(token))


def check_precision(found, lake, semantics):
    """Whatever is called proven is true."""
    whole = {name: Leaves(pa.concat_tables(files)) for name, files in lake.items()}
    for row in found.tables["proven"].to_pylist():
        child = whole[row["child"]]
        if row["child_part"]:
            child = Leaves(lake[row["child"]][int(row["child_part"].removesuffix(".parquet")[-1])])
        parents = [whole[name] for name in row["parents"]]
        column_map = {path_of(mine): path_of(theirs) for mine, theirs in json.loads(row["column_map"]).items()}
        if row["kind"] == "renamed":
            assert column_map != {path: path for path in child.columns}
            assert holds_under(child, parents[0], column_map, semantics)
        else:
            assert is_covered(child, parents, semantics)
            assert column_map == {path: path for path in child.columns}
        if row["kind"] == "union":
            assert len(parents) >= 2
            for left_out in range(len(parents)):
                assert not is_covered(child, parents[:left_out] + parents[left_out + 1 :], semantics)
        rows = child.rows(sorted(child.columns, key=str))
        assert (row["n_child_rows"], row["n_child_distinct"]) == (child.n_rows, len(rows))
        certificate = json.loads(row["certificate"])
        assert certificate["child_rows_hash"] == certificate["matched_rows_hash"]
        assert sum(certificate["n_rows_added_by_parent"]) == len(rows)


def check_recall(found, lake, semantics):
    """On small lakes, where samples keep every row, nothing is missed but what metadata calls vacuous."""
    whole = {name: Leaves(pa.concat_tables(files)) for name, files in lake.items()}
    names = [name for name in found.view.lake.names if not whole[name].is_vacuous]
    edges = found.edges.to_pylist()
    pairs = {(row["child"], row["parent"]) for row in edges}
    larger = {row["child"] for row in edges if not row["is_mutual"] and not row["coincidental"]}
    unions = {row["child"] for row in found.proven("union")}
    near = found.near()
    parts = {(row["child"], row["child_part"], row["parents"][0]) for row in found.proven("partition")}
    for child in names:
        fits = [n for n in names if n != child and whole[child].columns.keys() <= whole[n].columns.keys()]
        rest = [whole[name] for name in fits if (child, name) not in pairs]
        if child not in larger and rest and is_covered(whole[child], rest, semantics):
            assert child in unions
        for parent in fits:
            if (child, parent) not in pairs and (share := fraction(whole[child], whole[parent])) >= 0.5:
                assert near[child, parent]["fraction"] == pytest.approx(share)
                assert near[child, parent]["is_exact"]
            for number, file in enumerate(lake[child] if len(lake[child]) > 1 else ()):
                part = Leaves(file)
                is_part = part.n_rows and 0 < part.n_rows < whole[child].n_rows
                if is_part and (child, parent) not in pairs and is_covered(part, [whole[parent]], semantics):
                    assert (child, f"{child}/part-{number}.parquet", parent) in parts


@settings(max_examples=25, phases=[Phase.reuse, Phase.generate])
@given(lakes(), SEMANTICS, st.booleans())
def test_random_lakes_against_brute_force(lake, semantics, is_held):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "lake", lake)
        config = RelationsConfig(near_threshold=0.5)
        found = relate_here(Path(folder), config, ContainmentConfig(semantics=semantics), is_held=is_held)
        check_precision(found, lake, semantics)
        check_recall(found, lake, semantics)


KEY = "0f" * 32


@settings(max_examples=10)
@given(lakes(), st.integers(1, 3))
def test_what_is_found_depends_neither_on_splits_nor_on_whose_row_hashes_are_read(lake, n_tasks):
    found = []
    split = ContainmentConfig(hash_key=KEY, rows_per_bucket=1 << 10, target_split_bytes=1 << 16)
    for engine, containment, is_held in (
        (HereEngine(1), ContainmentConfig(hash_key=KEY), False),
        (HereEngine(n_tasks), split, True),
    ):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "lake", lake)
            config = RelationsConfig(near_threshold=0.5)
            related = relate_here(Path(folder), config, containment, engine=engine, is_held=is_held)
            found.append({name: table.to_pylist() for name, table in related.tables.items()})
    assert found[0] == found[1]


def test_what_containment_has_counted_is_exact(tmp_path):
    """The sample finds nothing missing; containment's exact tier has found one row."""
    base = orders(3_000)
    bad = base.slice(7, 1).set_column(1, "price", base["price"].slice(8, 1))
    write_lake(tmp_path / "lake", {"base": base, "one_bad": pa.concat_tables([base.slice(10, 2_500), bad])})
    row = relate_here(tmp_path, RelationsConfig(sketch_rows=64)).near()["one_bad", "base"]
    assert (row["n_missing"], row["n_compared"], row["is_exact"]) == (1, 2_501, True)
    assert row["fraction_low"] == row["fraction_high"] == pytest.approx(2_500 / 2_501)


def orders(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "id": rng.permutation(n_rows) + seed * 1_000_000,
            "price": rng.random(n_rows),
            "city": pa.array([f"city {number}" for number in rng.integers(0, 9, n_rows)]),
        }
    )


def test_daily_tables_cover_the_cumulative_one(tmp_path):
    cumulative = orders(4_000)
    lake = {"cumulative": cumulative, "copy": cumulative}
    lake |= {f"day/{day}": cumulative.slice(400 * day, 400) for day in range(10)}
    lake["month"] = cumulative.slice(0, 1_500)
    write_lake(tmp_path / "lake", lake)
    found = relate_here(tmp_path)
    unions = {row["child"]: row for row in found.proven("union")}
    # of mutual copies each is covered, the other left out; a daily table lies in a larger one and needs no union
    assert set(unions) == {"cumulative", "copy"}
    for row in unions.values():
        assert row["parents"] == ["month", *(f"day/{day}" for day in range(4, 10)), "day/3"]
        assert json.loads(row["certificate"])["n_rows_added_by_parent"] == [1_500, *[400] * 6, 100]
        assert not row["coincidental"]


def test_one_row_that_no_daily_table_has_refutes_the_union(tmp_path):
    cumulative = orders(2_000)
    days = {f"day/{day}": cumulative.slice(400 * day, 400 if day < 4 else 399) for day in range(5)}
    write_lake(tmp_path / "lake", {"cumulative": cumulative, **days})
    # a sample that lacks the missing row proposes the union; the exact comparison does not
    found = relate_here(tmp_path, RelationsConfig(sketch_rows=64))
    assert not found.proven("union")
    refuted = [row for row in found.tables["refuted"].to_pylist() if row["kind"] == "union"]
    assert [row["n_missing"] for row in refuted] in ([], [1])


@pytest.mark.parametrize("semantics", ["set", "bag"])
def test_a_renamed_copy_with_a_repeated_row(tmp_path, semantics):
    base = orders(500)
    twice = pa.concat_tables([base, base.slice(3, 1)]).rename_columns(["number", "amount", "town"])
    write_lake(tmp_path / "lake", {"base": base, "renamed": twice})
    found = relate_here(tmp_path, containment=ContainmentConfig(semantics=semantics))
    pairs = {(row["child"], row["parents"][0]) for row in found.proven("renamed")}
    assert pairs == {("base", "renamed")} | ({("renamed", "base")} if semantics == "set" else set())
    assert not any(row["coincidental"] for row in found.proven("renamed"))


def test_swapped_columns_are_told_apart_by_their_values(tmp_path):
    base = orders(600)
    other = pa.table({"id": base["price"].slice(0, 300), "price": base["id"].slice(0, 300)})
    write_lake(tmp_path / "lake", {"base": base, "swapped": other})
    (row,) = relate_here(tmp_path).proven("renamed")
    assert json.loads(row["column_map"]) == {'["id"]': '["price"]', '["price"]': '["id"]'}


def test_rows_that_do_not_belong_together_are_refuted(tmp_path):
    """Each column lies in the parent, the rows do not: only the exact tier can tell."""
    base = orders(400)
    mixed = pa.table({"number": base["id"], "amount": base["price"].take(pa.array(np.roll(np.arange(400), 1)))})
    write_lake(tmp_path / "lake", {"base": base, "mixed": mixed})
    found = relate_here(tmp_path)
    assert not found.proven("renamed")
    (row,) = (row for row in found.tables["refuted"].to_pylist() if row["child"] == "mixed")
    assert row["n_missing"] == row["n_child_distinct"] == 400


def test_one_column_and_few_rows_are_coincidences(tmp_path):
    rng = np.random.default_rng(5)
    lake = {
        "clinic": pa.table({"age": rng.integers(0, 90, 4_000), "dose": rng.integers(1, 5, 4_000)}),
        "survey": pa.table({"years": np.arange(20, 60)}),
        "grades": pa.table({"a": [1, 2, 3], "b": [2, 3, 4]}),
    }
    write_lake(tmp_path / "lake", lake)
    config = RelationsConfig(min_renamed_columns=1)
    found = {row["child"]: row for row in relate_here(tmp_path, config).proven("renamed")}
    assert found["survey"]["coincidental_reason"] == "single-column"
    assert found["grades"]["coincidental_reason"] == "low-cardinality"
    assert {row["child"] for row in relate_here(tmp_path).proven("renamed")} == {"grades"}


def test_kinds_can_be_switched_off(tmp_path):
    base = orders(1_000)
    lake = {"base": base, "a": base.slice(0, 600), "b": base.slice(600)}
    lake["near"] = pa.concat_tables([base.slice(0, 99), orders(1, 7)])
    lake["renamed"] = base.slice(0, 100).rename_columns(["number", "amount", "town"])
    write_lake(tmp_path / "lake", lake)
    (tmp_path / "lake" / "files").mkdir()
    pq.write_table(base.slice(0, 50), tmp_path / "lake" / "files" / "part-0.parquet")
    pq.write_table(orders(50, 9), tmp_path / "lake" / "files" / "part-1.parquet")
    everything = relate_here(tmp_path)
    kinds = {row["kind"] for row in everything.tables["proven"].to_pylist()}
    assert kinds == {"union", "partition", "renamed"}
    assert everything.near()
    for kind in ("union", "partition", "renamed", "near"):
        found = relate_here(tmp_path, RelationsConfig(kinds=(kind,)))
        assert {row["kind"] for row in found.tables["proven"].to_pylist()} == ({kind} if kind != "near" else set())
        assert bool(found.near()) == (kind == "near")
        assert set(found.tables["funnel"]["kind"].to_pylist()) == {kind}
        assert [row["parents"] for row in found.proven(kind)] == [row["parents"] for row in everything.proven(kind)]


def test_a_damaged_file_costs_its_table_only(tmp_path):
    base = orders(300)
    lake = {"base": base, "a": base.slice(0, 200), "b": base.slice(200), "odd": pa.table({"other": [1, 2, 3]})}
    write_lake(tmp_path / "lake", lake)

    class Damaging(HereEngine):
        def map(self, work, tasks):
            path = tmp_path / "lake" / "odd.parquet"
            path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
            return super().map(work, tasks)

    found = relate_here(tmp_path, engine=Damaging())
    assert found.tables["unstable"]["name"].to_pylist() == ["odd"]
    assert [row["child"] for row in found.proven("union")] == ["base"]
