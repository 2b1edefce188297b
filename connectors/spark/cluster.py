"""Sessions on a cluster, and sessions that somebody else began: what is taken over, what executors must have."""

import atexit
import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakebed.connectors.errors import ConfigError, StageError
from lakebed.connectors.spark.code import EXECUTOR_PACKAGES, ZIP_NAME, code_digest, write_code_zip
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import n_cores, portable
from lakebed.connectors.spark.jars import DELTA_COORDINATE

PACK_HINT = "python infra/pack.py dist (docs/cluster.md)"
_SHUFFLE = "spark.sql.shuffle.partitions"
_DELTA_CLASS = "io.delta.sql.DeltaSparkSessionExtension"
# executors of one application come within a moment of each other
_SETTLE_S, _STILL_S, _POLL_S, _LOOK_S = 15.0, 1.5, 0.1, 0.2
_TELLING = re.compile(r"(Error|Exception)\b.*: |different version|Cannot run program")


def adopted(config: SparkConfig, submitted: Mapping[str, str] | None) -> SparkConfig:
    """The config with the master, and the workers' Python, that the session has or will have."""
    if submitted is None:
        return config
    conf = dict(config.conf)
    if python := submitted.get("spark.pyspark.python"):
        conf.setdefault("spark.pyspark.python", python)
    return config.model_copy(update={"master": submitted.get("spark.master", config.master), "conf": conf})


def require_delta(config: SparkConfig) -> None:
    """A JVM that runs already takes no jars any more, so Delta's must be there.

    Raises: ConfigError: naming how they get there.
    """
    assert SparkContext._jvm is not None  # noqa: S101 - for the type checker: the settings were read through it
    utils = cast("Any", SparkContext._jvm).org.apache.spark.util.Utils
    if not utils.classIsLoadable(_DELTA_CLASS):
        raise ConfigError(
            "Delta's jars are not on the driver's class path",
            value=_DELTA_CLASS,
            expected=f"the jars of {DELTA_COORDINATE}, by spark-submit's --jars or --properties-file",
            hint=PACK_HINT + " writes dist/lakebed.conf for --properties-file",
        )


def join_cluster(session: SparkSession, config: SparkConfig) -> None:
    """Waits for executors, gives them our code, and looks whether they can run it.

    Raises:
        StageError: if no executor comes in time, or one cannot run Python.
        ConfigError: if an executor runs other code than the driver.
    """
    context = session.sparkContext
    given = dict(context.getConf().getAll())
    if ZIP_NAME not in {Path(path).name for path in given.get("spark.submit.pyFiles", "").split(",")}:
        context.addPyFile(str(code_zip()))
    _wait_for_executors(session, config.executors_timeout_s)
    if _SHUFFLE not in given:
        session.conf.set(_SHUFFLE, str(4 * context.defaultParallelism))
    _require_same_code(ask_executors(session, _code_of_executor))


def ask_executors(session: SparkSession, look: Callable[[], dict[str, str]]) -> list[dict[str, str]]:
    """What `look` answers on the executors that are there: one answer for each, with its `host`.

    Raises: StageError: if an executor cannot run it.
    """
    n_tasks = max(1, n_cores(session))

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import json
        import os
        import socket
        import time

        for _ in batches:
            time.sleep(_LOOK_S)  # long enough that no executor takes the tasks of another
            answer = {"host": socket.gethostname(), "daemon": str(os.getppid()), **look()}
            yield pa.RecordBatch.from_pydict({"answer": [json.dumps(answer)]})

    try:
        asked = session.range(0, n_tasks, 1, n_tasks).mapInArrow(portable(session, work), "answer string")
        answers = [json.loads(row.answer) for row in asked.collect()]
    except Exception as error:
        raise StageError(
            "an executor cannot run lakebed's Python",
            value=_cause(error),
            expected=f"Python {'.'.join(map(str, sys.version_info[:2]))} with lakebed's packages on every executor",
            hint="name one by spark.pyspark.python, or ship one: " + PACK_HINT,
        ) from error
    return list({(answer["host"], answer["daemon"]): answer for answer in answers}.values())


def _code_of_executor() -> dict[str, str]:
    for name in EXECUTOR_PACKAGES:
        import_module(name)
    return {"code": code_digest()}


def _require_same_code(answers: Sequence[Mapping[str, str]]) -> None:
    mine = code_digest()
    others = sorted({f"{answer['host']}: {answer['code']}" for answer in answers if answer["code"] != mine})
    if others:
        raise ConfigError(
            "executors run another lakebed than the driver",
            value=f"driver: {mine}",
            expected="one version everywhere",
            hint="make the zip again from the driver's lakebed: " + PACK_HINT,
            examples=others,
        )


def _wait_for_executors(session: SparkSession, timeout_s: float) -> None:
    """Until the first has run a task, and then until their number stands still for a moment."""
    context, first = session.sparkContext, _first_task(session)
    try:
        first.result(timeout_s)
    except FutureTimeout as error:
        context.cancelAllJobs()
        raise StageError(
            "no executor of the cluster ran a task",
            value=f"none in {timeout_s:.0f} s on {context.master}",
            expected="workers with as many free cores and as much memory as one executor wants",
            hint="lakebed doctor --master MASTER; lower spark.executor.memory or spark.executor.cores",
        ) from error
    except Exception as error:
        raise StageError("the cluster runs no tasks of lakebed", value=_cause(error), hint=PACK_HINT) from error
    started = changed = time.monotonic()
    n_cores = context.defaultParallelism
    while time.monotonic() - changed < _STILL_S and time.monotonic() - started < _SETTLE_S:
        time.sleep(_POLL_S)
        if context.defaultParallelism != n_cores:
            n_cores, changed = context.defaultParallelism, time.monotonic()


def _first_task(session: SparkSession) -> "Future[int]":
    """In a daemon thread, which does not keep a run from ending that waits in vain."""
    answer: Future[int] = Future()

    def work() -> None:
        try:
            answer.set_result(session.range(1).count())
        except Exception as error:  # raised where the answer is awaited
            answer.set_exception(error)

    threading.Thread(target=work, name="first-task", daemon=True).start()
    return answer


def code_zip() -> Path:
    """Lakebed's code, in a folder that ends with this process."""
    folder = tempfile.mkdtemp(prefix="lakebed-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_code_zip(Path(folder))


def _cause(error: BaseException) -> str:
    """The line of a worker's traceback that says most."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if _TELLING.search(line) and not line.startswith(("at ", "File "))]
    return (told or lines or [type(error).__name__])[-1][:300]
