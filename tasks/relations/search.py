"""The steps of the search, each a function of what the steps before it found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.jobs import delta_sources, run_on_tables
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import schema_edges
from lakebed.tasks.containment.previous import reading_digests
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, ScanRows, bucket_bits, projection_of
from lakebed.tasks.containment.statistics import LakeStatistics, load_statistics
from lakebed.tasks.relations.candidates import (
    Candidates,
    KnownEdges,
    RenamedCandidate,
    UnionCandidate,
    near_pairs,
    part_pairs,
    renamed_candidates,
    union_candidates,
)
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.held import HeldHashes, load_held, sample_held
from lakebed.tasks.relations.items import Items
from lakebed.tasks.relations.jobs import WORK, Asked, Compared, Job, compare
from lakebed.tasks.relations.kernel.columns import ColumnSamples
from lakebed.tasks.relations.kernel.exact import UnionCounts
from lakebed.tasks.relations.kernel.overlap import ItemSamples, find_overlaps, post_rows
from lakebed.tasks.relations.kernel.related import related_roles
from lakebed.tasks.relations.parts import Part, table_parts
from lakebed.tasks.relations.plan import ItemPlan, ItemRoles, Wanted, hashing_plan, item_roles, sampling_plan
from lakebed.tasks.relations.previous import Known, Readings
from lakebed.tasks.relations.samples import ScanCosts, column_samples, item_samples, of_kind
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.splits import InventoryTables, plan_splits, share_splits

Bool = NDArray[np.bool_]

_FLOATS = ("halffloat", "float", "double")


@dataclass(frozen=True)
class Setting:
    """Configs, workspace and places of one run of the stage."""

    relations: RelationsConfig
    containment: ContainmentConfig
    workspace: Workspace
    places: ScanPlaces

    @property
    def scan(self) -> tuple[ContainmentConfig, Workspace, str]:
        """What plans of scans take."""
        return self.containment, self.workspace, self.places.staged_root

    @cached_property
    def key(self) -> bytes:
        """Of the row hashes."""
        return self.containment.key_at(self.workspace.artifacts)

    @property
    def is_bag(self) -> bool:
        """Whether multiplicities count."""
        return self.containment.semantics == "bag"


@dataclass(frozen=True)
class RelationView:
    """Inventory and proven containments as arrays; the parts of the tables by item; what containment has hashed."""

    tables: InventoryTables
    lake: LakeStatistics
    known: KnownEdges
    parts: dict[int, Part]
    held: HeldHashes = field(default_factory=HeldHashes)

    @cached_property
    def readings(self) -> Readings:
        """Of all tables."""
        return Readings(self.lake.names, reading_digests(self.tables), self.parts)


@dataclass(frozen=True)
class Sampled:
    """What the sampling scan gave, and what was known.

    Attributes:
        tables: whose columns' values were wanted.
        row_keys: of the samples of rows, in the order of `items`, under which the next run finds them.
    """

    items: ItemSamples
    columns: ColumnSamples
    costs: ScanCosts
    tables: frozenset[int]
    row_keys: tuple[bytes, ...]


@dataclass(frozen=True)
class Verified:
    """The candidates with their exact counts: those of parts, then of renamed tables; and of unions.

    Attributes:
        unstable: reason by table_id; candidates with such a table are out.
        keys: of pairs, and then of unions, under which the next run finds their counts.
        n_known: how many of the counts were taken from the previous artifact.
    """

    candidates: Candidates
    pairs: PairCounts
    unions: tuple[UnionCounts, ...]
    costs: ScanCosts = field(default_factory=lambda: ScanCosts({}, 0, 0))
    unstable: dict[int, str] = field(default_factory=dict)
    keys: tuple[bytes, ...] = ()
    n_known: int = 0

    def with_errors(self, errors: dict[int, str]) -> "Verified":
        """With tables that an earlier scan could not read among the unstable ones."""
        return replace(self, unstable={**errors, **self.unstable})


def view_relations(
    store: ArtifactStore,
    inventory: ArtifactRef,
    contained: tuple[pa.Table, pa.Table],
    setting: Setting,
    containment: ArtifactRef | None = None,
) -> RelationView:
    """Reads the inventory's artifact, no data of the lake; `contained` are containment's edges and candidates.

    Row hashes are taken from the artifact of containment where it is given.
    """
    tables, columns, files = (store.read(inventory, name) for name in ("tables", "columns", "files"))
    extras = (store.read(inventory, "file_bounds"), store.read(inventory, "partition_values"))
    lake = load_statistics(tables, columns, files, extras, strict_types=setting.containment.strict_types)
    inventory_tables = InventoryTables(tables, columns, files)
    wanted = setting.relations.looks_for("partition")
    parts = table_parts(inventory_tables, setting.relations.max_parts) if wanted else []
    return RelationView(
        inventory_tables,
        lake,
        known_edges(*contained, is_bag=setting.is_bag),
        {part.item: part for part in parts},
        load_held(store, containment, lake.names) if containment else HeldHashes(),
    )


def known_edges(edges: pa.Table, candidates: pa.Table, *, is_bag: bool) -> KnownEdges:
    """The arrays of containment's EDGES, and the exact counts of its CANDIDATES; for bags those count repeats too."""
    refuted = candidates.filter(pc.equal(candidates["verdict"], "refuted_by_rows")).slice(0, 0 if is_bag else None)
    columns = (refuted[name].to_pylist() for name in ("child_id", "parent_id", "n_compared", "n_missing"))
    return KnownEdges(
        edges["child_id"].to_numpy(),
        edges["parent_id"].to_numpy(),
        edges["is_mutual"].to_numpy(),
        edges["coincidental"].to_numpy(),
        {(child, parent): (n, missing) for child, parent, n, missing in zip(*columns, strict=True)},
    )


def sample_lake(view: RelationView, setting: Setting, engine: Engine, known: Known | None = None) -> Sampled:
    """Samples rows of related tables and of their parts, and the columns' values, that are not known, in one scan."""
    known = known or Known()
    config, lake = setting.relations, view.lake
    has_tables = config.looks_for("near") or config.looks_for("union")
    roles = np.empty((0, 2), np.int32)
    if has_tables or view.parts:
        types = view.tables.columns["type"].take(pa.array(lake.column_rows))
        may_be_nan = pc.is_in(types, value_set=pa.array(_FLOATS)).to_numpy()
        roles = related_roles(lake.groups, schema_edges(lake.groups), lake.bounds, may_be_nan)
    items = item_roles(lake, roles, list(view.parts.values()), config, has_tables=has_tables)
    is_whole = config.looks_for("renamed")
    values = np.flatnonzero(~lake.bounds.trivial_tables()) if is_whole else np.unique(roles[:, 1])
    wanted = frozenset(values.tolist())
    ids = {schema: projection_of(lake.projection_tokens(schema))[0] for schema in np.unique(items.projection).tolist()}
    keys = [
        view.readings.sample_key(ids[schema], item)
        for schema, item in zip(items.projection.tolist(), items.item.tolist(), strict=True)
    ]
    rows, is_left = _known_rows(items, keys, known)
    hashed = {
        (ids[items.projection[role]], int(items.item[role])): (int(items.projection[role]), int(items.level[role]))
        for role in np.flatnonzero(is_left).tolist()
    }
    # what is no longer as its rows say is read again, which tells what has become of it
    changed = view.tables.changed_since(setting.workspace.lake.root, sorted({table for _, table in hashed}))
    hashed = {place: what for place, what in hashed.items() if place in view.held.places and place[1] not in changed}
    places = zip(items.projection.tolist(), items.item.tolist(), strict=True)
    is_left &= np.array([(ids[schema], item) not in hashed for schema, item in places], np.bool_)
    left = items.take(np.flatnonzero(is_left))
    plan = sampling_plan(lake, left, list(view.parts.values()), setting.scan, sorted(wanted - known.tables))
    scanned = _scan(view, plan, setting, engine, "sample")
    held = sample_held(engine, view.held, hashed)
    return Sampled(
        item_samples(pa.concat_tables([scanned, rows, held]), items, len(lake.names)),
        column_samples(pa.concat_tables([scanned, known.values]), lake, view.tables.columns),
        ScanCosts.of(scanned),
        wanted,
        tuple(keys),
    )


def _known_rows(items: ItemRoles, keys: Sequence[bytes], known: Known) -> tuple[pa.Table, Bool]:
    """The samples of rows that are known, as the scan would have given them, and which roles are left, (k,)."""
    rows, is_left = ScanRows(), np.ones(len(keys), np.bool_)
    if known.rows:
        roles = zip(keys, items.level.tolist(), items.projection.tolist(), items.item.tolist(), strict=True)
        for place, (key, level, projection, item) in enumerate(roles):
            data = known.sample(key, level)
            if data is not None:
                rows.add("rows", item, projection, data=data)
                is_left[place] = False
    return pa.Table.from_batches([rows.batch()]), is_left


def find_candidates(view: RelationView, sampled: Sampled, setting: Setting) -> Candidates:
    """What the samples propose, at most `max_candidates` of each kind; tables that could not be read are out."""
    config = setting.relations
    postings = post_rows(sampled.items)
    overlaps = find_overlaps(sampled.items, postings)
    lost = set(sampled.costs.errors)
    near = near_pairs(sampled.items, overlaps, view.known, config)
    parts = part_pairs(sampled.items, overlaps, view.parts, view.known)
    limit = config.max_candidates
    unions: Iterable[UnionCandidate] = ()
    if config.looks_for("union"):
        unions = union_candidates(sampled.items, overlaps, postings, view.known, config)
    renamed: Iterable[RenamedCandidate] = ()
    if config.looks_for("renamed"):
        renamed = renamed_candidates(view.lake, sampled.columns, view.known, config)
    return Candidates(
        near if config.looks_for("near") else near.take(np.empty(0, np.int64)),
        tuple(pair for pair in parts if not lost & {pair.part.table_id, pair.parent})[:limit],
        tuple(union for union in unions if not lost & {union.child, *union.parents})[:limit],
        tuple(pair for pair in renamed if not lost & {pair.child, pair.parent})[:limit],
    )


def verify(
    view: RelationView, found: Candidates, setting: Setting, engine: Engine, known: Known | None = None
) -> Verified:
    """Compares what was proposed exactly, but for what is known: one scan hashes the rows, one comparison counts."""
    items, known = Items(view.lake, view.readings), known or Known()
    asked = items.ask(found, setting.key)
    n_pairs = len(asked.pairs.child)
    if not n_pairs and not asked.unions:
        return Verified(found, PairCounts.none(), ())
    bits = max(view.held.bits, bucket_bits(items.n_rows, setting.containment.rows_per_bucket))
    keys = items.keys(asked, bits)
    is_known = np.array([key in (known.pairs if n < n_pairs else known.unions) for n, key in enumerate(keys)])
    left = asked.take(np.flatnonzero(~is_known))
    compared, costs = _counted(view, items, (left, bits), setting, engine)
    mine, theirs = np.flatnonzero(is_known[:n_pairs]), np.flatnonzero(~is_known[:n_pairs])
    counts = known.counts([keys[place] for place in mine.tolist()]).followed_by(compared.pairs)
    counted = iter(compared.unions)
    return Verified(
        found,
        counts.take(np.argsort(np.concatenate([mine, theirs]))),
        tuple(known.unions[key] if key in known.unions else next(counted) for key in keys[n_pairs:]),
        costs,
        costs.errors | view.tables.changed_since(setting.workspace.lake.root, sorted(items.wanted)),
        tuple(keys),
        int(is_known.sum()),
    )


def _counted(
    view: RelationView, items: Items, asked_in: tuple[Asked, int], setting: Setting, engine: Engine
) -> tuple[Compared, ScanCosts]:
    """What the rows say of what is asked, in 2^bits buckets, and what hashing them has cost."""
    asked, bits = asked_in
    if not len(asked.pairs.child) and not asked.unions:
        return Compared(PairCounts.none(), ()), ScanCosts({}, 0, 0)
    # the buckets are those of a run that knows nothing
    plan = hashing_plan(items.of(asked, view.held.places), items.labels, bits, setting.scan, setting.places)
    scanned = _scan(view, plan, setting, engine, "hash")
    costs = ScanCosts.of(scanned)
    files: dict[int, list[str]] = {}
    for row in of_kind(scanned, "file").to_pylist():
        files.setdefault(row["table_id"], []).append(row["text"])
    written = HeldHashes(setting.places.out_uri, bits, files)
    compared = compare(engine, written, view.held, asked, is_bag=setting.is_bag)
    return compared, replace(costs, peak_worker_bytes=max(costs.peak_worker_bytes, compared.peak_worker_bytes))


def _scan(view: RelationView, plan: ItemPlan, setting: Setting, engine: Engine, job: Job) -> pa.Table:
    splits = plan_splits(view.tables, sorted(plan.tables), setting.containment.target_split_bytes)
    if job == "hash":
        needed = {table: _paths(plan.wanted[table]) for table in plan.tables}
        splits = [s for s in splits if needed[s.table_id] is None or s.path in (needed[s.table_id] or ())]
    tokens = {table: plan.projections[table][1] for table in plan.tables}
    sources = delta_sources(view.tables, plan.lake_root, tokens)
    if not splits and not sources:
        return SCAN_SCHEMA.empty_table()
    tasks = share_splits(splits, engine.n_workers, setting.containment.target_split_bytes)
    return run_on_tables(engine, plan, tasks, sources, WORK[job])


def _paths(wanted: Iterable[Wanted]) -> frozenset[str] | None:
    """The files that some item needs; None for all."""
    paths = [w.paths for w in wanted]
    return None if None in paths else frozenset().union(*(path for path in paths if path is not None))
