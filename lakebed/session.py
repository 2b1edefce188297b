"""A lake as programs and notebooks hold it: `lakebed.open`, what it runs, asks, sets aside and brings back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebed.answers import Answers
from lakebed.artifacts import all_runs
from lakebed.config import DEFAULT_FILE, LakebedConfig, load_config, merged
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.storage import join_uri
from lakebed.quarantine import chosen_tables, lake_settings, purge, restore
from lakebed.results import Result
from lakebed.run import Runner, RunResult, run
from lakebed.tasks.quarantine.reading import open_table
from lakebed.tasks.runtime.progress import Progress, telling

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebed.planning import LakePlan
    from lakebed.savings import Savings
    from lakebed.status import Status
    from lakebed.tables import LakeTables
    from lakebed.tasks.quarantine.purge import Purged
    from lakebed.tasks.quarantine.restore import Restored


@dataclass(frozen=True)
class StageRow:
    """A stage of a run: whether its artifact was there before, what it took and read."""

    stage: str
    reused: bool
    seconds: float
    rows: int
    bytes_read: int
    key: str
    digest: str


class Run(Answers):
    """A finished run: its record, counts and report; its questions are asked of what this run made.

    Attributes:
        record: as it is kept in the artifact root.
        counts: of the lake's stages, and of each later stage under its name.
        report: path of the HTML report, empty where the run did not reach what it shows.
    """

    def __init__(self, root: str, result: RunResult) -> None:
        super().__init__(root, result.record)
        self.record, self.counts, self.report = result.record, result.counts, result.report

    @property
    def stages(self) -> Result[StageRow]:
        """What was built and what was there before."""
        names = StageRow.__dataclass_fields__
        rows = (StageRow(**{name: getattr(stage, name) for name in names}) for stage in self.record.stages)
        return Result(StageRow, rows, f"run {self.record.run_id}, {self.record.status}")

    def __repr__(self) -> str:
        return repr(self.stages)

    def _repr_html_(self) -> str:
        return self.stages._repr_html_()


class Lake(Answers):
    """A lake and its artifact root, as `open` gives it; it answers from the newest run that came far enough.

    Args:
        config: TOML file.
        given: nested values that win over the file.
        progress: whether standard error says how far work is, or who says it.
    """

    def __init__(self, config: Path | None, given: Mapping[str, Any], *, progress: bool | Progress = True) -> None:
        self._file, self._progress = config, progress
        found = load_config(config, given, defaults={"lake": {"root": "."}})
        super().__init__(found.artifacts)
        # the working folder may be another one later
        root = {"lake": {"root": found.lake.root}} if given.get("lake", {}).get("root") else {}
        self._given = merged(given, {"artifacts": found.artifacts, **root})

    def __repr__(self) -> str:
        return f"<Lake with artifacts in {self.artifacts}>"

    @property
    def artifacts(self) -> str:
        """The artifact root."""
        return self._root

    @property
    def config(self) -> LakebedConfig:
        """The settings; a lake that nothing names is that of the newest run.

        Raises:
            ConfigError: if no run has named one either.
        """
        try:
            return load_config(self._file, self._given)
        except ConfigError:
            # nothing names a lake, all else was read before
            return lake_settings(self._file, self._given)

    def run(
        self, to: str | None = None, only: str | None = None, *, full: bool = False, runner: Runner | None = None
    ) -> Run:
        """Runs the chain as `lakebed run` does: the same lease, record, checks and report; what is there is reused.

        Args:
            to: last stage to run; the index where none is named.
            only: the one stage to run.
            full: whether nothing of earlier runs is reused.
            runner: runs the stages, as `lakebed.flows.runner.run_flow` does through Prefect; this process without one.

        Raises:
            ConfigError: if there is no such stage, or nothing names a lake.
            LeaseError: if another run works on the artifact root.
            LakeError: whatever a stage raises.
        """
        config = self.config.model_copy(update={"full": full or self.config.full})
        with telling(self._progress) as progress:
            return Run(self.artifacts, run(config, to=to, only=only, progress=progress, runner=runner))

    def plan(self, file: str | Path | None = None) -> "LakePlan":
        """Table by table what may go, how it is rebuilt and what that saves; or a plan that was saved.

        Raises:
            ArtifactError: if no run has reached the retention stage.
            PlanError: if the lake has changed since, or the file holds no plan.
        """
        from lakebed.planning import LakePlan, plan_under
        from lakebed.tasks.retention.plan import read_plan

        plan = plan_under(self._file, self._given) if file is None else read_plan(Path(file))
        return LakePlan(plan, self._file, self._given, progress=self._progress)

    def restore(self, *tables: str, everything: bool = False, beside: str = "", dry_run: bool = False) -> "Restored":
        """Brings tables back: from quarantine byte for byte, or rebuilt from their parents once they were purged.

        One table may come back to another path in the lake, `beside` what was written in its place since.

        Examples:
            >>> lake.restore(everything=True, dry_run=True).moved
            ()

        Raises:
            ConfigError: if neither names nor `everything` are given, or both.
            PlanError: if it is refused.
        """
        chosen = chosen_tables(tables, everything, "restore")
        with telling(self._progress):
            return restore(chosen, lake_settings(self._file, self._given), is_dry=dry_run, beside=beside)

    def purge(self, *tables: str, everything: bool = False, dry_run: bool = False) -> "Purged":
        """Deletes tables in quarantine whose days of grace are over, for ever; with `everything` all that are due.

        Raises: as `restore`.
        """
        chosen = chosen_tables(tables, everything, "purge")
        with telling(self._progress):
            return purge(chosen, lake_settings(self._file, self._given), is_dry=dry_run)

    def status(self, n: int = 10) -> "Status":
        """What needs attention, the newest runs, the quarantine and what it pins.

        Examples:
            >>> status = lake.status()
            >>> status[0].status, len(status.quarantine)
            ('completed', 0)

        Raises:
            ArtifactError: if no run has been made.
        """
        from lakebed.status import status_of

        return status_of(self.artifacts, all_runs(self.artifacts)[:n], lake_settings(self._file, self._given))

    def savings(self) -> "Savings":
        """What may go, what is set aside and still paid for, and what was purged: saved so far.

        Examples:
            >>> savings = lake.savings()
            >>> savings.may_go.n_tables, savings.set_aside.n_tables, savings.saved.n_bytes
            (2, 0, 0)

        Raises:
            ArtifactError: if no run has reached the retention stage.
        """
        from lakebed.savings import savings_of

        return savings_of(lake_settings(self._file, self._given))

    def tables(self) -> "LakeTables":
        """Every table: those that the newest run read, those that it could not read, those that were set aside.

        Examples:
            >>> [row.name for row in lake.tables().of_state("unreadable")]
            ['broken']

        Raises:
            ArtifactError: if no run has made an inventory.
        """
        from lakebed.tables import lake_tables

        return lake_tables(lake_settings(self._file, self._given))

    def open_table(self, name: str) -> "pa.Table":
        """The rows of a table: at its place, from quarantine, or, once purged, rebuilt in memory.

        Examples:
            >>> lake.open_table("names").num_rows
            120

        Raises:
            SourceError: if there is neither a table nor a pointer to one, or it cannot be read.
            PlanError: if it was purged and its parents have changed since.
        """
        lake = self.config.lake
        return open_table(join_uri(lake.root, name), lake)


def open(
    lake: str | Path | Mapping[str, Any] | None = None,
    artifacts: str | Path | None = None,
    *,
    config: str | Path | None = None,
    progress: bool | Progress = True,
    **settings: Any,
) -> Lake:
    """A lake to run the chain on, and to ask what it found.

    Examples:
        >>> lake = lakebed.open("lake", artifacts="artifacts", containment={"semantics": "bag"})
        >>> lake.config.containment.semantics
        'bag'

    Args:
        lake: its folder or prefix, or the section `lake` of the config; where nothing names one, it is that of the
            newest run on the artifact root.
        artifacts: folder or prefix of artifacts and run records.
        config: TOML file; `lakebed.toml` of the working folder where none is named and there is one.
        progress: whether work that takes long says on standard error how far it is.
        settings: sections of the config, which win over file and environment.

    Raises:
        ConfigError: if a setting is wrong.
    """
    section = {"root": str(lake)} if isinstance(lake, str | Path) else lake
    given = {"lake": section, "artifacts": None if artifacts is None else str(artifacts)}
    named = {name: value for name, value in given.items() if value is not None}
    file = Path(config or DEFAULT_FILE)
    return Lake(file.resolve() if config or file.exists() else None, merged(settings, named), progress=progress)
