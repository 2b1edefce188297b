"""What workers do in these tests: functions of a module, as an engine asks for."""

import os
import signal
import time

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.tasks.scan.engine import Work

SCHEMA = pa.schema([pa.field("task", pa.int64(), nullable=False), pa.field("pid", pa.int64(), nullable=False)])


def batch(*tasks):
    return pa.RecordBatch.from_arrays(
        [pa.array(tasks, pa.int64()), pa.array([os.getpid()] * len(tasks))], schema=SCHEMA
    )


def say(task):
    """Two batches a task."""
    time.sleep(0.05)
    yield batch(task)
    yield batch(task, task)


def refuse(task):
    yield batch(task)
    raise SourceError("no such thing", value=task, hint="look elsewhere")


def refuse_late(task):
    yield batch(task)
    time.sleep(1)
    raise SourceError("no such thing", value=task, hint="look elsewhere")


def fail(task):
    yield from ()
    raise KeyError(task)


def hoard(task):
    kept = [bytearray(64 << 20) for _ in range(task)]
    yield batch(len(kept))


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)
    yield batch(task)


def work(run):
    return Work(run, SCHEMA, "Saying")
