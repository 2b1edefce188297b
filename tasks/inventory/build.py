"""Building the inventory: what the lake holds, from metadata where it can be, from data where it must be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Literal, cast

from lakebed.connectors.errors import SourceBusyError, SourceError, Transient
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS, VIEW
from lakebed.connectors.lake.discovery import apart, discover
from lakebed.connectors.lake.listing import Listing, empty_lake_error
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.lake.parquet import read_footers
from lakebed.tasks.inventory.contract import CONTRACTS
from lakebed.tasks.inventory.gaps import Gap, TableGaps, apply_bounds, choose_gaps, plan_missing, table_gaps
from lakebed.tasks.inventory.kernel import TableFacts, describe_tables
from lakebed.tasks.inventory.metadata import (
    LakeFacts,
    are_alike,
    read_metadata,
    reason_text,
    type_overrides,
    with_partitions,
)
from lakebed.tasks.inventory.previous import STATE, KnownTable, Reuse, save_state, table_states, tokens_of
from lakebed.tasks.inventory.sources import changed_paths
from lakebed.tasks.inventory.text import text_facts
from lakebed.tasks.inventory.worker import FooterUnit, Outcome, TextUnit, Unit, WorkContext
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.choice import engine_for
from lakebed.tasks.scan.spark import SparkEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from lakebed.connectors.lake.discovery import Discovery
    from lakebed.connectors.lake.model import FileEntry, TableSource
    from lakebed.connectors.lake.statistics import FileFacts
    from lakebed.tasks.inventory.config import InventoryConfig
    from lakebed.tasks.inventory.kernel import InventoryRows
    from lakebed.tasks.inventory.sources import OpenLake
    from lakebed.tasks.runtime.artifacts import ArtifactRef
    from lakebed.tasks.runtime.stage import Stage, StageMetrics
    from lakebed.tasks.scan.engine import Engine

STAGED = "staged"
_FILES_PER_UNIT = 500


def build_artifact(stage: Stage, config: InventoryConfig, lake: OpenLake, metrics: StageMetrics) -> ArtifactRef:
    """Makes the inventory of a listed lake and publishes it.

    Raises:
        ConfigError: if the lake holds no table.
        SourceError: with `strict`, if any table cannot be read.
    """
    listing = lake.listing
    discovery = _discovered(listing, stage)
    work = _Work(stage, listing, metrics)
    with metrics.step("previous"):
        reuse = Reuse.of(stage, table_states(listing, discovery.tables))
    opened = [source for source in discovery.tables if source.name not in reuse.tables]
    if any(is_text(source) for source in opened):
        work.engine.start()
    if any(source.format in EXTERNAL_FORMATS for source in opened):
        work.spark.start()
    n_files = sum(len(source.files) for source in opened if source.format not in EXTERNAL_FORMATS)
    with metrics.step("metadata"), shown().step(f"Reading the metadata of {n_files:,} files"):
        facts, gaps = _read_metadata(work, config, discovery, reuse)
    _require_strict(stage, facts)
    with metrics.step("data") as cost:
        staging = _Staging.of(stage, discovery.tables, reuse)
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
    staged += reuse.link_copies(stage.path, discovery.tables)
    return stage.publish(made, _summary(made, listing, discovery), metrics, side_files=[STATE, *staging.kept, *staged])


def _discovered(listing: Listing, stage: Stage) -> Discovery:
    """The tables of the folder and of the sources beside it.

    Raises:
        ConfigError: if there is none.
    """
    found = discover(listing, stage.workspace.lake)
    tables = sorted([*found.tables, *listing.sources], key=lambda source: source.name)
    if not tables and not found.unreadable and not listing.problems:
        raise empty_lake_error(listing.root, has_files=True)
    return replace(found, tables=tuple(tables))


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
    from lakebed.tasks.inventory.external import StagingPlace, facts_of, stage_tables

    place = StagingPlace(work.stage.store.storage, work.stage.path)
    staged = stage_tables(work.spark.session, reads, place, ignore_case=work.stage.workspace.lake.ignore_column_case)
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
            # a table that was found only by looking into a folder's files is looked for again
            if name in reuse.states
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
    gaps = table_gaps(facts.tables.values())
    again = set(reuse.reopen(choose_gaps([*gaps, *reuse.gaps], config)))
    if again:
        left = [source for source in discovery.tables if source.name in again]
        more = read_metadata(listing, replace(discovery, tables=tuple(left)), lake, read)
        facts.tables |= more.tables
        facts.unreadable += more.unreadable
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


def _read_data(work: _Work, staging: _Staging, facts: LakeFacts, chosen: dict[str, list[Gap]]) -> None:
    """Stages text tables and reads missing bounds, in one job."""
    missing = plan_missing(facts.tables.values(), chosen)
    outcomes = work.do([*staging.units, *(unit for _, _, unit in missing)])
    n_text = len(staging.units)
    for (table, file, _), outcome in zip(missing, outcomes[n_text:], strict=True):
        if outcome.error is None:
            apply_bounds(file, outcome)
        elif facts.tables.pop(table.source.name, None):
            error = _as_source_error(outcome.error)
            facts.unreadable.append(Unreadable(table.source.name, table.source.format, reason_text(error), error.hint))
    staging.finish(outcomes[:n_text], facts, work.stage)


def is_text(source: TableSource) -> bool:
    """Whether a table is text, which is staged as Parquet."""
    return source.format in ("csv", "json")


@dataclass
class _Staging:
    """Text tables on their way to Parquet: units and relative paths of the copies, one per file, in table order.

    `moved` are the copies that an earlier inventory made, by path of the text file; `kept` all that are there at the
    end.
    """

    sources: list[TableSource] = field(default_factory=list)
    units: list[TextUnit] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, tables: Sequence[TableSource], reuse: Reuse) -> _Staging:
        """Plans the copies; their names depend on the lake only."""
        staging = cls()
        numbers = count()
        for source in filter(is_text, tables):
            paths = [f"{STAGED}/{next(numbers):06d}.parquet" for _ in source.files]
            if source.name in reuse.tables:
                staging.moved |= {entry.path: path for entry, path in zip(source.files, paths, strict=True)}
            else:
                staging._add(stage, source, paths)
        if staging.moved:
            reuse.move_copies(stage.path, staging.moved)
        staging.kept = list(staging.moved.values())
        return staging

    def _add(self, stage: Stage, source: TableSource, paths: list[str]) -> None:
        overrides = type_overrides(source.name, stage.workspace.lake)
        format_ = cast("Literal['csv', 'json']", source.format)
        self.sources.append(source)
        self.paths += paths
        for entry, path in zip(source.files, paths, strict=True):
            self.units.append(TextUnit(entry.path, format_, f"{stage.folder}/{path}", overrides, entry.size))

    def finish(self, outcomes: Sequence[Outcome], facts: LakeFacts, stage: Stage) -> None:
        """Enters the tables; the copies of those that turned out unreadable are deleted."""
        start = 0
        for source in self.sources:
            part = slice(start, start + len(source.files))
            start = part.stop
            self.kept += _add_text(facts, source, outcomes[part], self.paths[part], stage)
        for path in sorted(set(self.paths) - set(self.kept)):
            stage.store.storage.delete_file(f"{stage.spec.name}/{stage.key}/{path}")


def _add_text(
    facts: LakeFacts, source: TableSource, outcomes: Sequence[Outcome], paths: Sequence[str], stage: Stage
) -> list[str]:
    """Enters a table of text, or its files by themselves where they turn out to be no parts; the copies to keep."""
    try:
        table = _text_table(source, outcomes, paths, stage)
        if source.is_guess and not are_alike(table.files):
            raise SourceError("its files have other columns", value=source.name)
        facts.add(table)
    except SourceError as error:
        if not source.is_guess:
            facts.refuse(source, error)
            return []
        parts = zip(apart(source), outcomes, paths, strict=True)
        return [path for one, outcome, own in parts for path in _add_text(facts, one, [outcome], [own], stage)]
    return [*paths] if source.name in facts.tables else []


def _text_table(source: TableSource, outcomes: Sequence[Outcome], paths: Sequence[str], stage: Stage) -> TableFacts:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        raise _as_source_error(errors[0])
    scans = [outcome.scan for outcome in outcomes if outcome.scan is not None]
    files = text_facts(scans, paths, [outcome.row_groups for outcome in outcomes])
    return with_partitions(TableFacts(source, files, "staged"), stage.workspace.lake)


def _as_source_error(error: Exception) -> SourceError:
    """The error of a table; whatever is no fault of the table ends the run."""
    if isinstance(error, SourceError) and not isinstance(error, SourceBusyError):
        return error
    raise error


def _drop_changed(stage: Stage, listing: Listing, facts: LakeFacts) -> None:
    """Lists the tables whose files changed while they were read: what was read of them is of no one state."""
    changed = changed_paths(listing, stage.workspace.lake)
    for name, table in list(facts.tables.items()):
        if any(file.path in changed for file in table.files) or any(
            path.startswith(f"{table.source.path}/_delta_log/") for path in changed
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
