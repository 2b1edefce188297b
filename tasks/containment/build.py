"""Building the containment artifact, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from lakebed.connectors.storage import join_uri
from lakebed.tasks.containment import outcome
from lakebed.tasks.containment.asked import LEFT_OUT_KEY, MAX_READINGS
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.previous import PATHS, ROW_HASHES_FOLDER, load_state, save_state
from lakebed.tasks.containment.reuse import Previous
from lakebed.tasks.containment.sampling import sample_content
from lakebed.tasks.containment.scan import ScanPlaces
from lakebed.tasks.containment.search import scan_content, sketch, verify
from lakebed.tasks.containment.statistics import LakeView, view_lake
from lakebed.tasks.containment.trust import SUMMARY_KEY, Untrusted
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.previous import previous_artifact
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for_tables, reads_all


def build_artifact(
    stage: Stage, inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig
) -> ArtifactRef:
    """Statistics first, then one job that reads only the tables still in question; then publishes.

    Raises: as the stage's `build`.
    """
    metrics = StageMetrics()
    with metrics.step("min_max"), shown().step("Comparing schemas and bounds"):
        view = view_lake(stage.store, inventory, config)
    staged_root = stage.store.folder(inventory.stage, inventory.key)
    build = _sampled if config.mode == "sampled" else _exact
    # the engine is in no key: what it left out must not be reused by one that reads it
    stage.is_whole = reads_all(engine_for_tables(stage.workspace, view.tables), view.tables)
    places = ScanPlaces(staged_root, join_uri(stage.folder, ROW_HASHES_FOLDER))
    found = build(view, config, stage, places, metrics)
    wrong: dict[int, set[str]] = {}
    while found.untrusted:
        # statistics that the data contradict have refuted pairs: once more without them
        for table, tokens in found.untrusted.items():
            wrong.setdefault(int(view.lake.stands_for[table]), set()).update(tokens)
        shown().note(f"{len(wrong)} tables have statistics that their data contradict: compared without")
        stage.store.storage.delete_folder(f"{stage.path}/{ROW_HASHES_FOLDER}")
        view = view_lake(stage.store, inventory, config, wrong)
        found = build(view, config, stage, places, metrics)
    if wrong:
        named = {view.lake.names[table]: sorted(tokens) for table, tokens in sorted(wrong.items())}
        found = replace(found, summary={**found.summary, SUMMARY_KEY: named})
    if view.left_out:
        more = {view.lake.names[table]: n for table, n in sorted(view.left_out.items())}
        found = replace(found, summary={**found.summary, LEFT_OUT_KEY: more})
        shown().note(f"{len(more)} text tables are asked as text in more than {MAX_READINGS} ways: pairs are undecided")
    with shown().step("Publishing containments"):
        ref = stage.publish(found.tables, found.summary, metrics, side_files=found.side_files)
    # whatever follows may take long: the answer is there, checked, and can be asked for
    shown().note(
        f"{found.summary['proven']:,} containments proven: lakebed containments --artifacts {workspace.artifacts}"
    )
    return ref


@dataclass(frozen=True)
class _Found:
    """What is published."""

    tables: Mapping[str, pa.Table]
    summary: Mapping[str, object]
    side_files: Sequence[str] = ()
    untrusted: Untrusted = field(default_factory=dict)


def _exact(
    view: LakeView, config: ContainmentConfig, stage: Stage, places: ScanPlaces, metrics: StageMetrics
) -> _Found:
    """Samples refute, row hashes prove."""
    workspace, engine = stage.workspace, engine_for_tables(stage.workspace, view.tables)
    with metrics.step("previous"):
        previous = _previous(stage)
    with metrics.step("scan") as cost:
        content, reuse = scan_content(view, config, workspace, places, engine, previous)
        cost.bytes_read = content.result.bytes_read
    if content.untrusted:
        return _Found({}, {}, untrusted=content.untrusted)
    with metrics.step("sketch"):
        sketched = sketch(view, content, is_bag=config.semantics == "bag")
    with metrics.step("proof"):
        verified = verify(view, content, sketched.unrefuted(), config, engine, reuse)
    metrics.peak_worker_bytes = max(content.result.peak_worker_bytes, verified.peak_worker_bytes)
    tables = {
        "edges": outcome.edges(view, content, verified, config),
        "candidates": outcome.candidates(view.lake, sketched, verified, config.confidence),
        "funnel": outcome.funnel(view, verified),
        "unstable": outcome.unstable(view, content.unstable),
    }
    metrics.changes = reuse.changes(content.plan, view.lake)
    save_state(stage.store.storage, stage.path, view, content, verified)
    summary = outcome.summary(view, tables, config)
    row_hashes = [f"{ROW_HASHES_FOLDER}/{file.path}" for file in content.result.files]
    return _Found(tables, summary, (*PATHS, *row_hashes))


def _previous(stage: Stage) -> Previous | None:
    """What the newest artifact of the family knows already."""
    found = previous_artifact(stage, PATHS)
    return Previous(stage.store, load_state(stage.store.storage, found), stage.path) if found else None


def _sampled(
    view: LakeView, config: ContainmentConfig, stage: Stage, places: ScanPlaces, metrics: StageMetrics
) -> _Found:
    """Samples decide, and nothing is proven: there are no edges but those that hold by definition."""
    with metrics.step("sample") as cost:
        sampled = sample_content(view, config, stage.workspace, places.staged_root)
        cost.bytes_read = sampled.bytes_read
    metrics.peak_worker_bytes = sampled.peak_worker_bytes
    tables = {
        "edges": outcome.trivial_edges(view, config, config.key_at(stage.workspace.artifacts)),
        "candidates": outcome.sampled_candidates(view.lake, sampled.pairs, config.confidence),
        "funnel": outcome.sampled_funnel(view, sampled.pairs),
        "unstable": outcome.unstable(view, sampled.errors),
    }
    return _Found(tables, outcome.summary(view, tables, config))
