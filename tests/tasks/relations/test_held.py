"""Row hashes of containment's artifact stand for a second reading: the same samples and counts, and less is read."""

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.scan import ScanPlaces
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.search import Setting, find_candidates, sample_lake, verify, view_relations
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.tasks.containment.lakes import METADATA_ONLY, workspace_of, write_lake
from tests.tasks.scan.here import HereEngine

N_ROWS = 4_000


def planted(rng):
    """A table that two others cover, a part of it, a near miss, all with repeats, and a part under other names."""
    whole = pa.table({"id": rng.integers(0, N_ROWS, N_ROWS), "price": rng.integers(0, 100, N_ROWS)})
    odd = pa.table({"id": [17], "price": [101]})
    return {
        "whole": pa.concat_tables([whole, pa.table({"id": [3], "price": [55]})]),
        "first": whole.slice(0, 2_500),
        "rest": pa.concat_tables([whole.slice(2_400), pa.table({"id": [3], "price": [55]}), odd]),
        "part": whole.slice(100, 90),
        "near": pa.concat_tables([whole.slice(0, 3_000), odd]),
        "renamed": whole.slice(0, 500).rename_columns(["number", "amount"]),
    }


def searched(folder, containment, semantics, kinds):
    """What sampling and proof gave, with the row hashes of the artifact or without."""
    config = ContainmentConfig(semantics=semantics, rows_per_bucket=1 << 10)
    workspace = workspace_of(folder)
    inventory = run_stage(INVENTORY, Inputs.of(workspace, METADATA_ONLY))
    ref = run_stage(CONTAINMENT, Inputs.of(workspace, inventory, config))
    store = ArtifactStore(workspace.artifacts)
    places = ScanPlaces(store.folder(inventory.stage, inventory.key), str(folder / f"hashes_{containment}"))
    relations = RelationsConfig(kinds=kinds, near_threshold=0.5, sketch_rows=64)
    setting = Setting(relations, config, workspace, places)
    contained = (store.read(ref, "edges"), store.read(ref, "candidates"))
    view = view_relations(store, inventory, contained, setting, ref if containment else None)
    sampled = sample_lake(view, setting, HereEngine(1))
    found = find_candidates(view, sampled, setting)
    return view, sampled, found, verify(view, found, setting, HereEngine(1))


@pytest.fixture
def lake(tmp_path):
    write_lake(tmp_path / "lake", planted(np.random.default_rng(3)))
    return tmp_path


@pytest.mark.parametrize("semantics", ["set", "bag"])
def test_samples_and_counts_are_those_of_a_second_reading(lake, semantics):
    kinds = ("union", "renamed", "near")
    view, held, found, counted = searched(lake, True, semantics, kinds)
    _, read, candidates, recounted = searched(lake, False, semantics, kinds)
    assert len(view.held.files) > 2 and len(view.held.places) > 4
    assert held.items.level.max() > 0 and (held.items.indptr == read.items.indptr).all()
    assert np.array_equal(held.items.high, read.items.high)
    assert (found.unions, found.renamed) == (candidates.unions, candidates.renamed)
    assert found.unions and found.renamed and len(found.near.child)
    assert np.array_equal(counted.pairs.numbers(), recounted.pairs.numbers())
    assert np.array_equal(counted.pairs.child_hash, recounted.pairs.child_hash)
    for one, other in zip(counted.unions, recounted.unions, strict=True):
        assert one.hashes == other.hashes and one.n_child_rows == other.n_child_rows
        assert np.array_equal(one.n_parent_distinct, other.n_parent_distinct)
        assert sorted(zip(map(bytes, one.signatures.bits), one.signatures.counts, strict=True)) == sorted(
            zip(map(bytes, other.signatures.bits), other.signatures.counts, strict=True)
        )
    # the columns' values are all that is read, and of what goes to the proof the renamed parent
    assert 0 < counted.costs.bytes_read < recounted.costs.bytes_read


def test_where_no_other_names_are_looked_for_the_proof_reads_nothing(lake):
    _, _, found, counted = searched(lake, True, "set", ("union",))
    assert found.unions
    assert counted.costs.bytes_read == 0
