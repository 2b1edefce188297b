"""Registers the deployments of one artifact root at a Prefect server, and becomes their worker.

What Prefect keeps is no truth of ours: runs on one root are kept apart by its queue of limit 1, and by the lease where
somebody goes around the queue.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

# before Prefect puts the folder it was called in on the path: what is loaded later would be looked for there first
import pandas  # noqa: F401

from lakebed.artifacts import root_id
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.connectors.python_process import SAFE_PATH, python_path
from lakebed.flows.dead_runs import crash_dead_runs, watching
from lakebed.flows.deployment_limits import POOL, QUEUE_LIMIT, SILENT_S
from lakebed.flows.deployments import (
    DEPLOYED_ENGINE,
    DEPLOYMENTS,
    HEARTBEAT,
    SCHEDULE_SLUG,
    TAG,
    Deployment,
)
from lakebed.flows.form import closed_schema, without_secrets
from lakebed.flows.prefect_home import configured_api_url
from lakebed.flows.schedules import PAUSED_BY_SERVE, Schedule, give_back, is_alone, leave, pause, resume
from lakebed.tasks.runtime.logs import log

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import SCHEDULE_TYPES
    from prefect.flows import Flow

AUTOMATION = "lakebed: crash silent runs"
START_SERVER = "prefect server start --host 127.0.0.1, then export PREFECT_API_URL=http://127.0.0.1:4200/api"
PROCESS = frozenset({"process"})
# for workers of Prefect's own, which start a pod a run: infra/kubernetes-pool.json
ELSEWHERE = PROCESS | {"kubernetes"}
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")
_DIGITS = 12


@dataclass(frozen=True)
class Serving:
    """What is served, and how.

    Attributes:
        config: the resolved configuration.
        config_file: where it was read, for the approval; empty where there is none.
        label: end of the deployments' names.
        pool: work pool.
        to: last stage of the chain; empty means its own end.
        schedule: of the chain.
        silent_s: seconds without a heartbeat after which a run counts as crashed.
        has_health: whether the worker tells on a port of its own whether it still asks for runs.
        pool_types: of the work pool; where other workers work for it, not those alone that this process can be.
    """

    config: LakebedConfig
    config_file: str = ""
    label: str = ""
    pool: str = POOL
    to: str = ""
    schedule: Schedule = field(default_factory=Schedule)
    silent_s: int = SILENT_S
    has_health: bool = False
    pool_types: frozenset[str] = PROCESS

    @property
    def queue(self) -> str:
        """The queue of the artifact root."""
        return root_id(self.config.artifacts)

    def parameters(self, deployment: Deployment) -> dict[str, Any]:
        """What the form of a deployment is filled with: the configuration of the file, without secrets."""
        if not deployment.takes_config:
            return {"artifacts": self.config.artifacts, "config": self.config_file, **deployment.parameters}
        given = without_secrets(self.config)
        given["engine"] = DEPLOYED_ENGINE if self.config.engine == "auto" else self.config.engine
        if self.config.suites:
            given["suites"] = str(Path(self.config.suites).resolve())
        if self.to and deployment.is_scheduled:
            given["to"] = self.to
        return {**given, **deployment.parameters}


@dataclass(frozen=True)
class Registered:
    """What the server holds now."""

    server: str
    pool: str
    queue: str
    artifacts: str
    schedule: str
    deployments: Mapping[str, str]
    automation: str
    crashed: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def require_server() -> str:
    """The address of the server that the user runs.

    Raises:
        ConfigError: if none is named.
    """
    if url := configured_api_url():
        return url
    raise ConfigError(
        "no Prefect server is named; `serve` starts none",
        expected="PREFECT_API_URL, or an active Prefect profile that names one",
        hint=START_SERVER,
    )


def register(serving: Serving) -> Registered:
    """Registers all deployments with their pool, queue, schedule and automation; the same call again changes nothing.

    Raises:
        ConfigError: if no server is named, or names are taken by another artifact root.
        StageError: if the server does not answer.
    """
    url = require_server()
    schedule = serving.schedule.for_prefect()
    with _client(url) as client:
        _make_pool(client, serving)
        registered = _registered(client, serving)
        _make_queue(client, serving)
        made = {
            each.named(serving.label): str(_deploy(serving, each, schedule, registered.get(each.name)))
            for each in DEPLOYMENTS
        }
        automation = _automate(client, serving.silent_s)
        crashed = crash_dead_runs(client, serving.config.artifacts)
    told = serving.schedule.cron or (f"every {serving.schedule.interval_s:g} s" if schedule else "")
    zone = f" ({serving.schedule.timezone or 'UTC'})" if serving.schedule.cron else ""
    return Registered(
        url, serving.pool, serving.queue, serving.config.artifacts, told + zone, made, str(automation), crashed
    )


def work(serving: Serving) -> None:
    """Prefect's process worker on this root's queue alone, in this process, until SIGTERM or SIGINT.

    Schedules go on while a worker is there: the last one that stops pauses the deployments. A run that is going then is
    killed with the worker; it is told to the server as crashed, and the next run resumes.
    """
    import asyncio

    from prefect.client.orchestration import get_client
    from prefect.utilities.processutils import setup_signal_handlers_worker
    from prefect.workers.process import ProcessWorker

    os.environ.update(_worker_environment(serving))
    name = f"lakebed-{serving.queue}-{socket.gethostname()}-{os.getpid()}"
    with get_client(sync_client=True) as client:
        resume(client, serving.pool, serving.queue)
        if is_alone(client, serving.pool, serving.queue, name):
            give_back(client, serving.queue)
    worker = ProcessWorker(serving.pool, [serving.queue], name=name, create_pool_if_not_found=False)

    async def start() -> None:
        # within the loop, whose own handler of SIGINT is what ends the worker in order
        setup_signal_handlers_worker(os.getpid(), "the worker", _say)
        await worker.start(printer=_say, with_healthcheck=serving.has_health)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError),
        watching(serving.queue, serving.config.artifacts, _say),
    ):
        asyncio.run(start())
    with get_client(sync_client=True) as client:
        if is_alone(client, serving.pool, serving.queue, name):
            for each in give_back(client, serving.queue):
                _say(f"flow run {each} had not begun, and is given back")
            for each in pause(client, serving.pool, serving.queue):
                _say(f"{each} is paused: its schedules make no runs until lakebed serve works again")
        for each in crash_dead_runs(client, serving.config.artifacts):
            _say(f"flow run {each} is marked as crashed: it ended with the worker")
        leave(client, serving.pool, name)


def _worker_environment(serving: Serving) -> dict[str, str]:
    """What the worker's runs inherit: what no server should store goes this way."""
    config = serving.config.containment
    secrets = {name: getattr(config, name).get_secret_value() for name in ("hash_key", "older_hash_key")}
    keys = {f"LAKEBED_CONTAINMENT__{name.upper()}": secret for name, secret in secrets.items() if secret}
    quarantine = json.dumps(serving.config.quarantine.model_dump(mode="json"))
    return {**keys, "LAKEBED_QUARANTINE": quarantine, **HEARTBEAT, **SAFE_PATH, "PYTHONPATH": python_path()}


def _say(text: str) -> None:
    if log().is_on:
        log().event("note", message=text)
    else:
        sys.stderr.write(f"{text}\n")


@contextlib.contextmanager
def _client(url: str) -> "Iterator[SyncPrefectClient]":
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        with get_client(sync_client=True) as client:
            client.hello()
            yield client
    except PrefectHTTPStatusError as error:
        raise StageError(
            "Prefect's server refused",
            value=f"{url}: {error.response.status_code} {error.response.text[:300]}",
            expected="a Prefect 3 server that lets this user register deployments",
            hint="prefect version; PREFECT_API_AUTH_STRING where the server wants it",
        ) from error
    except httpx.TransportError as error:
        raise StageError(
            "Prefect's server does not answer", value=url, expected="a server that runs", hint=START_SERVER
        ) from error


def _make_pool(client: "SyncPrefectClient", serving: Serving) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        pool = client.read_work_pool(serving.pool)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=serving.pool, type="process", base_job_template=template))
        return
    if pool.type not in serving.pool_types:
        raise ConfigError(
            "the work pool is of another type",
            value=f"{serving.pool}: {pool.type}",
            expected=f"a work pool of type {' or '.join(sorted(serving.pool_types))}",
            hint="lakebed serve --pool NAME, or --register-only for a Kubernetes pool with workers of its own",
        )


def _make_queue(client: "SyncPrefectClient", serving: Serving) -> None:
    from prefect.exceptions import ObjectNotFound

    limits = {"concurrency_limit": QUEUE_LIMIT, "description": f"one run at a time on {serving.config.artifacts}"}
    try:
        queue = client.read_work_queue_by_name(serving.queue, work_pool_name=serving.pool)
    except ObjectNotFound:
        client.create_work_queue(name=serving.queue, work_pool_name=serving.pool, **limits)  # type: ignore[arg-type]
        return
    client.update_work_queue(queue.id, **limits)


def _registered(client: "SyncPrefectClient", serving: Serving) -> "dict[str, DeploymentResponse]":
    """Those of our deployments that are there, by name.

    Raises:
        ConfigError: if a deployment of another artifact root has the name of one of ours.
    """
    from prefect.exceptions import ObjectNotFound

    registered: dict[str, DeploymentResponse] = {}
    for each in DEPLOYMENTS:
        with contextlib.suppress(ObjectNotFound):
            found = client.read_deployment_by_name(f"{each.flow}/{each.named(serving.label)}")
            other = found.parameters.get("artifacts")
            if other != serving.config.artifacts:
                raise ConfigError(
                    "a deployment of this name serves another artifact root",
                    value=f"{each.flow}/{each.named(serving.label)}: {other}",
                    expected=f"none, or one of {serving.config.artifacts}",
                    hint="give this root's deployments a name of their own with --name",
                )
            registered[each.name] = found
    return registered


def _deploy(
    serving: Serving, deployment: Deployment, schedule: "SCHEDULE_TYPES | None", registered: "DeploymentResponse | None"
) -> UUID:
    """Registers a deployment, or brings it up to date; one that is paused stays so."""
    from prefect.deployments.runner import RunnerDeployment
    from prefect.flows import load_flow_from_entrypoint

    flow: Flow[Any, Any] = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    made = RunnerDeployment(
        name=deployment.named(serving.label),
        flow_name=flow.name,
        entrypoint=deployment.entrypoint,
        description=deployment.description,
        parameters=serving.parameters(deployment),
        tags=[TAG, *(tag for tag in (registered.tags if registered else ()) if tag == PAUSED_BY_SERVE)],
        paused=registered is not None and registered.paused,
        work_pool_name=serving.pool,
        work_queue_name=serving.queue,
        job_variables={"env": dict(HEARTBEAT)},
        enforce_parameter_schema=True,
    )
    made._parameter_openapi_schema = closed_schema(flow)
    is_timed = deployment.is_scheduled and schedule is not None
    schedules = [{"schedule": schedule, "active": True, "slug": SCHEDULE_SLUG}] if is_timed else None
    return cast("UUID", made.apply(schedules=schedules))


def _automate(client: "SyncPrefectClient", silent_s: int) -> UUID:
    """The automation by its name: made, or brought up to date."""
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    heartbeat = "prefect.flow-run.heartbeat"
    trigger = EventTrigger(
        # a run that dies before its first heartbeat has at least been told to be running
        after={heartbeat, "prefect.flow-run.Running"},
        expect={heartbeat, *(f"prefect.flow-run.{name}" for name in _ENDS)},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
        ),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=silent_s),
    )
    message = f"no heartbeat for {silent_s} s; the next run goes on from its artifacts"
    core = AutomationCore(
        name=AUTOMATION,
        description="Marks a run as crashed when its process no longer tells that it lives.",
        trigger=trigger,
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )
    for found in client.read_automations_by_name(AUTOMATION):
        client.update_automation(found.id, core)
        return found.id
    return client.create_automation(core)
