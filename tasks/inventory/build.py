"""Building the inventory: what the lake holds, from metadata where it can be, from data where it must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS, SPARK_FORMATS, VIEW
from lakebed.connectors.lake.hidden import DELTA_LOG
from lakebed.connectors.lake.iceberg.model import METADATA
from lakebed.connectors.lake.listing import Listing, empty_lake_error
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.lake.parquet import read_footers
from lakebed.tasks.inventory.books import LakeBooks, discover_with_books
from lakebed.tasks.inventory.contract import CONTRACTS
from lakebed.tasks.inventory.copies import StagedTables, StagingPlace, facts_of, stage_directly
from lakebed.tasks.inventory.gaps import Gap, TableGaps, apply_bounds, choose_gaps, plan_missing, table_gaps
from lakebed.tasks.inventory.kernel import TableFacts, describe_tables
from lakebed.tasks.inventory.metadata import (
    LakeFacts,
    read_metadata,
    reason_text,
)
from lakebed.tasks.inventory.previous import STATE, KnownTable, Reuse, save_state, table_states, tokens_of
from lakebed.tasks.inventory.sources import changed_paths
from lakebed.tasks.inventory.staging import Staging, as_source_error, is_staged
from lakebed.tasks.inventory.worker import FooterUnit, Outcome, Unit, WorkContext
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.choice import engine_for
from lakebed.tasks.scan.spark import SparkEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from lakebed.connectors.lake.direct import DirectRead
    from lakebed.connectors.lake.discovery import Discovery
    from lakebed.connectors.lake.hudi import HudiRead
    from lakebed.connectors.lake.model import FileEntry, TableSource
    from lakebed.connectors.lake.statistics import FileFacts
    from lakebed.connectors.postgresql.database import TableRead
    from lakebed.tasks.inventory.config import InventoryConfig
    from lakebed.tasks.inventory.external import FrameRead
    from lakebed.tasks.inventory.kernel import InventoryRows
    from lakebed.tasks.inventory.sources import OpenLake
    from lakebed.tasks.runtime.artifacts import ArtifactRef
    from lakebed.tasks.runtime.stage import Stage, StageMetrics
    from lakebed.tasks.scan.engine import Engine

_FILES_PER_UNIT = 500


def build_artifact(stage: Stage, config: InventoryConfig, lake: OpenLake, metrics: StageMetrics) -> ArtifactRef:
    """Makes the inventory of a listed lake and publishes it.

    Raises:
        ConfigError: if the lake holds no table.
        SourceError: with `strict`, if any table cannot be read.
    """
    listing = lake.listing
    discovery, books = _discovered(listing, stage)
    work = _Work(stage, listing, metrics)
    with metrics.step("previous"):
        reuse = Reuse.of(stage, table_states(listing, discovery.tables))
    opened = [source for source in discovery.tables if source.name not in reuse.tables]
    if any(is_staged(source) for source in opened):
        work.engine.start()
    if any(source.format in SPARK_FORMATS for source in opened):
        work.spark.start()
    n_files = sum(len(source.files) for source in opened if source.format not in EXTERNAL_FORMATS)
    with metrics.step("metadata"), shown().step(f"Reading the metadata of {n_files:,} files"):
        facts, gaps = _read_metadata(work, config, discovery, reuse)
    _require_strict(stage, facts)
    with metrics.step("data") as cost:
        own = [source for source in discovery.tables if is_staged(source) and not facts.is_part(source)]
        staging = Staging.of(stage, own, reuse)
        _read_data(work, staging, facts, gaps.chosen)
        cost.bytes_read = work.bytes_read
    with metrics.step("sources") as cost:
        n_before = work.bytes_read
        staged = _read_sources(work, lake, [s for s in opened if s.format in EXTERNAL_FORMATS], facts)
        cost.bytes_read = work.bytes_read - n_before
    _drop_changed(stage, listing, facts)
    _require_strict(stage, facts)
    with metrics.step("tables"):
        tables = sorted(facts.tables.values(), key=lambda table: table.source.name)
        made = reuse.merged(_arrow_tables(describe_tables(tables), facts), staging.moved)
    metrics.peak_worker_bytes = work.peak_worker_bytes
    metrics.changes = reuse.changes(facts.tables)
    save_state(stage.store.storage, f"{stage.path}/{STATE}", gaps.known(facts, reuse))
    staged += [*reuse.link_copies(stage.path, discovery.tables), *books.save(stage)]
    return stage.publish(made, _summary(made, listing, discovery), metrics, side_files=[STATE, *staging.kept, *staged])


def _discovered(listing: Listing, stage: Stage) -> tuple[Discovery, LakeBooks]:
    """The tables of the folder and of the sources beside it.

    Raises:
        ConfigError: if there is none.
    """
    found, books = discover_with_books(stage, listing)
    tables = sorted([*found.tables, *listing.sources], key=lambda source: source.name)
    if not tables and not found.unreadable and not listing.problems:
        raise empty_lake_error(listing.root, has_files=True)
    return replace(found, tables=tuple(tables)), books


def _read_sources(work: _Work, lake: OpenLake, sources: Sequence[TableSource], facts: LakeFacts) -> list[str]:
    """Stages what is no file of a known format; the paths of the copies, below the artifact's folder."""
    reads, refused = [], set()
    for source in sources:
        try:
            reads.append(lake.read(source.name))
        except SourceError as error:
            facts.refuse(source, error)
            refused |= set() if isinstance(error, Transient) else {source.name}
    if not reads:
        lake.remember({}, refused)
        return []
    staged = _staged_reads(work, reads)
    work.bytes_read += staged.bytes_read
    work.peak_worker_bytes = max(work.peak_worker_bytes, staged.peak_worker_bytes)
    planned = {read.name for read in reads}
    for source in sources:
        if source.name in planned:
            try:
                facts.add(facts_of(source, staged))
            except SourceError as error:
                facts.refuse(source, error)
    n_rows = {name: sum(file.n_rows for file in files) for name, files in staged.files.items()}
    lake.remember(n_rows, refused | staged.refused)
    return staged.paths


def _staged_reads(work: _Work, reads: Sequence[TableRead | FrameRead | DirectRead | HudiRead]) -> StagedTables:
    """Copies of the tables: by one Spark job, or by this process where it has the client."""
    from lakebed.connectors.lake.direct import DirectRead
    from lakebed.connectors.lake.hudi import HudiRead

    direct = [read for read in reads if isinstance(read, DirectRead | HudiRead)]
    by_spark = [read for read in reads if not isinstance(read, DirectRead | HudiRead)]
    place = StagingPlace(work.stage.store.storage, work.stage.path)
    workspace = work.stage.workspace
    ignore_case = workspace.lake.ignore_column_case
    staged = StagedTables()
    if by_spark:
        from lakebed.connectors.spark.connect import require_jvm
        from lakebed.tasks.inventory.external import stage_tables

        require_jvm(workspace.spark, "reading databases", "take `lake.databases` out, or name another master")
        staged = stage_tables(work.spark.session, by_spark, place, ignore_case=ignore_case)
    if direct:
        stage_directly(direct, place, staged, ignore_case=ignore_case)
    return staged


@dataclass(frozen=True)
class _Gaps:
    """What metadata did not say of the tables that were opened, and the gaps of all tables that are to be closed."""

    tables: dict[str, TableGaps]
    chosen: dict[str, list[Gap]]

    def known(self, facts: LakeFacts, reuse: Reuse) -> list[KnownTable]:
        """What the next run may take: of each table that can be read."""
        opened = [
            KnownTable(
                name, reuse.states[name], self.tables.get(name), tokens_of(self.chosen.get(name, ())), _notes(table)
            )
            for name, table in facts.tables.items()
            # a table that was found only by looking into a folder's files is looked for again, and so is one that has
            # files which would be tables without it
            if name in reuse.states and name not in facts.elsewhere.values()
        ]
        return [*opened, *reuse.tables.values()]


def _notes(table: TableFacts) -> tuple[str, ...]:
    """What is said of how a table's text was read, each once."""
    return tuple(dict.fromkeys(note for file in table.files for note in file.notes))


def _read_metadata(work: _Work, config: InventoryConfig, discovery: Discovery, reuse: Reuse) -> tuple[LakeFacts, _Gaps]:
    """Opens every table that is not kept; those, too, of which more or less is to be read than was then."""
    listing, lake = work.listing, work.stage.workspace.lake
    read = partial(_read_footers, work, config)
    left = [source for source in discovery.tables if source.name not in reuse.tables]
    facts = read_metadata(listing, replace(discovery, tables=tuple(left)), lake, read)
    for source in discovery.tables:
        if source.name in reuse.tables and facts.is_part(source):
            del reuse.tables[source.name]
    gaps = table_gaps(facts.tables.values())
    again = set(reuse.reopen(choose_gaps([*gaps, *reuse.gaps], config)))
    if again:
        left = [source for source in discovery.tables if source.name in again]
        more = read_metadata(listing, replace(discovery, tables=tuple(left)), lake, read)
        facts.tables |= more.tables
        facts.unreadable += more.unreadable
        facts.elsewhere |= more.elsewhere
        gaps += table_gaps(more.tables.values())
    return facts, _Gaps({table.name: table for table in gaps}, choose_gaps([*gaps, *reuse.gaps], config))


@dataclass
class _Work:
    """Data work, by an engine that starts only when there is some."""

    stage: Stage
    listing: Listing
    metrics: StageMetrics
    bytes_read: int = 0
    peak_worker_bytes: int = 0

    @property
    def engine(self) -> Engine:
        """For the files of the lake, which all can be read without Spark."""
        return engine_for(self.stage.workspace, sum(entry.size for entry in self.listing.files))

    @property
    def spark(self) -> SparkEngine:
        """For databases and catalogs, which only Spark reads."""
        return SparkEngine(self.stage.workspace.spark)

    def do(self, units: Sequence[Unit]) -> list[Outcome]:
        """Does the units in one job."""
        if not units:
            return []
        from lakebed.tasks.inventory.jobs import do_units

        lake = self.stage.workspace.lake
        context = WorkContext(self.listing.root, lake.text, lake.ignore_column_case)
        done = do_units(self.engine, context, units)
        self.bytes_read += sum(outcome.n_bytes for outcome in done.outcomes)
        self.peak_worker_bytes = max(self.peak_worker_bytes, done.peak_worker_bytes)
        return done.outcomes


def _read_footers(work: _Work, config: InventoryConfig, entries: Sequence[FileEntry]) -> list[FileFacts | Unreadable]:
    """Footers by children of the driver, or on big lakes by the engine's workers."""
    if len(entries) <= config.max_driver_footers:
        ignore_case = work.stage.workspace.lake.ignore_column_case
        return read_footers(work.listing.root, entries, config.footer_threads, ignore_case=ignore_case)
    starts = range(0, len(entries), _FILES_PER_UNIT)
    outcomes = work.do([FooterUnit(tuple(entries[start : start + _FILES_PER_UNIT])) for start in starts])
    return [facts for outcome in outcomes for facts in outcome.footers]


def _read_data(work: _Work, staging: Staging, facts: LakeFacts, chosen: dict[str, list[Gap]]) -> None:
    """Stages text tables and reads missing bounds, in one job."""
    missing = plan_missing(facts.tables.values(), chosen)
    outcomes = work.do([*staging.units, *(unit for _, _, unit in missing)])
    n_text = len(staging.units)
    for (table, file, _), outcome in zip(missing, outcomes[n_text:], strict=True):
        if outcome.error is None:
            apply_bounds(file, outcome)
        elif facts.tables.pop(table.source.name, None):
            error = as_source_error(outcome.error)
            facts.unreadable.append(Unreadable(table.source.name, table.source.format, reason_text(error), error.hint))
    staging.finish(outcomes[:n_text], facts, work.stage)


def _drop_changed(stage: Stage, listing: Listing, facts: LakeFacts) -> None:
    """Lists the tables whose files changed while they were read: what was read of them is of no one state."""
    changed = changed_paths(listing, stage.workspace.lake)
    logs = {"delta": (DELTA_LOG,), "iceberg": (METADATA,)}
    for name, table in list(facts.tables.items()):
        parts = logs.get(table.source.format, ())
        beside = [entry.path for entry in table.source.files] if table.source.part else []
        if any(path in changed for path in (*(file.path for file in table.files), *beside)) or any(
            path.startswith(f"{table.source.path}/{part}/") for path in changed for part in parts
        ):
            del facts.tables[name]
            reason = "its files changed while the inventory was made"
            facts.unreadable.append(Unreadable(name, table.source.format, reason, "run the same command again"))


def _require_strict(stage: Stage, facts: LakeFacts) -> None:
    unreadable = [bad for bad in facts.unreadable if bad.format != VIEW]
    if stage.workspace.lake.strict and unreadable:
        raise SourceError(
            f"{len(unreadable)} tables of the lake cannot be read, and `strict` is set",
            expected="a lake whose tables can all be read",
            hint=unreadable[0].hint or "leave them out with `exclude`, or run without `--strict`",
            examples=[f"{bad.name}: {bad.reason}" for bad in unreadable],
        )


def _arrow_tables(rows: InventoryRows, facts: LakeFacts) -> dict[str, pa.Table]:
    found = {(bad.name, bad.format): bad for bad in facts.unreadable}
    unreadable = [
        {"name": bad.name, "format": bad.format, "reason": bad.reason, "hint": bad.hint} for bad in found.values()
    ]
    by_name = {**vars(rows), "unreadable": sorted(unreadable, key=lambda row: (row["name"], row["format"]))}
    return {name: contract.table(by_name[name]) for name, contract in CONTRACTS.items()}


def _summary(made: Mapping[str, pa.Table], listing: Listing, discovery: Discovery) -> dict[str, object]:
    tables = made["tables"]
    return {
        "tables": tables.num_rows,
        "unreadable": made["unreadable"].num_rows,
        "distinct_schemas": len(tables["schema_digest"].unique()),
        "columns": made["columns"].num_rows,
        "rows": sum(tables["n_rows"].to_pylist()),
        "bytes": sum(tables["n_bytes"].to_pylist()),
        "other_files": len(discovery.others),
        "other_bytes": sum(entry.size for entry in discovery.others),
        "source_identity": listing.identity,
    }
