"""Schedules of the deployments: when the chain runs by itself, what is due while a run works, and when none works.

A limit of Prefect's on the deployment would cancel the new run too, but it ends the run that works when its server does
not answer for seconds, and knows one deployment, not the artifact root. So the run that works skips what is due.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lakebed.connectors.errors import ConfigError
from lakebed.flows.deployment_limits import MIN_INTERVAL_S

if TYPE_CHECKING:
    import logging

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State, StateType
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import SCHEDULE_TYPES

_KEPT = 'overlap = "queue" lets such runs wait'
# tells what serve has paused from what somebody has
PAUSED_BY_SERVE = "paused-by-serve"
# as many as one question of Prefect's API answers
_PAGE = 200


@dataclass(frozen=True)
class Schedule:
    """When the chain runs by itself: a cron line, or every so many seconds; neither leaves the server's as they are."""

    cron: str = ""
    interval_s: float = 0.0
    timezone: str = ""

    def for_prefect(self) -> "SCHEDULE_TYPES | None":
        """As Prefect has it.

        Raises:
            ConfigError: if both are given, or one is wrong.
        """
        from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
        from pydantic import ValidationError

        self._require_one()
        zone = self._zone()
        try:
            if self.cron:
                return CronSchedule(cron=self.cron, timezone=zone)
            if self.interval_s:
                return IntervalSchedule(interval=timedelta(seconds=self.interval_s), timezone=zone)
        except ValidationError as error:
            raise ConfigError(
                "the schedule cannot be read",
                value=self.cron or self.interval_s,
                expected="five fields, such as '0 3 * * *'",
                hint="lakebed serve --help",
            ) from error
        return None

    def _zone(self) -> str:
        zone = self.timezone or "UTC"
        try:
            return ZoneInfo(zone).key
        except (OSError, ValueError, ZoneInfoNotFoundError) as error:
            raise ConfigError(
                "the time zone is not known",
                value=zone,
                expected="a name such as Europe/Berlin",
                hint="lakebed serve --help",
            ) from error

    def _require_one(self) -> None:
        if self.cron and self.interval_s:
            raise ConfigError("--cron and --interval exclude each other", hint="give one of them")
        if self.timezone and not (self.cron or self.interval_s):
            raise ConfigError("--timezone without a schedule", value=self.timezone, hint="give --cron or --interval")
        if self.interval_s and self.interval_s < MIN_INTERVAL_S:
            raise ConfigError(
                "the interval is too short: a worker asks for runs only every few seconds",
                value=f"{self.interval_s:g} s",
                expected=f"at least {MIN_INTERVAL_S} s",
                hint="lakebed serve --interval 3600",
            )


def skips(parameters: Mapping[str, Any]) -> bool:
    """Whether a scheduled run of these parameters is skipped where another works when it is due."""
    return bool(parameters.get("overlap", "skip") == "skip")


def skip_due(client: "SyncPrefectClient", flow_run: UUID) -> tuple[str, ...]:
    """Cancels the scheduled runs of the artifact root that are due while this flow run works; their names.

    Runs that somebody asked for wait.
    """
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled

    own = client.read_flow_run(flow_run)
    if not own.work_queue_name:
        return ()
    now = filters.FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
    due = _runs_of(client, own.work_queue_name, StateType.SCHEDULED, next_scheduled_start_time=now)
    found = [run for run in due if _is_skipped(run, own)]
    for run in found:
        message = f"skipped: {own.name} worked on {own.parameters.get('artifacts')} when it was due; {_KEPT}"
        client.set_flow_run_state(run.id, Cancelled(message=message))
    return tuple(run.name for run in found)


def _runs_of(client: "SyncPrefectClient", queue: str, kind: "StateType", **more: Any) -> "list[FlowRun]":
    """The flow runs of a queue in a type of state; `more` are further parts of Prefect's filter."""
    from prefect.client.schemas import filters

    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[kind]))
    of_queue = filters.FlowRunFilterWorkQueueName(any_=[queue])
    wanted = filters.FlowRunFilter(state=state, work_queue_name=of_queue, **more)
    return client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE)


def _is_skipped(run: "FlowRun", own: "FlowRun") -> bool:
    is_of_root: bool = run.parameters.get("artifacts") == own.parameters.get("artifacts")
    return bool(run.auto_scheduled) and is_of_root and skips(run.parameters)


@contextmanager
def skipping(flow_run: UUID, tell: "logging.Logger | logging.LoggerAdapter[Any]") -> Iterator[None]:
    """Skips what is due when the run ends, completed or failed; a run that is stopped or killed leaves it.

    Args:
        flow_run: that works meanwhile.
        tell: a logger; what the server refuses is a warning and spoils no run.
    """
    from prefect.client.orchestration import get_client

    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    try:
        with get_client(sync_client=True) as client:
            skipped = skip_due(client, flow_run)
        if skipped:
            tell.info("%d scheduled runs were due meanwhile and are skipped; %s", len(skipped), _KEPT)
    except Exception as error:
        tell.warning("scheduled runs that were due meanwhile are not skipped: %s", error)
    if failed is not None:
        raise failed


def resume(client: "SyncPrefectClient", pool: str, queue: str) -> None:
    """Lets the schedules that `pause` has stopped make runs again; what somebody else has paused stays so."""
    from prefect.client.schemas.actions import DeploymentUpdate

    for each in _deployments(client, pool, queue):
        if PAUSED_BY_SERVE in each.tags:
            client.update_deployment(
                each.id, DeploymentUpdate(tags=[tag for tag in each.tags if tag != PAUSED_BY_SERVE])
            )
            client.resume_deployment(each.id)


def pause(client: "SyncPrefectClient", pool: str, queue: str) -> tuple[str, ...]:
    """Stops the schedules of a queue's deployments, which would make runs that nobody takes; names these deployments.

    For a worker that `is_alone`: others would go on without schedules.
    """
    from prefect.client.schemas.actions import DeploymentUpdate

    found = _deployments(client, pool, queue)
    timed = [each for each in found if not each.paused and any(one.active for one in each.schedules)]
    for each in timed:
        client.pause_deployment(each.id)
        client.update_deployment(each.id, DeploymentUpdate(tags=[*each.tags, PAUSED_BY_SERVE]))
    return tuple(each.name for each in timed)


def give_back(client: "SyncPrefectClient", queue: str) -> tuple[str, ...]:
    """Runs that a worker took and did not begin before it ended hold the queue's one place: they give it up; names.

    What a schedule has made is cancelled, what somebody asked for waits for the next worker. For one that `is_alone`:
    another may have taken them.
    """
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled, Scheduled

    found = _runs_of(client, queue, StateType.PENDING)
    for run in found:
        message = "the worker that took it ended before it began"
        state: State[Any] = Cancelled(message=message) if run.auto_scheduled else Scheduled(message=message)
        client.set_flow_run_state(run.id, state, force=True)
    return tuple(run.name for run in found)


def leave(client: "SyncPrefectClient", pool: str, worker: str) -> None:
    """Takes a worker that has ended off its pool: the server would call it online for a minute and a half."""
    client.request(
        "DELETE", "/work_pools/{work_pool_name}/workers/{name}", path_params={"work_pool_name": pool, "name": worker}
    )


def is_alone(client: "SyncPrefectClient", pool: str, queue: str, worker: str) -> bool:
    """Whether no other worker is online of the same queue, nor one that is not ours and whose queues nobody knows."""
    ours, of_queue = "lakebed-", f"lakebed-{queue}-"
    online = [each.name for each in client.read_workers_for_work_pool(pool) if each.status == "ONLINE"]
    return not any(name != worker and (name.startswith(of_queue) or not name.startswith(ours)) for name in online)


def _deployments(client: "SyncPrefectClient", pool: str, queue: str) -> "list[DeploymentResponse]":
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName, WorkQueueFilter, WorkQueueFilterName

    return client.read_deployments(
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        work_queue_filter=WorkQueueFilter(name=WorkQueueFilterName(any_=[queue])),
        limit=_PAGE,
    )
