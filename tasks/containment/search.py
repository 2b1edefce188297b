"""The steps of the search, each a function of what the steps before it found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakebed.connectors.delta import MAX_DRIVER_ROWS
from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.read import Split
from lakebed.connectors.spark.session import shared_session
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.kernel.min_max import MinMaxSurvey, survey
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32, schema_edges
from lakebed.tasks.containment.kernel.sketches import SketchedPairs, sketch_pairs, unrefuted_pairs
from lakebed.tasks.containment.plan import ScanPlaces, plan_scan
from lakebed.tasks.containment.samples import ScanResult, gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan
from lakebed.tasks.containment.spark import DeltaSource, PairList, compare_here, compare_on_spark, scan_lake
from lakebed.tasks.containment.statistics import LakeStatistics, load_statistics
from lakebed.tasks.containment.taken import Earlier, Taken, take
from lakebed.tasks.inventory.splits import InventoryTables, pack_splits, plan_splits
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.workspace import Workspace

MAX_TRIVIAL_PARENTS = 1_000
TASKS_PER_CORE = 3


def scan_content(
    view: LakeView,
    config: ContainmentConfig,
    workspace: Workspace,
    places: ScanPlaces,
    earlier: Earlier | None = None,
) -> ContentScan:
    """Reads every table still in question once, in one Spark job; starts no session where there is none.

    What an earlier scan has read, and holds still, is taken from there.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read or changes meanwhile.
    """
    roles = view.survey.roles
    plan = plan_scan(view.lake, roles, config, workspace, places)
    if not len(roles):
        return ContentScan(plan, gather(SCAN_SCHEMA.empty_table(), plan, roles, view.lake), {})
    taken = take(earlier, view.tables, view.lake, plan)
    splits = plan_splits(taken.inventory, sorted(plan.tables), config.target_split_bytes)
    sources = [source for source in spark_sources(view, plan, workspace.lake.root) if taken.is_read(source.table_id)]
    scanned = [taken.rows]
    if splits or sources:
        session = shared_session(workspace.spark).get()
        n_tasks = _n_tasks(splits, session.sparkContext.defaultParallelism, config.target_split_bytes)
        scanned.append(scan_lake(session, plan, pack_splits(splits, n_tasks), sources))
    result = gather(pa.concat_tables(scanned), plan, roles, view.lake)
    unstable = _unstable(view, plan, result, workspace.lake.root)
    if unstable and workspace.lake.strict:
        raise _strict_error(view.lake, unstable)
    return ContentScan(plan, result, unstable, taken)


def sketch(view: LakeView, content: ContentScan, *, is_bag: bool) -> SketchedPairs:
    """The pairs that samples compared; those with none missing go on."""
    if not len(view.survey.roles):
        return SketchedPairs.none()
    schema_of_table, rows = view.lake.groups.schema_of_table, content.result.rows
    if view.survey.is_listed:
        pairs = sketch_pairs(rows, schema_of_table, view.survey.children, view.survey.parents)
    else:
        pairs = unrefuted_pairs(rows, schema_of_table, view.lake.bounds, is_bag=is_bag)
    is_unstable = np.isin(np.stack([pairs.child, pairs.parent]), list(content.unstable))
    return pairs.take(np.flatnonzero(~is_unstable.any(axis=0)))


def verify(
    view: LakeView, content: ContentScan, pairs: SketchedPairs, config: ContainmentConfig, workspace: Workspace
) -> Verified:
    """Compares the pairs exactly, on the row hashes that the scan wrote, in one Spark job.

    Counts that an earlier run has made, and that hold still, are taken from there; a few rows left to compare after
    that are compared in this process.
    """
    if not len(pairs.child):
        return Verified(pairs, PairCounts.none())
    schemas = view.lake.groups.schema_of_table[pairs.child]
    ids = np.array([content.plan.projections[schema][0] for schema in schemas.tolist()], np.int64)
    wanted = PairList(ids, pairs.child, pairs.parent)
    places, known = content.taken.known_pairs(wanted) if content.taken else (np.full(len(ids), -1), PairCounts.none())
    is_new = places < 0
    if not is_new.any():
        return Verified(pairs, known.take(places))
    by_bucket: dict[int, list[str]] = {}
    for file in content.result.files:
        by_bucket.setdefault(file.bucket, []).append(file.path)
    left = PairList(ids[is_new], pairs.child[is_new], pairs.parent[is_new])
    is_bag, uri = config.semantics == "bag", content.plan.out_uri
    if content.taken is not None and content.taken.reuse is not None and _n_hashes(content) <= MAX_DRIVER_ROWS:
        result = compare_here(uri, by_bucket, left, is_bag=is_bag)
    else:
        result = compare_on_spark(shared_session(workspace.spark).get(), uri, by_bucket, left, is_bag=is_bag)
    counts = known.take(places[~is_new]).followed_by(result.counts)
    order = np.argsort(np.concatenate([np.flatnonzero(~is_new), np.flatnonzero(is_new)]))
    return Verified(pairs, counts.take(order), result.peak_worker_bytes)


def _n_hashes(content: ContentScan) -> int:
    return sum(file.n_rows for file in content.result.files)


def _n_tasks(splits: Sequence[Split], n_cores: int, target_bytes: int) -> int:
    n_bytes = sum(split.n_bytes for split in splits)
    return max(n_cores * TASKS_PER_CORE, -(-n_bytes // target_bytes))


def spark_sources(view: LakeView, plan: ScanPlan, root: str) -> list[DeltaSource]:
    """The planned tables that only Spark can read."""
    return [
        DeltaSource(
            table_id=row["table_id"],
            uri=place_uri(root, row["path"]),
            version=row["delta_version"],
            columns=_top_columns(plan, row["table_id"]),
        )
        for row in view.tables.tables.to_pylist()
        if row["read_via"] == "spark" and row["table_id"] in plan.tables
    ]


def _top_columns(plan: ScanPlan, table: int) -> tuple[str, ...]:
    tokens = (token for number in plan.tables[table].projections for token in plan.projections[number][1])
    return tuple(dict.fromkeys(json.loads(token)[0] for token in tokens))


def _unstable(view: LakeView, plan: ScanPlan, result: ScanResult, root: str) -> dict[int, str]:
    """Tables whose files are no longer what inventory listed, and those that broke while they were read."""
    unstable = dict(result.errors)
    now_of = Storage.at(root, SourceError).stats()
    read = view.tables.files_in_lake(sorted(plan.tables))
    for row in read.select(["table_id", "path", "size", "mtime_ns"]).to_pylist():
        now = now_of(row["path"])
        if now is None or (now.size, now.mtime_ns) != (row["size"], row["mtime_ns"]):
            unstable.setdefault(row["table_id"], f"{row['path']} changed while the run read it")
    return unstable


def _strict_error(lake: LakeStatistics, unstable: dict[int, str]) -> SourceError:
    return SourceError(
        f"{len(unstable)} tables could not be read as they were listed",
        expected="files that are whole and do not change while the run reads them",
        hint="run again, or without --strict to list them and go on",
        examples=[f"{lake.names[table]}: {reason}" for table, reason in sorted(unstable.items())],
    )
