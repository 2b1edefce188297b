"""Sessions on a cluster, and sessions that somebody else began: what is taken over, what executors must have."""

import atexit
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakebed.connectors.errors import ConfigError, StageError
from lakebed.connectors.spark.background import in_background
from lakebed.connectors.spark.code import EXECUTOR_PACKAGES, ZIP_NAME, code_digest, write_code_zip
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import n_cores, portable
from lakebed.connectors.spark.executors import n_alive
from lakebed.connectors.spark.jars import DELTA_COORDINATE

if TYPE_CHECKING:
    from concurrent.futures import Future

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


def is_shipped(settings: Mapping[str, str]) -> bool:
    """Whether spark-submit was told to give executors our code."""
    return ZIP_NAME in {Path(path).name for path in settings.get("spark.submit.pyFiles", "").split(",")}


def join_cluster(session: SparkSession, config: SparkConfig, code: "Future[Path] | None") -> None:
    """Gives executors our code, waits until their number stands still, and looks whether they can run it.

    Args:
        session: on the cluster.
        config: its own.
        code: the zip, which may still be in the making; None where executors have it.

    Raises:
        StageError: if no executor comes in time, or one cannot run Python.
        ConfigError: if an executor runs other code than the driver.
    """
    context = session.sparkContext
    if code is not None:
        context.addPyFile(str(code.result()))
    # the first get Python ready while others are waited for; under dynamic allocation none comes without a job
    asked = in_background("first-tasks", lambda: ask_executors(session, _code_of_executor))
    _wait_for_executors(session, asked, config.executors_timeout_s)
    answers = asked.result()
    if len(answers) < n_alive(session):
        answers = ask_executors(session, _code_of_executor)
    if _SHUFFLE not in dict(context.getConf().getAll()):
        session.conf.set(_SHUFFLE, str(4 * context.defaultParallelism))
    _require_same_code(answers)


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


def _wait_for_executors(session: SparkSession, asked: "Future[list[dict[str, str]]]", timeout_s: float) -> None:
    """Until they have answered, or one could not, and their number stands still for a moment."""
    context, n_executors = session.sparkContext, 0
    alive = begun = changed = time.monotonic()
    while True:
        now, n_before = time.monotonic(), n_executors
        n_executors = n_alive(session)
        if n_executors != n_before:
            changed = now
        if asked.done() and (asked.exception() or now - changed > _STILL_S or now - begun > _SETTLE_S):
            return
        if n_executors or asked.done():
            alive = now
        elif now - alive > timeout_s:
            context.cancelAllJobs()
            raise StageError(
                "no executor of the cluster ran a task",
                value=f"none in {timeout_s:.0f} s on {context.master}",
                expected="workers with as many free cores and as much memory as one executor wants",
                hint="lakebed doctor --master MASTER; lower spark.executor.memory or spark.executor.cores",
            )
        time.sleep(_POLL_S)


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
