"""The containment stage: statistics first, then one job that reads only the tables still in question."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from connectors.delta import DataFile, WrittenTable, commit_files, write_table
from connectors.errors import SourceError
from connectors.lake.read import Split
from connectors.spark.session import shared_session
from connectors.storage import Storage, join_uri
from tasks.containment.config import ContainmentConfig
from tasks.containment.contract import CANDIDATES, CONTRACTS, FUNNEL, ROW_HASHES, UNSTABLE
from tasks.containment.evidence import ProvenPairs, edge_table, proven_rows, table_facts, trivial_rows
from tasks.containment.kernel.min_max import MinMaxSurvey, survey
from tasks.containment.kernel.proof import PairCounts
from tasks.containment.kernel.schema_graph import Int32, count_table_pairs, schema_edges
from tasks.containment.kernel.sketches import SketchedPairs, sketch_pairs, unrefuted_pairs
from tasks.containment.plan import ScanPlaces, plan_scan
from tasks.containment.samples import ScanResult, gather
from tasks.containment.scan import ScanPlan
from tasks.containment.spark import DeltaSource, PairList, compare_on_spark, scan_lake
from tasks.containment.statistics import LakeStatistics, load_statistics
from tasks.encoding.sketch import containment_interval
from tasks.inventory.splits import InventoryTables, pack_splits, plan_splits
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tasks.runtime.stage import Stage, StageMetrics, StageSpec
from tasks.runtime.workspace import Workspace

SPEC = StageSpec("containment", 1, CONTRACTS)
MAX_TRIVIAL_PARENTS = 1_000
TASKS_PER_CORE = 3


def containment_stage(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> Stage:
    """The stage under its key, to be reused or built. The files' identity is part of the key: data is read again."""
    summary = ArtifactStore(workspace.artifacts).manifest(inventory).summary
    identity = [str(summary["source_identity"]).encode(), str(workspace.lake.ignore_column_case).encode()]
    return Stage(SPEC, inputs=[inventory], config=config, workspace=workspace, identity=identity)


def run_containment(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> ArtifactRef:
    """Finds and proves every containment among the inventory's tables.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read.
        ContractError, ArtifactError: if the result cannot be published.
    """
    stage = containment_stage(inventory, workspace, config)
    return stage.reuse() or _Build(stage, inventory, workspace, config).run()


@dataclass
class _Build:
    """One build of the artifact: each step leaves what the next one needs."""

    stage: Stage
    inventory: ArtifactRef
    workspace: Workspace
    config: ContainmentConfig
    metrics: StageMetrics = field(default_factory=StageMetrics)

    def run(self) -> ArtifactRef:
        with self.metrics.step("min_max"):
            self._load()
            self.pairs = schema_edges(self.lake.groups)
            self.survey = survey(
                self.lake.groups,
                self.pairs,
                self.lake.bounds,
                is_bag=self.is_bag,
                max_pairs=self.config.max_listed_pairs,
            )
        self.trivial = trivial_pairs(self.lake, self.pairs)
        with self.metrics.step("scan") as cost:
            self.scan = self._scan()
            cost.bytes_read = self.scan.bytes_read
        with self.metrics.step("sketch"):
            self.sketched = self._sketch()
        with self.metrics.step("proof"):
            self.counts = self._compare()
        with self.metrics.step("publish"):
            return self._publish()

    @property
    def is_bag(self) -> bool:
        return self.config.semantics == "bag"

    def _load(self) -> None:
        read = {name: self.stage.read(self.inventory, name) for name in ("tables", "columns", "files")}
        extras = tuple(self.stage.read(self.inventory, name) for name in ("file_bounds", "partition_values"))
        self.tables = InventoryTables(**read)
        self.lake = load_statistics(
            *read.values(), extras=(extras[0], extras[1]), strict_types=self.config.strict_types
        )

    def _scan(self) -> ScanResult:
        places = ScanPlaces(
            staged_root=self.stage.store.folder(self.inventory.stage, self.inventory.key),
            out_uri=self.stage.table_uri("row_hashes"),
        )
        roles = self.survey.roles
        plan = plan_scan(self.lake, roles, self.config, self.workspace, places)
        self.plan = plan
        if not len(roles):
            return gather(_nothing_scanned(), plan, roles, self.lake)
        splits = plan_splits(self.tables, sorted(plan.tables), self.config.target_split_bytes)
        session = shared_session(self.workspace.spark).get()
        tasks = pack_splits(splits, self._n_tasks(splits, session.sparkContext.defaultParallelism))
        scanned = scan_lake(session, plan, tasks, self._spark_sources(plan))
        result = gather(scanned, plan, roles, self.lake)
        self.unstable = self._unstable(plan, result)
        return result

    def _n_tasks(self, splits: Sequence[Split], n_cores: int) -> int:
        n_bytes = sum(split.n_bytes for split in splits)
        return max(n_cores * TASKS_PER_CORE, n_bytes // self.config.target_split_bytes)

    def _spark_sources(self, plan: ScanPlan) -> list[DeltaSource]:
        return [
            DeltaSource(
                row["table_id"],
                join_uri(self.workspace.lake.root, row["path"]),
                row["delta_version"],
                _top_columns(plan, row["table_id"]),
            )
            for row in self.tables.tables.to_pylist()
            if row["read_via"] == "spark" and row["table_id"] in plan.tables
        ]

    def _unstable(self, plan: ScanPlan, result: ScanResult) -> dict[int, str]:
        """Tables whose files are no longer what they were when inventory listed them, and those that broke."""
        unstable = dict(result.errors)
        storage = Storage.at(self.workspace.lake.root, SourceError)
        for row in self.tables.files.select(["table_id", "path", "size", "mtime_ns"]).to_pylist():
            if row["table_id"] in plan.tables and row["table_id"] not in unstable:
                now = storage.stat(row["path"])
                if now is None or (now.size, now.mtime_ns) != (row["size"], row["mtime_ns"]):
                    unstable[row["table_id"]] = f"{row['path']} changed while the run read it"
        if unstable and self.workspace.lake.strict:
            raise SourceError(
                f"{len(unstable)} tables could not be read as they were listed",
                expected="files that are whole and do not change while the run reads them",
                hint="run again, or run without --strict to list them and go on",
                examples=[f"{self.lake.names[table]}: {reason}" for table, reason in sorted(unstable.items())],
            )
        return unstable

    def _sketch(self) -> SketchedPairs:
        """All pairs that were compared by samples; those with none missing go on."""
        schema_of_table = self.lake.groups.schema_of_table
        if not len(self.survey.roles):
            return _no_pairs()
        if self.survey.is_listed:
            pairs = sketch_pairs(self.scan.rows, schema_of_table, self.survey.children, self.survey.parents)
        else:
            pairs = unrefuted_pairs(self.scan.rows, schema_of_table, self.lake.bounds, is_bag=self.is_bag)
        is_stable = ~np.isin(np.stack([pairs.child, pairs.parent]), list(self.unstable)).any(axis=0)
        return pairs.take(is_stable)

    def _compare(self) -> PairCounts | None:
        self.alive = self.sketched.take(self.sketched.n_missing == 0)
        if not len(self.alive.child):
            return None
        schemas = self.lake.groups.schema_of_table[self.alive.child]
        ids = np.array([self.plan.projections[schema][0] for schema in schemas.tolist()], np.int64)
        by_bucket: dict[int, list[str]] = {}
        for file in self.scan.files:
            by_bucket.setdefault(file.bucket, []).append(file.path)
        pairs = PairList(ids, self.alive.child, self.alive.parent)
        session = shared_session(self.workspace.spark).get()
        result = compare_on_spark(session, self.plan.out_uri, by_bucket, pairs, is_bag=self.is_bag)
        self.metrics.peak_worker_bytes = max(self.scan.peak_worker_bytes, result.peak_worker_bytes)
        return result.counts

    def _publish(self) -> ArtifactRef:
        facts = table_facts(self.tables.tables, self.tables.files)
        rows = trivial_rows(*self.trivial, self.lake, facts, self.config)
        is_proven = np.zeros(0, np.bool_)
        if self.counts is not None:
            is_proven = self.counts.n_missing == 0
            proven = ProvenPairs(self.alive.child[is_proven], self.alive.parent[is_proven], self.counts.take(is_proven))
            rows += proven_rows(proven, self.lake, self.scan.values, facts, self.config)
        edges = edge_table(rows)
        steps = self._steps(int(is_proven.sum()))
        tables = {
            "edges": edges,
            "candidates": self._candidates(is_proven),
            "funnel": pa.Table.from_pylist(steps, schema=FUNNEL.arrow_schema()),
            "row_hashes": self._row_hashes(),
            "unstable": _unstable_table(self.lake, getattr(self, "unstable", {})),
        }
        return self.stage.publish(tables, self._summary(steps, edges), self.metrics)

    def _row_hashes(self) -> WrittenTable:
        uri, schema = self.plan.out_uri, ROW_HASHES.arrow_schema()
        if not self.scan.files:
            return write_table(uri, schema.empty_table())
        return commit_files(uri, schema, [DataFile(file.path, file.n_bytes, file.n_rows) for file in self.scan.files])

    def _steps(self, n_proven: int) -> list[dict[str, Any]]:
        n_trivial = len(self.trivial[0])
        counts = (
            ("schema", count_table_pairs(self.lake.groups, *self.pairs), len(self.lake.names)),
            ("min_max", self.survey.n_pairs + n_trivial, len(np.unique(self.survey.roles[:, 1]))),
            ("sketch", len(self.alive.child) + n_trivial, None),
            ("proof", n_proven + n_trivial, None),
        )
        return [
            {"position": place, "step": step, "n_pairs": n_pairs, "n_tables": n_tables}
            for place, (step, n_pairs, n_tables) in enumerate(counts)
        ]

    def _summary(self, steps: list[dict[str, Any]], edges: pa.Table) -> dict[str, Any]:
        after = {step["step"]: step["n_pairs"] for step in steps}
        return {
            "distinct_schemas": self.lake.groups.n_schemas,
            "schema_edges": after["schema"],
            "after_min_max": after["min_max"],
            "after_sketches": after["sketch"],
            "proven": after["proof"],
            "coincidental": sum(edges["coincidental"].to_pylist()),
            "contained_tables": len(edges["child_id"].unique()),
            "tables_read": len(self.plan.tables),
            "are_near_misses_listed": self.survey.is_listed,
        }

    def _candidates(self, is_proven: NDArray[np.bool_]) -> pa.Table:
        """Pairs that share at least one sampled row, or reached the exact tier."""
        rows = []
        alive_rows = np.flatnonzero(self.sketched.n_missing == 0)
        verdicts = dict(zip(alive_rows.tolist(), is_proven.tolist(), strict=True))
        for row in np.flatnonzero((self.sketched.n_missing < self.sketched.n_compared) | (self.sketched.n_missing == 0)):
            rows.append(self._candidate(int(row), verdicts.get(int(row))))
        rows.sort(key=lambda row: (row["child_id"], row["parent_id"]))
        return pa.Table.from_pylist(rows, schema=CANDIDATES.arrow_schema())

    def _candidate(self, row: int, is_proven: bool | None) -> dict[str, Any]:
        compared, missing = int(self.sketched.n_compared[row]), int(self.sketched.n_missing[row])
        fraction = containment_interval(compared, missing, self.config.confidence) or (None, None, None)
        verdict = "refuted_by_sketch"
        if is_proven is not None and self.counts is not None:
            verdict = "proven" if is_proven else "refuted_by_rows"
            place = int(np.searchsorted(np.flatnonzero(self.sketched.n_missing == 0), row))
            compared, missing = int(self.counts.n_child_distinct[place]), int(self.counts.n_missing[place])
            share = 1.0 - min(missing, compared) / compared if compared else 1.0
            missing, fraction = min(missing, compared), (share, share, share)
        return {
            "child_id": int(self.sketched.child[row]),
            "parent_id": int(self.sketched.parent[row]),
            "verdict": verdict,
            "n_compared": compared,
            "n_missing": missing,
            "fraction": fraction[0],
            "fraction_low": fraction[1],
            "fraction_high": fraction[2],
        }


def trivial_pairs(lake: LakeStatistics, schema_pairs: tuple[Int32, Int32]) -> tuple[Int32, Int32]:
    """Pairs that hold by definition: the child has no rows, or nothing but nulls. At most 1,000 parents a child."""
    children: list[int] = []
    parents: list[int] = []
    for child in np.flatnonzero(lake.bounds.trivial_tables()).tolist():
        schema = lake.groups.schema_of_table[child]
        containing = schema_pairs[1][schema_pairs[0] == schema]
        tables = np.concatenate([lake.groups.schema_tables(parent) for parent in containing.tolist()])
        listed = np.sort(tables[tables != child])[:MAX_TRIVIAL_PARENTS]
        children += [child] * len(listed)
        parents += listed.tolist()
    return np.array(children, np.int32), np.array(parents, np.int32)


def _top_columns(plan: ScanPlan, table: int) -> tuple[str, ...]:
    import json

    tokens = (token for number in plan.tables[table].projections for token in plan.projections[number][1])
    return tuple(dict.fromkeys(json.loads(token)[0] for token in tokens))


def _unstable_table(lake: LakeStatistics, unstable: dict[int, str]) -> pa.Table:
    rows = [{"name": lake.names[table], "reason": reason} for table, reason in sorted(unstable.items())]
    return pa.Table.from_pylist(rows, schema=UNSTABLE.arrow_schema())


def _nothing_scanned() -> pa.Table:
    from tasks.containment.scan import SCAN_SCHEMA

    return SCAN_SCHEMA.empty_table()


def _no_pairs() -> SketchedPairs:
    empty = np.empty(0, np.int32)
    return SketchedPairs(empty, empty, empty.astype(np.int64), empty.astype(np.int64))
