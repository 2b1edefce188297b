"""The inventory's data work as one work over units, never one per table."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from lakebed.tasks.inventory import worker
from lakebed.tasks.inventory.worker import Outcome, Unit, WorkContext
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.scan.engine import Engine, Work, collect

_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),
        pa.field("peak_bytes", pa.int64(), nullable=False),
        pa.field("outcome", pa.binary(), nullable=False),
    ]
)
_TASKS_PER_WORKER = 4
# opening a file has a cost of its own
_UNIT_BYTES = 1 << 14


@dataclass(frozen=True)
class WorkDone:
    """What each unit gave, in the order of the units, and the peak memory of a worker in bytes."""

    outcomes: list[Outcome]
    peak_worker_bytes: int


def do_units(engine: Engine, context: WorkContext, units: Sequence[Unit]) -> WorkDone:
    """Does all units. What comes back grows with files and columns, not with rows.

    Args:
        engine: that does them.
        context: what all units share.
        units: any number; the largest are begun first.
    """
    shares = share_out(units, engine.n_workers * _TASKS_PER_WORKER)
    work = Work(partial(_do_task, context), _SCHEMA, "Reading what metadata does not say")
    tasks = [[(position, units[position]) for position in share] for share in shares]
    return _collected(collect(engine, work, tasks), len(units))


def _do_task(context: WorkContext, units: Sequence[tuple[int, Unit]]) -> Iterator[pa.RecordBatch]:
    outcomes = worker.do_units(context, [unit for _, unit in units])
    return (_to_batch(position, outcome) for (position, _), outcome in zip(units, outcomes, strict=True))


def share_out(units: Sequence[Unit], n_tasks: int) -> list[list[int]]:
    """Positions of the units for each task, the largest first, each to the task with the least; no task is empty."""
    load = np.zeros(max(1, min(n_tasks, len(units))), np.int64)
    tasks: list[list[int]] = [[] for _ in load]
    for position in sorted(range(len(units)), key=lambda index: (-units[index].n_bytes, index)):
        task = int(load.argmin())
        load[task] += units[position].n_bytes + _UNIT_BYTES
        tasks[task].append(position)
    return tasks


def _to_batch(position: int, outcome: Outcome) -> pa.RecordBatch:
    data = pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
    peak = max(outcome.peak_bytes, peak_memory_bytes())
    columns = [pa.array([position], pa.int32()), pa.array([peak], pa.int64()), pa.array([data])]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _collected(rows: pa.Table, n_units: int) -> WorkDone:
    outcomes = [Outcome() for _ in range(n_units)]
    for position, data in zip(rows["position"].to_pylist(), rows["outcome"].to_pylist(), strict=True):
        outcomes[position] = pickle.loads(data)  # noqa: S301 - our own workers' bytes
    return WorkDone(outcomes, max(rows["peak_bytes"].to_pylist(), default=0))
