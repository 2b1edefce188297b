"""The inventory stage: what the lake holds, from metadata where it can be, from data where it must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from connectors.errors import ConfigError, SourceError
from connectors.lake.discovery import discover
from connectors.lake.listing import Listing, empty_lake_error, list_lake
from connectors.lake.model import Unreadable
from connectors.lake.parquet import read_footers
from tasks.inventory.contract import CONTRACTS, VERSION
from tasks.inventory.kernel import TableFacts, describe_tables
from tasks.inventory.metadata import LakeFacts, read_metadata, reason_text, type_overrides, with_partitions
from tasks.inventory.missing import apply_bounds, plan_missing
from tasks.inventory.scanned import text_facts
from tasks.inventory.worker import FooterUnit, Outcome, TextUnit, Unit, WorkContext
from tasks.runtime.keys import canonical_json
from tasks.runtime.progress import shown
from tasks.runtime.stage import Stage, StageMetrics, StageSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from connectors.lake.discovery import Discovery
    from connectors.lake.model import FileEntry, TableSource
    from connectors.lake.statistics import FileFacts
    from tasks.inventory.config import InventoryConfig
    from tasks.inventory.kernel import InventoryRows
    from tasks.runtime.artifacts import ArtifactRef
    from tasks.runtime.workspace import Workspace

INVENTORY = StageSpec("inventory", VERSION, CONTRACTS)
STAGED = "staged"
_FILES_PER_UNIT = 500


def inventory_stage(workspace: Workspace, config: InventoryConfig, listing: Listing) -> Stage:
    """The stage over a listed lake; its key holds the identity of the files and how the lake is read."""
    settings = canonical_json(workspace.lake).encode()
    identity = [listing.identity.encode(), settings]
    return Stage(INVENTORY, inputs=(), config=config, workspace=workspace, identity=identity, family=[settings])


def run_inventory(workspace: Workspace, config: InventoryConfig) -> ArtifactRef:
    """Lists the lake and makes its inventory, or finds the one made before.

    Raises:
        ConfigError: if the lake does not exist, is no folder, or holds no table.
        SourceError: if the lake cannot be listed; with `strict`, if any table cannot be read.
    """
    metrics = StageMetrics()
    with metrics.step("list"):
        listing = list_lake(workspace.lake)
    stage = inventory_stage(workspace, config, listing)
    return stage.reuse() or _build(stage, config, listing, metrics)


def _build(stage: Stage, config: InventoryConfig, listing: Listing, metrics: StageMetrics) -> ArtifactRef:
    lake = stage.workspace.lake
    discovery = discover(listing, lake)
    if not discovery.tables and not discovery.unreadable and not listing.problems:
        raise empty_lake_error(listing.root, has_files=True)
    work = _Work(stage, listing, metrics)
    if any(source.format in ("csv", "json") for source in discovery.tables):
        work.start_session()
    n_files = len(listing.files)
    with metrics.step("metadata"), shown().step(f"Reading the metadata of {n_files:,} files"):
        facts = read_metadata(listing, discovery, lake, partial(_read_footers, work, config))
    _require_strict(stage, facts)
    with metrics.step("data") as cost:
        side_files = _read_data(work, config, discovery, facts)
        cost.bytes_read = work.bytes_read
    _drop_changed(stage, listing, facts)
    _require_strict(stage, facts)
    with metrics.step("tables"):
        tables = sorted(facts.tables.values(), key=lambda table: table.source.name)
        rows = describe_tables(tables)
    metrics.peak_worker_bytes = work.peak_worker_bytes
    return stage.publish(_arrow_tables(rows, facts), _summary(rows, facts, listing), metrics, side_files=side_files)


@dataclass
class _Work:
    """Data work in Spark, whose session starts only when there is some."""

    stage: Stage
    listing: Listing
    metrics: StageMetrics
    bytes_read: int = 0
    peak_worker_bytes: int = 0

    def start_session(self) -> None:
        """Begins the session's start, beside what the driver does meanwhile."""
        from connectors.spark.session import shared_session

        shared_session(self.stage.workspace.spark).start()

    def do(self, units: Sequence[Unit]) -> list[Outcome]:
        """Does the units in one job."""
        if not units:
            return []
        from tasks.inventory.spark import do_units

        lake = self.stage.workspace.lake
        context = WorkContext(self.listing.root, lake.text, lake.ignore_column_case)
        done = do_units(self._session(), context, units)
        self.bytes_read += sum(outcome.n_bytes for outcome in done.outcomes)
        self.peak_worker_bytes = max(self.peak_worker_bytes, done.peak_worker_bytes)
        return done.outcomes

    def _session(self) -> SparkSession:
        from connectors.spark.session import shared_session

        return shared_session(self.stage.workspace.spark).get()


def _read_footers(work: _Work, config: InventoryConfig, entries: Sequence[FileEntry]) -> list[FileFacts | Unreadable]:
    """Footers by the driver's threads, or on big lakes by a Spark job."""
    if len(entries) <= config.max_driver_footers:
        ignore_case = work.stage.workspace.lake.ignore_column_case
        return read_footers(work.listing.root, entries, config.footer_threads, ignore_case=ignore_case)
    starts = range(0, len(entries), _FILES_PER_UNIT)
    outcomes = work.do([FooterUnit(tuple(entries[start : start + _FILES_PER_UNIT])) for start in starts])
    return [facts for outcome in outcomes for facts in outcome.footers]


def _read_data(work: _Work, config: InventoryConfig, discovery: Discovery, facts: LakeFacts) -> list[str]:
    """Stages text tables and reads missing bounds, in one job; the staged files below the artifact's folder."""
    sources = [source for source in discovery.tables if source.format in ("csv", "json")]
    staging = _Staging.of(work.stage, sources) if sources else _Staging([], [])
    missing = plan_missing(facts.tables.values(), config)
    outcomes = work.do([*staging.units, *(unit for _, _, unit in missing)])
    n_text = len(staging.units)
    for (table, file, _), outcome in zip(missing, outcomes[n_text:], strict=True):
        if outcome.error is None:
            apply_bounds(file, outcome)
        elif facts.tables.pop(table.source.name, None):
            error = _as_source_error(outcome.error)
            facts.unreadable.append(Unreadable(table.source.name, table.source.format, reason_text(error), error.hint))
    return staging.finish(outcomes[:n_text], facts, work.stage)


@dataclass
class _Staging:
    """Text tables on their way to Parquet: units and relative paths of the copies, one a file, in table order."""

    sources: list[TableSource]
    units: list[TextUnit]
    paths: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, sources: list[TableSource]) -> _Staging:
        """Plans the copies; their names depend on the lake only."""
        folder, lake = stage.folder, stage.workspace.lake
        units: list[TextUnit] = []
        paths: list[str] = []
        for source in sources:
            overrides = type_overrides(source.name, lake)
            for entry in source.files:
                paths.append(f"{STAGED}/{len(paths):06d}.parquet")
                format_ = cast("Literal['csv', 'json']", source.format)
                units.append(TextUnit(entry.path, format_, f"{folder}/{paths[-1]}", overrides, entry.size))
        return cls(sources, units, paths)

    def finish(self, outcomes: Sequence[Outcome], facts: LakeFacts, stage: Stage) -> list[str]:
        """Enters the tables; the copies of those that turned out unreadable are deleted."""
        kept: list[str] = []
        start = 0
        for source in self.sources:
            part = slice(start, start + len(source.files))
            start = part.stop
            try:
                facts.add(_text_table(source, outcomes[part], self.paths[part], stage))
            except SourceError as error:
                facts.refuse(source, error)
            if source.name in facts.tables:
                kept += self.paths[part]
        for path in sorted(set(self.paths) - set(kept)):
            stage.store.storage.delete_file(f"{stage.spec.name}/{stage.key}/{path}")
        return kept


def _text_table(source: TableSource, outcomes: Sequence[Outcome], paths: Sequence[str], stage: Stage) -> TableFacts:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        raise _as_source_error(errors[0])
    scans = [outcome.scan for outcome in outcomes if outcome.scan is not None]
    files = text_facts(scans, paths, [outcome.row_groups for outcome in outcomes])
    return with_partitions(TableFacts(source, files, "staged"), stage.workspace.lake)


def _as_source_error(error: Exception) -> SourceError:
    """The error of a table; whatever is no fault of the table ends the run."""
    if isinstance(error, SourceError):
        return error
    raise error


def _drop_changed(stage: Stage, listing: Listing, facts: LakeFacts) -> None:
    """Lists the tables whose files changed while they were read: what was read of them is of no one state."""
    try:
        again = list_lake(stage.workspace.lake.model_copy(update={"paranoid": False}))
    except (ConfigError, SourceError):
        again = Listing(listing.root, (), ())
    before, after = (
        {(e.path, e.size, e.mtime_ns, e.etag) for e in (*one.files, *one.logs)} for one in (listing, again)
    )
    changed = {path for path, *_ in before ^ after}
    for name, table in list(facts.tables.items()):
        if any(file.path in changed for file in table.files) or any(
            path.startswith(f"{table.source.path}/_delta_log/") for path in changed
        ):
            del facts.tables[name]
            reason = "its files changed while the inventory was made"
            facts.unreadable.append(Unreadable(name, table.source.format, reason, "run the same command again"))


def _require_strict(stage: Stage, facts: LakeFacts) -> None:
    if stage.workspace.lake.strict and facts.unreadable:
        raise SourceError(
            f"{len(facts.unreadable)} tables of the lake cannot be read, and `strict` is set",
            expected="a lake whose tables can all be read",
            hint=facts.unreadable[0].hint or "leave them out with `exclude`, or run without `--strict`",
            examples=[f"{bad.name}: {bad.reason}" for bad in facts.unreadable],
        )


def _arrow_tables(rows: InventoryRows, facts: LakeFacts) -> dict[str, pa.Table]:
    found = {(bad.name, bad.format): bad for bad in facts.unreadable}
    unreadable = [
        {"name": bad.name, "format": bad.format, "reason": bad.reason, "hint": bad.hint} for bad in found.values()
    ]
    by_name = {**vars(rows), "unreadable": sorted(unreadable, key=lambda row: (row["name"], row["format"]))}
    return {name: contract.table(by_name[name]) for name, contract in CONTRACTS.items()}


def _summary(rows: InventoryRows, facts: LakeFacts, listing: Listing) -> dict[str, object]:
    return {
        "tables": len(rows.tables),
        "unreadable": len({(bad.name, bad.format) for bad in facts.unreadable}),
        "distinct_schemas": len({row["schema_digest"] for row in rows.tables}),
        "columns": len(rows.columns),
        "rows": sum(cast("int", row["n_rows"]) for row in rows.tables),
        "bytes": sum(cast("int", row["n_bytes"]) for row in rows.tables),
        "source_identity": listing.identity,
    }
