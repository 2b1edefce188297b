"""One run from start to finish, as the command line does it."""

import atexit
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebed.chain import Link, chosen_links, find_reusable, gets_report, require_inputs
from lakebed.config import NOT_OF_RUNS, LakebedConfig
from lakebed.connectors.errors import StageError
from lakebed.connectors.spark.submitted import is_submitted
from lakebed.quarantine import quarantine_warnings
from lakebed.scope import RunScope
from lakebed.tasks.report.config import REPORT, ReportConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.expectations_queue import has_requests
from lakebed.tasks.runtime.progress import Progress, show, shown
from lakebed.tasks.runtime.record import RUNS, RunRecord, iterate_runs, new_run_id

if TYPE_CHECKING:
    from lakebed.flows.prefect_home import EphemeralServer

LAKE_STAGES = ("inventory", "containment", "retention")


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Attributes:
        record: of the run.
        counts: the deterministic counts of the lake's stages, and of each later stage under its name.
        report: path of the HTML report, empty where the run did not reach what it shows.
    """

    record: RunRecord
    counts: dict[str, Any]
    report: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        stages = [stage.model_dump(mode="json") for stage in self.record.stages]
        return {
            "run_id": self.record.run_id,
            **self.counts,
            "stages": stages,
            "session_start_s": round(self.record.session_start_s, 3),
            "wall_after_session_s": round(self.record.wall_after_session_s, 3),
            "prefect_start_s": round(self.record.prefect_start_s, 3),
            "expectations": self.record.expectations.model_dump(mode="json"),
            "total_s": round(self.record.total_s, 3),
            "peak_driver_bytes": self.record.peak_driver_bytes,
            "report": self.report,
        }


def run(
    config: LakebedConfig, *, to: str | None = None, only: str | None = None, progress: Progress | None = None
) -> RunResult:
    """Runs the chain; a run whose artifacts all exist starts neither Spark nor Prefect.

    Under spark-submit the stages run without Prefect, unless a server is named for it.

    Raises:
        ConfigError: if there is no such stage, or lake and artifacts lie in each other.
        LeaseError: if another run works on the artifact root.
        LakeError: whatever a stage raises.
    """
    links, has_prefect = chosen_links(to, only, config), uses_prefect()
    show(progress or Progress(is_quiet=True))
    for line in quarantine_warnings(config):
        shown().note(f"warning: {line}")
    with RunScope(config, new_run_id(), sys.argv) as scope:
        _run_scoped(scope, links, (to, only), has_prefect=has_prefect)
        counts = _counts(scope)
    return RunResult(scope.log.record, counts, report_of(scope) if gets_report(to, only) else "")


def report_of(scope: RunScope) -> str:
    """The report of a run of the whole chain: that of an earlier run where nothing was built since."""
    if all(stage.reused for stage in scope.log.record.stages):
        keys = {stage.key for stage in scope.log.record.stages}
        for record in iterate_runs(scope.config.artifacts):
            if keys <= {stage.key for stage in record.stages} and (path := report_path(scope.store, record.run_id)):
                return path
    return write_run_report(scope.store, scope.log.record, scope.config.lake.root, scope.config.report)


def report_path(store: ArtifactStore, run_id: str) -> str:
    """Where the report of a run lies; empty where it has none."""
    path = f"{RUNS}/{run_id}/{REPORT}"
    return store.storage.uri(path) if store.storage.exists(path) else ""


def write_run_report(store: ArtifactStore, record: RunRecord, lake: str, config: ReportConfig) -> str:
    """Writes the report of a finished run from its artifacts, and returns its path."""
    from lakebed.tasks.report.collect import collect
    from lakebed.tasks.report.run_record import read_run_record
    from lakebed.tasks.report.stage import write_report

    refs = {stage.stage: ArtifactRef(stage=stage.stage, key=stage.key, digest=stage.digest) for stage in record.stages}
    shown = read_run_record(store, record.run_id)
    data = collect(store, refs, shown, lake=lake, config=config)
    return write_report(data, store.storage.uri(RUNS, record.run_id, REPORT), config)


def begin(scope: RunScope, links: Sequence[Link], only: str | None) -> Sequence[Link]:
    """Finds what is there already, starts beside what the rest needs, and returns the links that have work to do.

    Raises:
        StageError: if `only` names a stage whose inputs are not there.
    """
    started = time.monotonic()
    scope.take_suites()
    refs = find_reusable(links, scope.workspace, scope.config)
    scope.found = refs
    todo = links[len(refs) :]
    require_inputs(todo, only)
    if todo or has_requests(scope.log.folder):
        scope.start_beside(needs_spark=any(link.needs_spark for link in todo))
    if not todo:
        for ref in refs.values():
            scope.done(ref, time.monotonic() - started)
        scope.require_lake_suites()
    return todo


def uses_prefect() -> bool:
    """Whether a run goes through Prefect: a driver that spark-submit started begins no server of its own."""
    from lakebed.flows.prefect_home import configured_api_url

    return not is_submitted() or bool(configured_api_url())


def _run_scoped(
    scope: RunScope, links: Sequence[Link], choice: tuple[str | None, str | None], *, has_prefect: bool
) -> None:
    progress = shown()
    if not begin(scope, links, choice[1]):
        progress.note("all artifacts are up to date")
    elif has_prefect:
        _run_flow(scope, choice, progress)
    else:
        from lakebed.plain import run_plain

        run_plain(scope, links)
        scope.note_costs(0.0)
    if scope.is_judging:
        with progress.step("Waiting for Great Expectations"):
            scope.judge()


def _run_flow(scope: RunScope, choice: tuple[str | None, str | None], progress: Progress) -> None:
    from lakebed.flows.prefect_home import configured_api_url

    # the command line prints a stage's error itself; Prefect would log it twice more, with its own traceback
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    server = _shared_server()
    with progress.step("Starting Prefect"):
        if server is not None:
            server.start()
        from lakebed.flows.lake import lake_flow

        if server is not None:
            server.wait()
    ready_at, config = time.monotonic(), scope.config
    # no stage reads the settings of the quarantine and of `gc`
    sections = {name: getattr(config, name) for name in LakebedConfig.model_fields if name not in NOT_OF_RUNS}
    try:
        lake_flow(**sections, to=choice[0], only=choice[1], run_id=scope.run_id)
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        raise StageError(
            "Prefect's server does not answer",
            value=configured_api_url() or error,
            expected="a server that runs, or none named: then the run starts its own",
            hint="start it, or unset PREFECT_API_URL",
        ) from error
    scope.note_costs((server.seconds if server else None) or 0.0, ready_at)


_servers: list["EphemeralServer"] = []


def _shared_server() -> "EphemeralServer | None":
    """The one server of this process, which ends with it: Prefect reads its address only when it is imported.

    None where Prefect is imported already by somebody else: then it looks after its server itself.
    """
    from lakebed.flows.prefect_home import EphemeralServer

    if not _servers and "prefect" not in sys.modules:
        _servers.append(EphemeralServer(Path(tempfile.mkdtemp(prefix="lakebed-prefect-"))))
        atexit.register(_servers[0].stop)
    return _servers[0] if _servers else None


def _counts(scope: RunScope) -> dict[str, Any]:
    """The lake's counts side by side, those of each later stage under its name."""
    counts: dict[str, Any] = {}
    for stage, summary in scope.summaries().items():
        counts |= summary if stage in LAKE_STAGES else {stage: summary}
    return counts
