"""Flow runs that Prefect's server takes for running and whose process is gone: they hold the queue's one place.

A worker that lives tells of its own. What is left are runs that ended while nobody could be told: the worker died with
them, or the server did not answer. The run's record says how it ended, and the kernel that its process is gone.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from lakebed.flows.deployments import FLOW_COMMAND
from lakebed.tasks.runtime.process_id import is_gone
from lakebed.tasks.runtime.record import RunRecord, iterate_runs

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

Dead = dict[UUID, RunRecord]
_LOOK_S = 20.0
# newest first: what still counts as running began before few others
_N_RECORDS = 200


def crash_dead_runs(client: "SyncPrefectClient", artifacts: str, asking: str = "") -> tuple[str, ...]:
    """Tells the server how runs ended whose process is gone and which it still takes for running; names their ids.

    `asking` is the flow run that asks, which lives.
    """
    found = _dead_runs(client, artifacts)
    return _end(client, {each: run for each, run in found.items() if str(each) != asking})


@contextmanager
def watching(queue: str, artifacts: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Looks for such runs of a queue again and again, in a thread of its own; reads nothing where none is going.

    One that is found twice is ended: whoever can tell more of it, such as its signal, has had the time.
    """
    is_over = threading.Event()

    def look() -> None:
        before: Dead = {}
        while not is_over.wait(_LOOK_S):
            # a server that does not answer is asked again
            with suppress(Exception), get_client(sync_client=True) as client:
                found = _dead_runs(client, artifacts) if _is_one_going(client, queue) else {}
                before, again = found, {each: run for each, run in found.items() if each in before}
                for each in _end(client, again):
                    tell(f"flow run {each} is ended on the server: its process is gone")

    from prefect.client.orchestration import get_client

    threading.Thread(target=look, name="dead-runs", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _dead_runs(client: "SyncPrefectClient", artifacts: str) -> Dead:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    newest: dict[str, RunRecord] = {}
    for run in islice(iterate_runs(artifacts), _N_RECORDS):
        # a flow run that is tried again has a record of each try
        if _is_flow_run(run):
            newest.setdefault(run.command[-1], run)
    over = {each: run for each, run in newest.items() if _is_over(run)}
    if not over:
        return {}
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(each) for each in over]), state=_going())
    found = client.read_flow_runs(flow_run_filter=wanted)
    return {run.id: over[str(run.id)] for run in found if not _is_tried_again(run.state, over[str(run.id)])}


def _is_tried_again(state: "State[Any] | None", run: RunRecord) -> bool:
    """Whether it went on running since the record was begun: a next try, which has no record yet."""
    if state is None or not state.is_running():
        return False
    return state.timestamp > datetime.fromisoformat(run.started_at)


def _end(client: "SyncPrefectClient", dead: Dead) -> tuple[str, ...]:
    for each, run in dead.items():
        client.set_flow_run_state(each, _end_of(run), force=True)
    return tuple(map(str, dead))


def _is_one_going(client: "SyncPrefectClient", queue: str) -> bool:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterWorkQueueName

    wanted = FlowRunFilter(state=_going(), work_queue_name=FlowRunFilterWorkQueueName(any_=[queue]))
    return bool(client.read_flow_runs(flow_run_filter=wanted, limit=1))


def _going() -> Any:
    from prefect.client.schemas.filters import FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType

    return FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING]))


def _is_flow_run(run: RunRecord) -> bool:
    return len(run.command) == len(FLOW_COMMAND) + 1 and tuple(run.command[:-1]) == FLOW_COMMAND


def _is_over(run: RunRecord) -> bool:
    """Whether it is dead, or has ended, in a process that is certainly gone."""
    return run.status == "dead" or (run.status != "running" and is_gone(run.process))


def _end_of(run: RunRecord) -> "State[Any]":
    from prefect.states import Completed, Crashed

    if run.status == "completed":
        return Completed(message=f"run {run.run_id} completed while the server did not answer")
    return Crashed(message=f"the process of run {run.run_id} is gone; the next run goes on from its artifacts")
