"""One run from start to finish, with Prefect or without it."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lakebed.artifacts import refs_of
from lakebed.branches import parted, run_branches
from lakebed.chain import CHAIN, chosen_stages, find_reusable, gets_report, require_inputs
from lakebed.changes import Changes
from lakebed.changes import section as changes_section
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ArtifactError
from lakebed.quarantine import quarantine_told
from lakebed.savings import savings_of, section
from lakebed.scope import RunScope
from lakebed.tables import INVENTORY, table_bytes
from lakebed.tasks.report.config import REPORT
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import StageDef, run_stage
from lakebed.tasks.runtime.expectations_queue import has_requests
from lakebed.tasks.runtime.progress import Progress, show, shown
from lakebed.tasks.runtime.record import RUNS, RunRecord, iterate_runs, new_run_id
from lakebed.tasks.runtime.retry import retried

LAKE_STAGES = ("inventory", "containment", "retention")
# runs the stages up to one, or one alone, within an open scope
Runner = Callable[[RunScope, str | None, str | None], None]


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Attributes:
        record: of the run.
        counts: the deterministic counts of the lake's stages, and of each later stage under its name.
        report: path of the HTML report, empty where the run did not reach what it shows.
        changed: what is other than in the run before, in a line; empty where nothing is, or none was before.
    """

    record: RunRecord
    counts: dict[str, Any]
    report: str = ""
    changed: str = ""

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
            "changed": self.changed,
        }


def run(
    config: LakebedConfig,
    *,
    to: str | None = None,
    only: str | None = None,
    progress: Progress | None = None,
    runner: Runner | None = None,
) -> RunResult:
    """Runs the chain; a run whose artifacts all exist starts neither Spark nor a runner.

    Args:
        config: of the run.
        to: last stage to run; the index where none is named.
        only: the one stage to run.
        progress: where progress is shown; nowhere without it.
        runner: runs the stages; `lakebed.flows.runner` has the one that goes through Prefect. Without one they run in
            this process.

    Raises:
        ConfigError: if there is no such stage, or lake and artifacts lie in each other.
        LeaseError: if another run works on the artifact root.
        LakeError: whatever a stage raises.
    """
    stages = chosen_stages(to, only, config)
    show(progress or Progress(is_quiet=True))
    for line in quarantine_told(config)[0]:
        shown().note(f"warning: {line}")
    with RunScope(config, new_run_id(), sys.argv) as scope:
        if begin(scope, stages, only):
            (runner or run_here)(scope, to, only)
        else:
            shown().note("all artifacts are up to date")
        if scope.is_judging:
            with shown().step("Waiting for Great Expectations"):
                scope.judge()
        counts = _counts(scope)
    report = report_of(scope) if gets_report(to, only) else ""
    return RunResult(scope.log.record, counts, report, scope.changed.text() if scope.changed else "")


def report_of(scope: RunScope) -> str:
    """The report of a run of the whole chain: that of an earlier run where nothing was built since."""
    if all(stage.reused for stage in scope.log.record.stages):
        keys = {stage.key for stage in scope.log.record.stages}
        for record in iterate_runs(scope.config.artifacts):
            if keys <= {stage.key for stage in record.stages} and (path := report_path(scope.store, record.run_id)):
                return path
    return write_run_report(scope.store, scope.log.record, scope.config, scope.changed)


def report_path(store: ArtifactStore, run_id: str) -> str:
    """Where the report of a run lies; empty where it has none."""
    path = f"{RUNS}/{run_id}/{REPORT}"
    return store.storage.uri(path) if store.storage.exists(path) else ""


def write_run_report(
    store: ArtifactStore, record: RunRecord, settings: LakebedConfig, changed: Changes | None = None
) -> str:
    """Writes the report of a finished run from its artifacts, and returns its path; `changed` since the one before."""
    from lakebed.tasks.report.collect import collect
    from lakebed.tasks.report.run_record import read_run_record
    from lakebed.tasks.report.stage import write_report

    shown = read_run_record(store, record.run_id)
    contracts = {stage.name: stage.contracts for stage in CHAIN}
    lake, config = record.config["lake"]["root"], settings.report
    data = collect(store, refs_of(record), shown, lake=lake, contracts=contracts, config=config)
    with suppress(ArtifactError):
        data = replace(data, sections=(section(savings_of(settings)), *data.sections))
    if changed:
        data = replace(data, sections=(*data.sections, changes_section(changed)))
    return write_report(data, store.storage.uri(RUNS, record.run_id, REPORT), config)


def begin(scope: RunScope, stages: Sequence[StageDef], only: str | None) -> Sequence[StageDef]:
    """Finds what is there already, starts beside what the rest needs, and returns the stages that have work to do.

    Raises:
        StageError: if `only` names a stage whose inputs are not there.
    """
    started = time.monotonic()
    scope.take_suites()
    refs = find_reusable(stages, scope.inputs)
    scope.found = refs
    todo = stages[len(refs) :]
    require_inputs(todo, only)
    if todo or (scope.is_to_be_judged and has_requests(scope.log.folder)):
        scope.start_beside(todo)
    if not todo:
        for ref in refs.values():
            scope.done(ref, time.monotonic() - started)
        scope.require_lake_suites()
    return todo


def run_here(scope: RunScope, to: str | None, only: str | None) -> None:
    """The stages in this process, without Prefect: the same order, retries and record.

    Raises:
        LakeError: whatever a stage raises.
    """

    def make(stage: StageDef) -> None:
        with scope.making(stage) as done:
            done(retried(partial(run_stage, stage, scope.inputs), stage.name))

    alone, others = parted(chosen_stages(to, only, scope.config))
    for stage in alone:
        make(stage)
    run_branches(others, scope.inputs.sections, make, at_once=scope.stages_at_once)
    scope.note_costs(0.0)


def _counts(scope: RunScope) -> dict[str, Any]:
    """The lake's counts side by side, those of each later stage under its name."""
    counts: dict[str, Any] = {}
    for stage, summary in scope.summaries().items():
        counts |= summary if stage in LAKE_STAGES else {stage: summary}
    if INVENTORY in scope.refs:
        counts["table_bytes"] = table_bytes(scope.store, scope.refs)
    return counts
