"""The sample lake, in all its formats: what its generator planted beyond one parent, and no more."""

import json

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.data_samples.generator import generate_sample_lake, sample_families
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.oracle.brute_force import Leaves
from tests.oracle.relations import fraction, holds_under, is_covered

PAGES = "web/pages", "web/pages/part-00001-sample-c000.snappy.parquet"
PLANTED = {
    ("union", "billing/invoices_before", "", ("billing/invoices", "billing/invoices_void")),
    ("union", "logistics/slots", "", ("logistics/slots_even", "logistics/slots_odd")),
    ("partition", "archive/orders_by_country", "country=DE", ("exports/orders_germany",)),
    *(("partition", *PAGES, (f"web/pages_newer{ending}",)) for ending in ("", "_cut", "_rs")),
    ("renamed", "crm/contacts", "", ("crm/contacts_swapped",)),
    ("renamed", "crm/contacts_swapped", "", ("crm/contacts",)),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory, spark):
    folder = tmp_path_factory.mktemp("sample")
    generate_sample_lake(folder / "lake")
    workspace = Workspace(lake=LakeConfig(root=str(folder / "lake")), artifacts=str(folder / "artifacts"))
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(workspace, inventory, ContainmentConfig()))
    ref = run_stage(RELATIONS, Inputs.of(workspace, inventory, containment, RelationsConfig(), ContainmentConfig()))
    return ArtifactStore(workspace.artifacts), ref


@pytest.fixture(scope="module")
def leaves():
    return {table.name: Leaves(table.data) for family in sample_families() for table in family.tables}


@pytest.mark.spark
def test_what_was_planted_is_proven_and_nothing_else(found):
    store, ref = found
    rows = store.read(ref, "proven").to_pylist()
    named = {(row["kind"], row["child"], row["child_part"], tuple(sorted(row["parents"]))) for row in rows}
    assert named == PLANTED
    assert not any(row["coincidental"] for row in rows)


@pytest.mark.spark
def test_whole_tables_hold_by_brute_force(found, leaves):
    store, ref = found
    for row in store.read(ref, "proven").to_pylist():
        child, parents = leaves[row["child"]], [leaves[name] for name in row["parents"]]
        if row["kind"] == "union":
            assert is_covered(child, parents, "set")
        if row["kind"] == "renamed":
            named = json.loads(row["column_map"]).items()
            assert holds_under(child, parents[0], {tuple(json.loads(a)): tuple(json.loads(b)) for a, b in named}, "set")


@pytest.mark.spark
def test_intervals_of_near_misses_hold_the_truth(found, leaves):
    store, ref = found
    near = store.read(ref, "near").to_pylist()
    assert len(near) >= 50
    truth = [fraction(leaves[row["child"]], leaves[row["parent"]]) for row in near]
    hits = [
        row["fraction_low"] - 1e-12 <= share <= row["fraction_high"] + 1e-12
        for row, share in zip(near, truth, strict=True)
    ]
    assert sum(hits) >= 0.95 * len(near)
    assert all(hit for row, hit in zip(near, hits, strict=True) if row["is_exact"])
