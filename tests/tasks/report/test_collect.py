from pathlib import Path

import numpy as np
import pytest

from lakebed.chain import CHAIN
from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.report.collect import _in_order, collect
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Check, FunnelStep, NearMiss, Problem, ReportData, RunFacts, Table
from lakebed.tasks.report.render import render
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Verdict
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.report.artifacts import candidate, edge, publish_containment, publish_inventory, workspace

CONTRACTS = {stage.name: stage.contracts for stage in CHAIN}
Refs = tuple[ArtifactRef, ArtifactRef]

EDGES = (
    edge(2, 0, coincidental=True, coincidental_reason="chance", chance=0.5),
    edge(1, 0),
    edge(0, 3, is_mutual=True),
    edge(3, 0, is_mutual=True, n_parent_distinct=None, chance_parts="no json"),
)
CANDIDATES = (
    candidate(1, 0, "proven"),
    candidate(1, 2, "refuted_by_sketch", 60),
    candidate(2, 1, "refuted_by_rows", 1, fraction=0.9999, fraction_low=0.99, fraction_high=1.0),
    candidate(2, 3, "refuted_by_rows", 3),
)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def refs(space: Workspace) -> tuple[ArtifactRef, ArtifactRef]:
    inventory = publish_inventory(space)
    return inventory, publish_containment(space, inventory, EDGES, CANDIDATES)


def by_stage(refs: Refs) -> dict[str, ArtifactRef]:
    return {ref.stage: ref for ref in refs}


def collected(space: Workspace, refs: Refs, config: ReportConfig | None = None) -> ReportData:
    return collect(
        ArtifactStore(space.artifacts),
        by_stage(refs),
        RunFacts("r1"),
        lake="lakes/small",
        contracts=CONTRACTS,
        config=config,
    )


def test_tables_stand_at_their_id(space: Workspace, refs: Refs) -> None:
    data = collected(space, refs)
    assert data.tables[1] == Table("all/2024", "parquet", 10, 2, 2000, 1, None)
    assert data.lake == "lakes/small"
    assert data.run == RunFacts("r1")


def test_telling_edges_come_first_and_large_children_before_small(space: Workspace, refs: Refs) -> None:
    data = collected(space, refs)
    assert [(e.child, e.parent) for e in data.edges] == [(3, 0), (0, 3), (1, 0), (2, 0)]
    assert data.edges[2].certificate == {"encoding_id": "e1"}
    assert data.edges[0].chance_parts == {"text": "no json"}
    assert data.edges[0].n_parent_distinct is None
    assert np.array_equal(data.relation.is_coincidental, data.relation.child == 2)


def test_near_misses_come_nearest_first(space: Workspace, refs: Refs) -> None:
    data = collected(space, refs)
    assert data.near_misses[0] == NearMiss(2, 1, "refuted_by_rows", 100, 1, 0.9999, 0.99, 1.0)
    assert [(miss.child, miss.parent) for miss in data.near_misses] == [(2, 1), (2, 3), (1, 2)]


def test_the_funnel_carries_the_cost_of_each_step(space: Workspace, refs: Refs) -> None:
    pairs, *steps = collected(space, refs).funnel
    assert (pairs.step, pairs.n_pairs, pairs.n_tables) == ("pairs", 12, 4)
    assert steps == [
        FunnelStep("schema", 12, 4),
        FunnelStep("scan", None, None, 0.2, 0),
        FunnelStep("proof", 4, 3, 2.0, 1024),
    ]


def test_caps_cut_the_lists_and_keep_the_counts(space: Workspace, refs: Refs) -> None:
    data = collected(space, refs, ReportConfig(max_listed_edges=1, max_near_misses=1, max_problems=1))
    assert (len(data.edges), data.relation.n_edges) == (1, 4)
    assert (len(data.near_misses), data.n_near_misses) == (1, 3)
    assert (data.unreadable, data.n_unreadable) == ((Problem("broken-0", "ragged", "mend it", "csv"),), 3)
    assert (data.unstable, data.n_unstable) == ((Problem("moving", "its size changed"),), 1)


def test_a_missing_verdict_is_unknown(space: Workspace, refs: Refs) -> None:
    checks = collected(space, refs).checks
    assert [(check.engine, check.subject, check.status) for check in checks] == [
        ("native", "inventory", "passed"),
        ("Great Expectations", "inventory", "unknown"),
        ("native", "containment", "passed"),
        ("Great Expectations", "containment", "unknown"),
    ]
    assert checks[0].n_checks


def test_a_verdict_is_shown_with_its_data_docs(tmp_path: Path) -> None:
    space = workspace(tmp_path, "r1")
    inventory = publish_inventory(space)
    containment = publish_containment(space, inventory, (), ())
    store = ArtifactStore(space.artifacts)
    tables = {
        "tables": {"status": "passed", "n_expectations": 20},
        "files": {"status": "rejected", "n_expectations": 4},
    }
    verdict = Verdict(digest=inventory.digest, status="rejected", tables=tables)
    store.storage.write_bytes_atomic(f"inventory/{inventory.key}/expectations.json", verdict.model_dump_json().encode())
    store.storage.write_bytes_atomic("runs/r1/expectations/docs/index.html", b"docs")
    checks = collected(space, (inventory, containment)).checks
    assert checks[1] == Check(
        "Great Expectations", "inventory", "failed", 24, "files: rejected", "../r1/expectations/docs/index.html"
    )


def test_edges_of_a_sampled_run_carry_no_proof(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    inventory = publish_inventory(space)
    survivors = (candidate(1, 0, "passed_sample"), candidate(0, 3, "passed_sample"), candidate(3, 0, "passed_sample"))
    data = collected(space, (inventory, publish_containment(space, inventory, (), survivors)))
    assert data.mode == "sampled"
    assert [(e.child, e.parent, e.is_mutual) for e in data.edges] == [(3, 0, True), (0, 3, True), (1, 0, False)]
    assert (data.edges[0].chance, data.edges[0].certificate) == (None, {})
    assert data.relation.n_edges == 3
    assert "Nothing here is proven" in render(data)


def test_a_sampled_run_without_survivors_is_sampled(space: Workspace, refs: Refs) -> None:
    run = RunFacts(config={"containment": {"mode": "sampled"}})
    data = collect(ArtifactStore(space.artifacts), by_stage(refs), run, lake="lakes/small", contracts=CONTRACTS)
    assert (data.mode, data.relation.n_edges) == ("sampled", 0)


@pytest.mark.parametrize(
    ("pruning", "timed", "expected"),
    [
        (["schema", "min_max", "proof"], ["min_max", "scan", "proof"], ["schema", "min_max", "scan", "proof"]),
        (["schema", "proof"], ["scan", "proof"], ["schema", "scan", "proof"]),
        (["schema", "proof"], [], ["schema", "proof"]),
        (["schema"], ["scan", "write"], ["schema", "scan", "write"]),
    ],
)
def test_steps_are_merged_in_order(pruning: list[str], timed: list[str], expected: list[str]) -> None:
    assert _in_order(pruning, timed) == expected


def test_an_artifact_that_is_gone_is_a_typed_error(space: Workspace, refs: Refs) -> None:
    gone = refs[0].model_copy(update={"key": "0" * 64})
    with pytest.raises(ArtifactError, match="missing"):
        collected(space, (gone, refs[1]))
