"""The inventory's data work as one Spark job over units, never one per table."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from lakebed.connectors.spark.jobs import run_tasks
from lakebed.tasks.inventory import worker
from lakebed.tasks.inventory.worker import Outcome, Unit, WorkContext
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.progress import shown

_DDL = "position int not null, peak_bytes bigint not null, outcome binary not null"
_TASKS_PER_CORE = 4
# opening a file has a cost of its own
_UNIT_BYTES = 1 << 14


@dataclass(frozen=True)
class WorkDone:
    """What each unit gave, in the order of the units, and the peak memory of a worker in bytes."""

    outcomes: list[Outcome]
    peak_worker_bytes: int


def do_units(session: SparkSession, context: WorkContext, units: Sequence[Unit]) -> WorkDone:
    """Does all units in one job. What comes back grows with files and columns, not with rows.

    Args:
        session: to run in.
        context: what all units share.
        units: any number; the largest are begun first.
    """
    tasks = share_out(units, session.sparkContext.defaultParallelism * _TASKS_PER_CORE)
    with shown().step("Reading what metadata does not say", len(tasks)) as step:
        rows = run_tasks(session, (context, list(units), tasks), len(tasks), _do_task, _DDL, step.advance)
    return _collected(rows, len(units))


def _do_task(
    shared: tuple[WorkContext, Sequence[Unit], Sequence[Sequence[int]]], task: int
) -> Iterator[pa.RecordBatch]:
    context, units, positions = shared
    mine = positions[task]
    outcomes = worker.do_units(context, [units[position] for position in mine])
    return (_to_batch(position, outcome) for position, outcome in zip(mine, outcomes, strict=True))


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
    return pa.record_batch(columns, names=["position", "peak_bytes", "outcome"])


def _collected(rows: pa.Table, n_units: int) -> WorkDone:
    outcomes = [Outcome() for _ in range(n_units)]
    for position, data in zip(rows["position"].to_pylist(), rows["outcome"].to_pylist(), strict=True):
        outcomes[position] = pickle.loads(data)  # noqa: S301 - our own workers' bytes
    return WorkDone(outcomes, max(rows["peak_bytes"].to_pylist(), default=0))
