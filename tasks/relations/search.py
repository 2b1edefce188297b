"""The steps of the search, each a function of what the steps before it found."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.jobs import PairList, delta_sources, run_on_tables
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import schema_edges
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, projection_of
from lakebed.tasks.containment.statistics import LakeStatistics, load_statistics
from lakebed.tasks.relations.candidates import (
    KnownEdges,
    NearPairs,
    PartPair,
    RenamedCandidate,
    UnionCandidate,
    near_pairs,
    part_pairs,
    renamed_candidates,
    union_candidates,
)
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.jobs import WORK, Asked, Job, compare
from lakebed.tasks.relations.kernel.columns import ColumnSamples
from lakebed.tasks.relations.kernel.exact import UnionAsked, UnionCounts
from lakebed.tasks.relations.kernel.overlap import ItemSamples, find_overlaps, post_rows
from lakebed.tasks.relations.kernel.related import related_roles
from lakebed.tasks.relations.parts import Part, table_parts
from lakebed.tasks.relations.plan import ItemPlan, Wanted, hashing_plan, item_roles, sampling_plan
from lakebed.tasks.relations.previous import KnownValues
from lakebed.tasks.relations.samples import ScanCosts, column_samples, item_samples, of_kind
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.splits import InventoryTables, plan_splits, share_splits

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
    """Inventory and proven containments as arrays; the parts of the tables by item."""

    tables: InventoryTables
    lake: LakeStatistics
    known: KnownEdges
    parts: dict[int, Part]


@dataclass(frozen=True)
class Sampled:
    """What the sampling scan gave, and what was known.

    Attributes:
        tables: whose columns' values were wanted.
    """

    items: ItemSamples
    columns: ColumnSamples
    costs: ScanCosts
    tables: frozenset[int]


@dataclass(frozen=True)
class Candidates:
    """What goes to the exact comparison, and the near misses, which do not."""

    near: NearPairs
    parts: tuple[PartPair, ...]
    unions: tuple[UnionCandidate, ...]
    renamed: tuple[RenamedCandidate, ...]


@dataclass(frozen=True)
class Verified:
    """The candidates with their exact counts: those of parts, then of renamed tables; and of unions.

    Attributes:
        unstable: reason by table_id; candidates with such a table are out.
    """

    candidates: Candidates
    pairs: PairCounts
    unions: tuple[UnionCounts, ...]
    costs: ScanCosts = field(default_factory=lambda: ScanCosts({}, 0, 0))
    unstable: dict[int, str] = field(default_factory=dict)

    def with_errors(self, errors: dict[int, str]) -> "Verified":
        """With tables that an earlier scan could not read among the unstable ones."""
        return replace(self, unstable={**errors, **self.unstable})


def view_relations(
    store: ArtifactStore, inventory: ArtifactRef, contained: tuple[pa.Table, pa.Table], setting: Setting
) -> RelationView:
    """Reads the inventory's artifact, no data of the lake; `contained` are containment's edges and candidates."""
    tables, columns, files = (store.read(inventory, name) for name in ("tables", "columns", "files"))
    extras = (store.read(inventory, "file_bounds"), store.read(inventory, "partition_values"))
    lake = load_statistics(tables, columns, files, extras, strict_types=setting.containment.strict_types)
    inventory_tables = InventoryTables(tables, columns, files)
    wanted = setting.relations.looks_for("partition")
    parts = table_parts(inventory_tables, setting.relations.max_parts) if wanted else []
    return RelationView(
        inventory_tables, lake, known_edges(*contained, is_bag=setting.is_bag), {part.item: part for part in parts}
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


def sample_lake(view: RelationView, setting: Setting, engine: Engine, known: KnownValues | None = None) -> Sampled:
    """Samples rows of related tables and of their parts, and the columns' values that are not known, in one scan."""
    known = known or KnownValues()
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
    plan = sampling_plan(lake, items, list(view.parts.values()), setting.scan, sorted(wanted - known.tables))
    plan = replace(plan, has_values=bool(wanted))
    scanned = _scan(view, plan, setting, engine, "sample")
    return Sampled(
        item_samples(scanned, items, len(lake.names)),
        column_samples(pa.concat_tables([scanned, known.rows]), lake, view.tables.columns),
        ScanCosts.of(scanned),
        wanted,
    )


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


def verify(view: RelationView, found: Candidates, setting: Setting, engine: Engine) -> Verified:
    """Hashes the rows of what was proposed, and compares them exactly: one scan, one comparison."""
    items = _Items(view)
    asked = items.ask(found, setting.key)
    if not len(asked.pairs.child) and not asked.unions:
        return Verified(found, PairCounts.none(), ())
    plan = hashing_plan(items.wanted, items.labels, items.n_rows, setting.scan, setting.places)
    scanned = _scan(view, plan, setting, engine, "hash")
    costs = ScanCosts.of(scanned)
    files: dict[int, list[str]] = {}
    for row in of_kind(scanned, "file").to_pylist():
        files.setdefault(row["table_id"], []).append(row["text"])
    compared = compare(engine, setting.places.out_uri, files, asked, is_bag=setting.is_bag)
    return Verified(
        found,
        compared.pairs,
        compared.unions,
        ScanCosts(costs.errors, costs.bytes_read, max(costs.peak_worker_bytes, compared.peak_worker_bytes)),
        costs.errors | view.tables.changed_since(setting.workspace.lake.root, sorted(plan.tables)),
    )


class _Items:
    """The items of the exact comparison: tables, parts, and views of tables under other names."""

    def __init__(self, view: RelationView) -> None:
        self._lake, self._view = view.lake, view
        self._next = max(view.parts, default=len(view.lake.names) - 1) + 1
        self._views: dict[tuple[int, int, tuple[str, ...]], int] = {}
        self._seen: set[tuple[int, int]] = set()
        self.wanted: dict[int, list[Wanted]] = {}
        self.labels: dict[int, tuple[int, tuple[str, ...]]] = {}
        self.n_rows = 0

    def ask(self, found: Candidates, key: bytes) -> Asked:
        """Adds the items of every candidate, and says what to compare, under the key of the row hashes."""
        pairs: list[tuple[int, int, int]] = []
        for pair in found.parts:
            schema = self._schema(pair.part.table_id)
            pairs.append((schema, self._part(pair.part, schema), self._table(pair.parent, schema)))
        for renamed in found.renamed:
            schema = self._schema(renamed.child)
            tokens = tuple(self._lake.tokens[token] for token in self._lake.bounds.token[list(renamed.targets)])
            pairs.append((schema, self._table(renamed.child, schema), self._under_map(renamed.parent, schema, tokens)))
        unions = []
        for union in found.unions:
            schema = self._schema(union.child)
            child = self._table(union.child, schema)
            parents = tuple(self._table(parent, schema) for parent in union.parents)
            unions.append(UnionAsked(self.labels[schema][0], child, parents))
        # three columns of the asked pairs, (k,) each: schema, child, parent
        ids = np.array([self.labels[schema][0] for schema, _, _ in pairs], np.int64)
        children = np.array([child for _, child, _ in pairs], np.int32)
        parents_of = np.array([parent for _, _, parent in pairs], np.int32)
        return Asked(PairList(ids, children, parents_of, key), tuple(unions))

    def _schema(self, table: int) -> int:
        schema = int(self._lake.groups.schema_of_table[table])
        if schema not in self.labels:
            self.labels[schema] = projection_of(self._lake.projection_tokens(schema))
        return schema

    def _table(self, table: int, schema: int) -> int:
        self._want(table, Wanted(table, schema, self.labels[schema][1], None, 0), int(self._lake.n_rows[table]))
        return table

    def _part(self, part: Part, schema: int) -> int:
        self._want(part.table_id, Wanted(part.item, schema, self.labels[schema][1], part.paths, 0), part.n_rows)
        return part.item

    def _under_map(self, table: int, schema: int, tokens: tuple[str, ...]) -> int:
        item = self._views.setdefault((table, schema, tokens), self._next)
        self._next = max(self._next, item + 1)
        self._want(table, Wanted(item, schema, tokens, None, 0), int(self._lake.n_rows[table]))
        return item

    def _want(self, table: int, wanted: Wanted, n_rows: int) -> None:
        key = (wanted.item, wanted.projection)
        if key not in self._seen:
            self._seen.add(key)
            self.wanted.setdefault(table, []).append(wanted)
            self.n_rows += n_rows


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
