"""The steps of the search, each a function of what the steps before it found."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa

from lakebed.connectors.delta import MAX_DRIVER_ROWS
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.jobs import PairList, compare, compare_here, plan_sources, scan_lake
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.kernel.sketches import SketchedPairs, sketch_pairs, unrefuted_pairs
from lakebed.tasks.containment.reuse import Previous, Reuse, plan_reuse
from lakebed.tasks.containment.samples import ContentScan, Verified, gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, plan_scan
from lakebed.tasks.containment.statistics import LakeView
from lakebed.tasks.containment.trust import claims_of, untrusted
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.splits import plan_splits, require_read, share_splits


def scan_content(
    view: LakeView,
    config: ContainmentConfig,
    workspace: Workspace,
    places: ScanPlaces,
    engine: Engine,
    previous: Previous | None = None,
) -> tuple[ContentScan, Reuse]:
    """Reads every table still in question once; where there is none the engine has nothing to do.

    What the previous scan has read, and holds still, is reused; the second part says what.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read or changes meanwhile.
    """
    roles = view.survey.roles
    plan = plan_scan(view.lake, roles, config, workspace, places)
    plan = replace(plan, claims=claims_of(view.tables.columns, plan.tables))
    if not len(roles):
        return ContentScan(plan, gather(SCAN_SCHEMA.empty_table(), plan, roles, view.lake), {}), Reuse(view.tables)
    reuse = plan_reuse(previous, view.tables, view.lake, plan)
    splits = plan_splits(reuse.inventory, sorted(plan.tables), config.target_split_bytes)
    sources = [one for one in plan_sources(view.tables, plan) if reuse.is_read(one.table_id)]
    scanned = [reuse.rows]
    if splits or sources:
        tasks = share_splits(splits, engine.n_workers, config.target_split_bytes)
        scanned.append(scan_lake(engine, plan, tasks, sources))
    rows = pa.concat_tables(scanned)
    result = gather(rows, plan, roles, view.lake)
    unstable = view.tables.changed_since(workspace.lake.root, sorted(plan.tables)) | result.errors
    if workspace.lake.strict:
        require_read({int(view.lake.stands_for[table]): why for table, why in unstable.items()}, view.lake.names)
    return ContentScan(plan, result, unstable, untrusted(rows, view.tables.columns, unstable, reuse.tables)), reuse


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
    view: LakeView,
    content: ContentScan,
    pairs: SketchedPairs,
    config: ContainmentConfig,
    engine: Engine,
    reuse: Reuse,
) -> Verified:
    """Compares the pairs exactly, on the row hashes that the scan wrote.

    Counts of the previous scan that hold still are reused; a few rows left to compare after that are compared in this
    process.
    """
    if not len(pairs.child):
        return Verified(pairs, PairCounts.none())
    schemas = view.lake.groups.schema_of_table[pairs.child]
    ids = np.array([content.plan.projections[schema][0] for schema in schemas.tolist()], np.int64)
    wanted = PairList(ids, pairs.child, pairs.parent, content.plan.settings.key)
    places, known = reuse.known_pairs(wanted)
    is_new = places < 0
    if not is_new.any():
        return Verified(pairs, known.take(places))
    by_bucket: dict[int, list[str]] = {}
    for file in content.result.files:
        by_bucket.setdefault(file.bucket, []).append(file.path)
    asked = PairList(ids[is_new], pairs.child[is_new], pairs.parent[is_new], wanted.key)
    left, back = one_of_equals(content, schemas[is_new], asked, reuse.tables)
    is_bag, uri = config.semantics == "bag", content.plan.out_uri
    if reuse.scan is not None and sum(file.n_rows for file in content.result.files) <= MAX_DRIVER_ROWS:
        result = compare_here(uri, by_bucket, left, is_bag=is_bag)
    else:
        result = compare(engine, uri, by_bucket, left, is_bag=is_bag)
    counts = known.take(places[~is_new]).followed_by(result.counts.take(back))
    order = np.argsort(np.concatenate([np.flatnonzero(~is_new), np.flatnonzero(is_new)]))
    return Verified(pairs, counts.take(order), result.peak_worker_bytes)


def one_of_equals(
    content: ContentScan, schemas: Int32, pairs: PairList, reused: Collection[int] = ()
) -> tuple[PairList, Int64]:
    """The pairs with each table replaced by the least of those that have the same rows; they have the same counts.

    Args:
        content: of the scan, which tells equal tables.
        schemas: (k,) of each pair's child.
        pairs: to compare.
        reused: tables that answer from the previous scan, whole or in part: each stands for itself.

    Returns: the distinct pairs, and (k,) the place of each pair given among them.
    """
    first: dict[tuple[int, bytes], int] = {}
    held = {place: rows for place, rows in sorted(content.result.multisets.items()) if place[1] not in reused}
    for (schema, table), rows in held.items():
        first.setdefault((schema, rows), table)
    stands_for = {place: first[place[0], rows] for place, rows in held.items()}
    ends = [
        [stands_for.get(place, place[1]) for place in zip(schemas.tolist(), side.tolist(), strict=True)]
        for side in (pairs.child, pairs.parent)
    ]
    distinct, back = np.unique(np.array([pairs.projection.tolist(), *ends], np.int64), axis=1, return_inverse=True)
    child, parent = distinct[1:].astype(np.int32)
    return PairList(distinct[0].copy(), child.copy(), parent.copy(), pairs.key), back.reshape(-1)
