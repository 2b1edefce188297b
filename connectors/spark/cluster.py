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

from lakebed.connectors.errors import ConfigError, LakeError, StageError
from lakebed.connectors.places import environment_folder
from lakebed.connectors.spark.background import in_background
from lakebed.connectors.spark.code import EXECUTOR_PACKAGES, ZIP_NAME, code_digest, copy_code_zip, write_code_zip
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import n_cores, portable
from lakebed.connectors.spark.executors import n_alive
from lakebed.connectors.spark.failures import typed_failure
from lakebed.connectors.spark.jars import DELTA_COORDINATE

if TYPE_CHECKING:
    from concurrent.futures import Future

PACK_HINT = "python infra/pack.py dist (docs/cluster.md)"
_SHUFFLE = "spark.sql.shuffle.partitions"
_DELTA_CLASS = "io.delta.sql.DeltaSparkSessionExtension"
# executors of one application come within a moment of each other
_SETTLE_S, _STILL_S, _POLL_S, _LOOK_S = 15.0, 1.5, 0.1, 0.2
# at least, from the first executor to the first answer: meanwhile it may unpack its Python and compile kernels
_FIRST_ANSWER_S = 900.0
_JOINING = "lakebed-joining"
_TELLING = re.compile(r"(Error|Exception)\b.*: |different version|Cannot run program")
# in Spark's text, that a task came as far as to start Python
_OF_PYTHON = re.compile(r"Traceback \(most recent|Cannot run program|Python worker|PYTHON_VERSION")


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
        StageError: if no executor comes in time, or none ends a task, or one cannot run Python.
        ConfigError: if an executor runs other code than the driver.
    """
    context = session.sparkContext
    given = dict(context.getConf().getAll())
    if code is not None and not is_shipped(given):
        context.addPyFile(str(code.result()))
    # the first get Python ready while others are waited for; under dynamic allocation none comes without a job
    answers = _answers_in_time(session, config.executors_timeout_s, _STILL_S)
    if len(answers) < n_alive(session):
        answers = _answers_in_time(session, config.executors_timeout_s, 0.0)
    if _SHUFFLE not in given:
        session.conf.set(_SHUFFLE, str(4 * context.defaultParallelism))
    _require_same_code(answers)


def ask_executors(session: SparkSession, look: Callable[[], dict[str, str]]) -> list[dict[str, str]]:
    """What `look` answers on the executors that are there: one answer for each, with its `host`.

    Raises: StageError: if an executor cannot run it, or is lost meanwhile.
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
        raise _no_answer(error) from error
    return list({(answer["host"], answer["daemon"]): answer for answer in answers}.values())


def _no_answer(error: Exception) -> LakeError:
    if _OF_PYTHON.search(str(error)):
        return StageError(
            "an executor cannot run lakebed's Python",
            value=_cause(error),
            expected=f"Python {'.'.join(map(str, sys.version_info[:2]))} with lakebed's packages on every executor",
            hint="name one by spark.pyspark.python, or ship one: " + PACK_HINT,
        )
    what = "the cluster runs no tasks of lakebed"
    return typed_failure(error) or StageError(what, value=_cause(error), hint=PACK_HINT)


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


def _answers_in_time(session: SparkSession, timeout_s: float, still_s: float) -> list[dict[str, str]]:
    """What executors say of their code, once their number has stood still for `still_s`.

    Raises: StageError: as `FirstTasks.is_over`, or if one cannot run Python.
    """

    def ask() -> list[dict[str, str]]:
        session.sparkContext.setJobGroup(_JOINING, "lakebed looks at the executors")
        return ask_executors(session, _code_of_executor)

    asked = in_background("first-tasks", ask)
    tasks = FirstTasks(str(session.sparkContext.master), timeout_s, still_s, time.monotonic())
    try:
        while not tasks.is_over(time.monotonic(), n_alive(session), asked.done()):
            time.sleep(_POLL_S)
    except StageError:
        session.sparkContext.cancelJobGroup(_JOINING)
        raise
    return asked.result()


class FirstTasks:
    """How the first tasks of a cluster's session come along, by what is seen of them again and again."""

    def __init__(self, master: str, timeout_s: float, still_s: float, now: float) -> None:
        self._master, self._timeout_s, self._still_s = master, timeout_s, still_s
        self._seen = self._changed = now
        self._n_executors = self._with_s = self._without_s = 0.0
        self._answered: float | None = None

    def is_over(self, now: float, n_executors: int, is_answered: bool) -> bool:
        """Whether the tasks have ended, and the number of executors stands still or has moved for long enough.

        Times are summed up: executors may also come and be lost again, over and over.

        Raises: StageError: if none was there for `timeout_s` in all, or none has ended a task though there were some.
        """
        if n_executors != self._n_executors:
            self._n_executors, self._changed = n_executors, now
        passed, self._seen = now - self._seen, now
        if is_answered:
            self._answered = now if self._answered is None else self._answered
            return now - self._changed > self._still_s or now - self._answered > _SETTLE_S
        if n_executors:
            self._with_s += passed
        else:
            self._without_s += passed
        if self._without_s > self._timeout_s:
            raise StageError(
                "no executor of the cluster ran a task",
                value=f"none in {self._timeout_s:.0f} s on {self._master}",
                expected="workers with as many free cores and as much memory as one executor wants",
                hint="lakebed doctor --master MASTER; lower spark.executor.memory or spark.executor.cores",
            )
        if self._with_s > (most_s := max(self._timeout_s, _FIRST_ANSWER_S)):
            raise StageError(
                "the cluster's executors are there, but do not end their first tasks",
                value=f"none ended in {most_s:.0f} s on {self._master}",
                expected="executors that start Python and reach the driver (spark.driver.host, spark.driver.port, "
                "spark.driver.blockManager.port)",
                hint="read the executors' logs; where they are only slow, raise spark.executors_timeout_s beyond that",
            )
        return False


def code_zip() -> Path:
    """Lakebed's code, in a folder that ends with this process."""
    folder = tempfile.mkdtemp(prefix="lakebed-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        kept = environment_folder("code")
    except ConfigError:
        return write_code_zip(Path(folder))
    return copy_code_zip(kept, Path(folder))


def _cause(error: BaseException) -> str:
    """The line of a worker's traceback that says most."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if _TELLING.search(line) and not line.startswith(("at ", "File "))]
    return (told or lines or [type(error).__name__])[-1][:300]
