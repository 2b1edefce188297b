"""The containment stage: statistics first, then one job that reads only the tables still in question."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from connectors.delta import DataFile, WrittenTable, commit_files, write_table
from tasks.containment import outcome
from tasks.containment.config import ContainmentConfig
from tasks.containment.contract import CONTRACTS, ROW_HASHES
from tasks.containment.plan import ScanPlaces
from tasks.containment.sampled import sample_content
from tasks.containment.search import ContentScan, LakeView, scan_content, sketch, verify, view_lake
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tasks.runtime.stage import Stage, StageMetrics, StageSpec
from tasks.runtime.workspace import Workspace

SPEC = StageSpec("containment", 1, CONTRACTS)


def containment_stage(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> Stage:
    """The stage under its key. The identity of the lake's files is part of the key, because data is read again."""
    summary = ArtifactStore(workspace.artifacts).manifest(inventory).summary
    identity = [str(summary["source_identity"]).encode(), str(workspace.lake.ignore_column_case).encode()]
    return Stage(SPEC, inputs=[inventory], config=config, workspace=workspace, identity=identity)


def run_containment(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> ArtifactRef:
    """Finds and proves every containment among the inventory's tables, or reuses the artifact that has them.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = containment_stage(inventory, workspace, config)
    return stage.reuse() or _build(stage, inventory, workspace, config)


def _build(stage: Stage, inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> ArtifactRef:
    metrics = StageMetrics()
    with metrics.step("min_max"):
        view = view_lake(stage.store, inventory, config)
    staged_root = stage.store.folder(inventory.stage, inventory.key)
    build = _sampled if config.mode == "sampled" else _exact
    found = build(view, config, workspace, ScanPlaces(staged_root, stage.table_uri("row_hashes")), metrics)
    return stage.publish(found.tables, found.summary, metrics)


@dataclass(frozen=True)
class _Found:
    """What is published."""

    tables: Mapping[str, pa.Table | WrittenTable]
    summary: Mapping[str, object]


def _exact(
    view: LakeView, config: ContainmentConfig, workspace: Workspace, places: ScanPlaces, metrics: StageMetrics
) -> _Found:
    """Samples refute, row hashes prove."""
    with metrics.step("scan") as cost:
        content = scan_content(view, config, workspace, places)
        cost.bytes_read = content.result.bytes_read
    with metrics.step("sketch"):
        sketched = sketch(view, content, is_bag=config.semantics == "bag")
    with metrics.step("proof"):
        verified = verify(view, content, sketched.unrefuted(), config, workspace)
    metrics.peak_worker_bytes = max(content.result.peak_worker_bytes, verified.peak_worker_bytes)
    tables = {
        "edges": outcome.edges(view, content, verified, config),
        "candidates": outcome.candidates(sketched, verified, config.confidence),
        "funnel": outcome.funnel(view, verified),
        "unstable": outcome.unstable(view, content.unstable),
    }
    summary = outcome.summary(view, tables)
    return _Found({**tables, "row_hashes": _row_hashes(content)}, summary)


def _sampled(
    view: LakeView, config: ContainmentConfig, workspace: Workspace, places: ScanPlaces, metrics: StageMetrics
) -> _Found:
    """Samples decide, and nothing is proven: there are no edges but those that hold by definition."""
    with metrics.step("sample") as cost:
        sampled = sample_content(view, config, workspace, places.staged_root)
        cost.bytes_read = sampled.bytes_read
    metrics.peak_worker_bytes = sampled.peak_worker_bytes
    tables = {
        "edges": outcome.trivial_edges(view, config),
        "candidates": outcome.sampled_candidates(sampled.pairs, config.confidence),
        "funnel": outcome.sampled_funnel(view, sampled.pairs),
        "unstable": outcome.unstable(view, sampled.errors),
        "row_hashes": ROW_HASHES.arrow_schema().empty_table(),
    }
    return _Found(tables, outcome.summary(view, tables))


def _row_hashes(content: ContentScan) -> WrittenTable:
    """Commits the files that the workers wrote."""
    uri, schema = content.plan.out_uri, ROW_HASHES.arrow_schema()
    if not content.result.files:
        return write_table(uri, schema.empty_table())
    files = [DataFile(file.path, file.n_bytes, file.n_rows, file.multiset) for file in content.result.files]
    return commit_files(uri, schema, files)
