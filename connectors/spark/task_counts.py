"""How far a Spark job is, for progress bars."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakebed.connectors.spark.connect import is_connect

_POLL_S = 0.5


@contextmanager
def counted_tasks(session: SparkSession, advance: Callable[[int], None]) -> Iterator[None]:
    """Calls `advance` with the number of tasks that have finished since the last call, while the block runs.

    Counts whatever runs in the session meanwhile, which is one job: stages follow each other.
    """
    if is_connect(session):
        with _told_by_server(session, advance):
            yield
        return
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(session, advance, is_over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def _told_by_server(session: SparkSession, advance: Callable[[int], None]) -> Iterator[None]:
    n_counted: dict[int, int] = {}

    def count(stages: Iterable[Any], **_: Any) -> None:
        for stage in stages:
            if stage.num_completed_tasks > n_counted.get(stage.stage_id, 0):
                advance(stage.num_completed_tasks - n_counted.get(stage.stage_id, 0))
                n_counted[stage.stage_id] = stage.num_completed_tasks

    client = cast("Any", session)
    client.registerProgressHandler(count)
    try:
        yield
    finally:
        client.removeProgressHandler(count)


def _watch(session: SparkSession, advance: Callable[[int], None], is_over: threading.Event) -> None:
    tracker = session.sparkContext.statusTracker()
    n_counted: dict[int, int] = {}
    with suppress(PySparkException, OSError):  # a session that is being stopped has nothing to count
        while not is_over.wait(_POLL_S):
            for stage in tracker.getActiveStageIds():
                info = tracker.getStageInfo(stage)
                if info is not None and info.numCompletedTasks > n_counted.get(stage, 0):
                    advance(info.numCompletedTasks - n_counted.get(stage, 0))
                    n_counted[stage] = info.numCompletedTasks
