"""How far a Spark job is, for progress bars."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

_POLL_S = 0.5


@contextmanager
def counted_tasks(session: SparkSession, advance: Callable[[int], None]) -> Iterator[None]:
    """Calls `advance` with the number of tasks that have finished since the last call, while the block runs.

    Counts whatever runs in the session meanwhile, which is one job: stages follow each other.
    """
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(session, advance, is_over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


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
