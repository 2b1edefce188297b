"""The chain as a Prefect flow: typed parameters in, artifacts out, works with no server running."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import Task, flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.states import Cancelled, Completed

from lakebed.branches import parted, run_branches
from lakebed.chain import CHAIN, chosen_stages, gets_report
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ConfigError, LeaseError
from lakebed.connectors.storage import is_object_store
from lakebed.flows.deployments import FLOW_COMMAND, own_parameters
from lakebed.flows.form import config_of, filled, with_form
from lakebed.flows.prefect_home import users_server
from lakebed.flows.run_page import NOTHING_DONE, publish_run, run_message
from lakebed.flows.run_progress import RunLogProgress, ServerProgress
from lakebed.flows.schedules import skipping, skips
from lakebed.quarantine import quarantine_told
from lakebed.run import begin, report_of
from lakebed.scope import RunScope
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import StageDef, run_stage
from lakebed.tasks.runtime.logs import configure
from lakebed.tasks.runtime.progress import Progress, show, shown
from lakebed.tasks.runtime.provenance import tell_caller
from lakebed.tasks.runtime.record import new_run_id
from lakebed.tasks.runtime.retry import DELAYS_S, is_transient


def prefect_ids() -> dict[str, str]:
    """Ids of the flow run and task run that this thread works for."""
    found: dict[str, str] = {}
    of_task, of_flow = TaskRunContext.get(), FlowRunContext.get()
    if of_task is not None:
        found["task_run_id"] = str(of_task.task_run.id)
        if of_task.task_run.flow_run_id:
            found["flow_run_id"] = str(of_task.task_run.flow_run_id)
    if of_flow is not None and of_flow.flow_run is not None:
        found |= {"flow_run_id": str(of_flow.flow_run.id), "flow_run": str(of_flow.flow_run.name)}
        if of_flow.flow_run.deployment_id:
            found["deployment_id"] = str(of_flow.flow_run.deployment_id)
    return found


tell_caller(prefect_ids)


def _may_try_again(_task: Any, _task_run: Any, state: Any) -> bool:
    """The retry policy as Prefect asks for it."""
    try:
        state.result()
    except BaseException as error:
        return is_transient(error)
    return False


TASKS: Mapping[str, Task[..., ArtifactRef]] = {
    stage.name: task(
        name=stage.name,
        retries=len(DELAYS_S),
        retry_delay_seconds=list(DELAYS_S),
        retry_condition_fn=_may_try_again,
        cache_policy=NO_CACHE,
    )(run_stage)
    for stage in CHAIN
}


@dataclass(frozen=True)
class _FlowRun:
    """The run that a call of the flow works for, and the stages that it goes through."""

    scope: RunScope
    stages: Sequence[StageDef]


@flow(
    name="lakebed",
    description="From a lake to proven containments, what to keep of it, and a search index.",
    # the sections are completed by those of the deployment first
    validate_parameters=False,
    # only a stage's task is tried again, and only after a transient error; no default of the server's changes that
    retries=0,
)
@with_form
def lake_flow(**given: Any) -> dict[str, ArtifactRef]:
    """Runs the chain, up to a stage or only one; a stage whose artifact exists is reused."""
    try:
        with _entered(given) as run:
            alone, others = parted(run.stages)
            for stage in alone:
                with run.scope.making(stage) as done:
                    done(_told(TASKS[stage.name](stage, run.scope.inputs)))
            sections, at_once = run.scope.inputs.sections, run.scope.stages_at_once
            run_branches(others, sections, partial(_make, run.scope), at_once=at_once)
    except LeaseError as error:
        # a run that went around the queue works there
        if not (_is_scheduled() and skips(given)):
            raise
        return cast("dict[str, ArtifactRef]", Cancelled(message=f"skipped: {error}"))
    return _completed(run.scope)


def _make(scope: RunScope, stage: StageDef) -> None:
    with scope.making(stage) as done:
        # what a task is called with, Prefect draws as what it waited for
        wanted = (*stage.reads(scope.inputs.sections), stage.name)
        refs = {name: ref for name, ref in scope.inputs.refs.items() if name in wanted}
        done(_told(TASKS[stage.name](stage, scope.inputs.with_refs(refs))))


def _told(ref: ArtifactRef) -> ArtifactRef:
    get_run_logger().info("stage %s: artifact %s", ref.stage, ref.key[:12])
    return ref


def _is_scheduled() -> bool:
    """Whether a schedule has made this flow run."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.auto_scheduled)


@contextlib.contextmanager
def _entered(given: Mapping[str, Any]) -> Iterator[_FlowRun]:
    """The run that the caller has opened, or one of the flow's own."""
    given = filled(given)
    to, only = given["to"], given["only"]
    scope = RunScope.joined()
    if scope is not None:
        stages = chosen_stages(to, only, scope.config)
        # the command line has opened the run; on the user's server it shows itself there too
        with _shown_on_server(scope, stages, shown()):
            _note_flow_run(scope)
            yield _FlowRun(scope, stages)
        _publish(scope)
        return
    config = config_of(given, own_parameters())
    _require_absolute(config)
    command = [*FLOW_COMMAND, str(runtime.flow_run.id)]
    scope = RunScope(config.resolved(), new_run_id(), command, is_deployed=True)
    with _alone(scope, to, only) as run:
        yield run


@contextlib.contextmanager
def _alone(scope: RunScope, to: str | None, only: str | None) -> Iterator[_FlowRun]:
    """What the command line does around the flow, for a run that a person or a schedule started in Prefect."""
    stages, logger = chosen_stages(to, only, scope.config), get_run_logger()
    progress: Progress = RunLogProgress(logger)
    if scope.config.logging.format == "json":
        configure(scope.config.logging)
        progress = shown()
    for line in quarantine_told(scope.config)[0]:
        logger.warning(line)
    with scope, _skipping_due(), _shown_on_server(scope, stages, progress):
        _crash_dead_runs(scope)
        if begin(scope, stages, only):
            _note_flow_run(scope)
            yield _FlowRun(scope, stages)
            scope.note_costs(0.0)
        else:
            logger.info(NOTHING_DONE)
            yield _FlowRun(scope, ())
        scope.judge()
    report = report_of(scope) if gets_report(to, only) else ""
    if report:
        logger.info("report: %s", report)
    _publish(scope, report)


def _skipping_due() -> contextlib.AbstractContextManager[None]:
    """Around a deployment's run: what is due meanwhile on its artifact root is skipped."""
    if not (runtime.deployment.id and users_server()):
        return contextlib.nullcontext()
    return skipping(UUID(str(runtime.flow_run.id)), get_run_logger())


def _note_flow_run(scope: RunScope) -> None:
    """Writes the ids of the flow run into the run's record."""
    scope.log.update(prefect={name: value for name, value in prefect_ids().items() if name != "task_run_id"})


@contextlib.contextmanager
def _shown_on_server(scope: RunScope, stages: Sequence[StageDef], inner: Progress) -> Iterator[None]:
    """What stages report goes to `inner`, and to the user's server where there is one."""
    before = shown()
    try:
        if users_server():
            names = tuple(stage.name for stage in stages)
            with ServerProgress(inner, names, f"lakebed-progress-{scope.workspace_id}").running() as progress:
                show(progress)
                yield
        else:
            show(inner)
            yield
    finally:
        show(before)


def _publish(scope: RunScope, report: str = "") -> None:
    """The run's pages on the user's server; a server that refuses them spoils no run."""
    if not users_server():
        return
    try:
        publish_run(scope, report)
    except Exception as error:
        get_run_logger().warning("the run's pages were not made: %s", error)


def _completed(scope: RunScope) -> dict[str, ArtifactRef]:
    """The artifacts, in a state that says in a line what was done; callers of the flow get the artifacts alone."""
    message = run_message(scope.log.record.stages, scope.summaries())
    return cast("dict[str, ArtifactRef]", Completed(message=message, data=dict(scope.refs)))


def _crash_dead_runs(scope: RunScope) -> None:
    """The lease is ours, so what the server takes for running on this root and has no process is dead."""
    if not users_server():
        return
    from prefect.client.orchestration import get_client

    from lakebed.flows.dead_runs import crash_dead_runs

    try:
        with get_client(sync_client=True) as client:
            for each in crash_dead_runs(client, scope.config.artifacts, str(runtime.flow_run.id)):
                get_run_logger().warning("flow run %s is marked as crashed: its process is gone", each)
    except Exception as error:
        get_run_logger().warning("dead runs were not told to the server: %s", error)


def _require_absolute(config: LakebedConfig) -> None:
    """A deployment's process works in a folder that goes with it: a path relative to that would be lost.

    Raises:
        ConfigError: naming the path.
    """
    if not runtime.deployment.id:
        return
    for name, path in (("lake.root", config.lake.root), ("artifacts", config.artifacts), ("suites", config.suites)):
        if path and not is_object_store(path) and not os.path.isabs(os.path.expanduser(path)):
            raise ConfigError(
                f"{name} is not an absolute path",
                value=path,
                expected="an absolute path: the run works in a temporary folder of its own",
                hint="change the parameter in the form, or register again with lakebed serve",
            )
