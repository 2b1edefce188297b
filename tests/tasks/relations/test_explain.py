import pyarrow as pa
import pytest

from lakebed.connectors.delta import write_table
from lakebed.tasks.relations.contract import CONTRACTS
from lakebed.tasks.relations.explain import explain_relations, renamed_columns, short
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Listing, Tiles
from lakebed.tasks.report.sections.relations import section
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest, TableEntry
from tests.tasks.containment.lakes import write_lake
from tests.tasks.relations.here import relate_here
from tests.tasks.relations.test_search import orders


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """A lake with each kind of relation, and its tables as an artifact."""
    folder = tmp_path_factory.mktemp("explained")
    base = orders(2_000)
    lake = {"base": base, **{f"day/{day}": base.slice(400 * day, 400) for day in range(5)}}
    lake["renamed"] = base.slice(0, 100).rename_columns(["number", "amount", "town"])
    lake["near"] = pa.concat_tables([base.slice(100, 300), orders(3, 8)])
    lake["mixed"] = pa.table({"a": base["id"], "b": base["price"].take(pa.array([*range(1, 2_000), 0]))})
    write_lake(folder / "lake", lake)
    write_lake(folder / "lake", {"parts/part-0": base.slice(0, 50), "parts/part-1": orders(50, 9)})
    found = relate_here(folder)
    store = ArtifactStore(str(folder / "published"))
    entries = {}
    for name, table in found.tables.items():
        written = write_table(f"{store.folder(RELATIONS.name, 'key')}/{name}", table)
        entries[name] = TableEntry(
            contract=name,
            contract_version=1,
            digest="",
            n_rows=written.n_rows,
            n_bytes=written.n_bytes,
            n_files=written.n_files,
            writer=written.writer,
            files=(),
        )
    return store, store.write_manifest(Manifest(stage=RELATIONS.name, key="key", digest="0", version=1, tables=entries))


def said(artifact, table):
    return [(one.kind, one.child, one.verdict, one.reason) for one in explain_relations(*artifact, table)]


def test_a_union_is_told_of_child_and_parents(artifact):
    for table in ("base", "day/3"):
        union = [row for row in said(artifact, table) if row[0] == "union"]
        assert union == [("union", "base", "proven", "the 5 tables together hold its 2,000 distinct rows")]


def test_parts_renames_and_near_misses_in_words(artifact):
    assert (
        "partition",
        "parts [parts/part-0.parquet]",
        "proven",
        "the table holds the 50 distinct rows of this part",
    ) in said(artifact, "parts")
    reasons = {row[3] for row in said(artifact, "renamed") if row[2] == "proven"}
    assert "its 100 distinct rows lie there under other names: amount = price, number = id, town = city" in reasons
    near = [row for row in said(artifact, "near") if row[2] == "near miss"]
    assert ("near", "near", "near miss", "3 of 303 distinct rows compared are missing") in near


def test_what_was_proposed_and_refuted(artifact):
    (row,) = [row for row in said(artifact, "mixed") if row[2] == "refuted"]
    assert row[3].startswith("samples proposed it; 2,000 of 2,000 distinct rows are missing under a = id, b = price")


def test_proven_stand_first_and_an_unrelated_table_has_none(artifact):
    verdicts = [row[2] for row in said(artifact, "base")]
    assert verdicts == sorted(verdicts, key=["proven", "near miss", "coincidental", "refuted"].index)
    assert said(artifact, "unknown") == []


def test_the_section_of_the_report(artifact):
    store, ref = artifact
    found = section(store, {"relations": ref}, ReportConfig())
    tiles = next(block for block in found.blocks if isinstance(block, Tiles))
    proven = store.read(ref, "proven")["kind"].to_pylist()
    assert [tile.value for tile in tiles.tiles[:3]] == [
        str(proven.count(kind)) for kind in ("union", "partition", "renamed")
    ]
    listings = {block.title: block for block in found.blocks if isinstance(block, Listing)}
    assert len(listings) == 4
    assert all(len(row) == len(block.columns) for block in listings.values() for row in block.rows)
    assert ("near", "base", "3 of 303", "99.01 %", "all compared", "0") in listings["Near misses"].rows


def test_names_are_cut_and_maps_are_short():
    assert short(("a", "b", "c", "d", "e", "f")) == "a, b, c, d and 2 more"
    assert renamed_columns('{"[\\"a\\"]":"[\\"b\\",\\"c\\"]","[\\"d\\"]":"[\\"d\\"]"}') == "a = b.c"


def test_the_spec_names_every_table(artifact):
    assert set(CONTRACTS) == {"proven", "refuted", "near", "funnel", "unstable"}
