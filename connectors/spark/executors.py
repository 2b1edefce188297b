"""Whether a cluster's executors are alive while a job runs: Spark alone would wait for new ones for ever."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakebed.connectors.spark.connect import is_connect
from lakebed.connectors.spark.failures import NONE_ALIVE

_POLL_S = 1.0
_TELL_EVERY_S = 30.0


def executors_watch(timeout_s: float, tell: Callable[[str], None]) -> Callable[[SparkSession], None]:
    """A check for `SessionStarter.checks`: from then on a thread looks after the session until it ends.

    While jobs run and no executor is alive it tells so, and after `timeout_s` it ends the jobs, which then fail with a
    text that `typed_failure` makes a SparkLostError of. With no job running, a cluster may have no executors.
    """

    def begin(session: SparkSession) -> None:
        # a Connect server's executors are its own affair
        if is_connect(session):
            return
        threading.Thread(target=_watch, args=(session, timeout_s, tell), name="executors", daemon=True).start()

    return begin


def _watch(session: SparkSession, timeout_s: float, tell: Callable[[str], None]) -> None:
    context = session.sparkContext
    most, since, told_at = 1, 0.0, 0.0
    while context._jsc is not None:
        time.sleep(_POLL_S)
        # one look may fail; a session that is being stopped has no executors to look for
        with suppress(PySparkException, Py4JError, OSError, AttributeError):
            alive, jobs = n_alive(session), context.statusTracker().getActiveJobsIds()
            most, now = max(most, alive), time.monotonic()
            if alive or not jobs:
                since = told_at = 0.0
                continue
            since = since or now
            if not told_at or now - told_at >= _TELL_EVERY_S:
                told_at = now
                start = datetime.fromtimestamp(time.time() - (now - since), UTC).isoformat(timespec="seconds")
                tell(f"waiting for executors: 0 of {most} since {start}")
            if now - since >= timeout_s:
                for job in jobs:
                    _java(session).cancelJob(job, f"{NONE_ALIVE}: 0 of {most} for {now - since:.0f} s")
                since = told_at = 0.0


def n_alive(session: SparkSession) -> int:
    """Executors without the driver, which Spark counts among them once it has registered itself."""
    return max(0, len(_java(session).statusTracker().getExecutorInfos()) - 1)


def _java(session: SparkSession) -> Any:
    return cast("Any", session.sparkContext)._jsc.sc()
