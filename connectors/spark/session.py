"""The Spark session factory: one session a process, started beside other work."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

import pyarrow as pa
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from connectors.errors import ConfigError, LakeError, StageError
from connectors.spark.archive import archive_flags
from connectors.spark.config import SparkConfig
from connectors.spark.gateway import jvm_command, start_gateway
from connectors.spark.jars import find_jars
from connectors.spark.java import find_java
from connectors.spark.settings import session_settings, worker_environment

T = TypeVar("T")
_STOP_TIMEOUT_S = 120
# Spark answers these in another spelling
_REWRITTEN = {"spark.sql.warehouse.dir", "spark.jars"}
_DOCTOR = "`lakebed doctor` checks Java, memory and Delta's jars"


class SessionStarter:
    """Starts the session in a thread of its own, so that the driver reads footers meanwhile.

    Attributes:
        seconds: how long the start took; None until it is over.
        ready_at: `time.monotonic()` at its end; None until then.
    """

    def __init__(self, config: SparkConfig, *, jvm_flags: Sequence[str] | None = None) -> None:
        """`jvm_flags` take the place of the class-data archive's; only the archive's own training sets them."""
        self.config = config
        self.seconds: float | None = None
        self.ready_at: float | None = None
        self._jvm_flags = jvm_flags
        self._lock = threading.Lock()
        self._session: Future[SparkSession] | None = None
        self._warm: Future[None] | None = None

    @property
    def is_started(self) -> bool:
        """Whether a start was asked for; it may still be under way."""
        return self._session is not None

    def start(self) -> None:
        """Begins in the background and returns at once; a second call does nothing."""
        with self._lock:
            if self._session is None:
                self._session = _in_background("spark-start", self._make)

    def get(self) -> SparkSession:
        """The session; starts it if need be and waits.

        Raises:
            ConfigError: if Java or jars are missing, or another session runs in this process with other settings.
            StageError: if the JVM or Spark does not start.
        """
        session = self._started().result()
        if session.sparkContext._jsc is not None:
            return session
        # somebody has stopped it, as `spark.stop()` in a notebook does
        self.stop()
        return self._started().result()

    def _started(self) -> "Future[SparkSession]":
        self.start()
        assert self._session is not None  # noqa: S101 - for the type checker: start() has set it
        return self._session

    def warm_up(self) -> "Future[None]":
        """Runs one tiny Arrow job on every core, in the background, so that the Python workers are there when needed.

        Its failure is kept in the answer and raised nowhere else: the first real job meets the same error.
        """
        self.start()
        with self._lock:
            if self._warm is None:
                self._warm = _in_background("spark-warm-up", lambda: _touch_every_core(self.get()))
            return self._warm

    def stop(self) -> None:
        """Stops the session and its JVM, and waits for both. Does nothing when none was started."""
        with self._lock:
            session, self._session, self._warm = self._session, None, None
            self.seconds = self.ready_at = None
        if session is not None and session.exception() is None:
            session.result().stop()
            _stop_jvm()

    def _make(self) -> SparkSession:
        begun = time.monotonic()
        session = _make_session(self.config, self._jvm_flags)
        self.ready_at = time.monotonic()
        self.seconds = self.ready_at - begun
        return session


_shared: list[SessionStarter] = []
_shared_lock = threading.Lock()


def shared_session(config: SparkConfig) -> SessionStarter:
    """This process's one starter.

    Raises: ConfigError: if it was made with another config and is in use.
    """
    with _shared_lock:
        if _shared and _shared[0].config != config and _shared[0].is_started:
            raise ConfigError(
                "a Spark session with another config runs in this process",
                value=config,
                expected=str(_shared[0].config),
                hint="stop it first: shared_session(old_config).stop()",
            )
        if not _shared or _shared[0].config != config:
            _shared[:] = [SessionStarter(config)]
        return _shared[0]


def _make_session(config: SparkConfig, jvm_flags: Sequence[str] | None) -> SparkSession:
    jars = find_jars(config.jars)
    settings = session_settings(config, jars)
    # a gateway that is there already belongs to spark-submit, which has chosen master and JVM
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if is_submitted:
        settings = {
            name: value for name, value in settings.items() if name not in ("spark.master", "spark.driver.memory")
        }
    try:
        if config.is_local and not is_submitted and SparkContext._gateway is None:
            _launch_local(config, settings, jvm_flags)
        session = _get_or_create(settings)
    except LakeError:
        raise
    except (PySparkException, Exception) as error:
        raise StageError("the Spark session did not start", value=_first_line(error), hint=_DOCTOR) from error
    session.sparkContext.setLogLevel("ERROR")
    _check(session, settings)
    return session


def _launch_local(config: SparkConfig, settings: Mapping[str, str], jvm_flags: Sequence[str] | None) -> None:
    """The JVM with flags for short local runs; a cluster's JVMs are left alone."""
    java, jars = find_java(), find_jars(config.jars)
    flags = archive_flags(java, jars) if jvm_flags is None else jvm_flags
    environment = worker_environment(config)
    os.environ.update({name: environment[name] for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")})
    gateway = start_gateway(jvm_command(java.path, jars, config.driver_memory_mib, flags), settings, environment)
    SparkContext._ensure_initialized(gateway=gateway)


def _get_or_create(settings: Mapping[str, str]) -> SparkSession:
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _check(session: SparkSession, settings: Mapping[str, str]) -> None:
    """`getOrCreate` silently keeps an old session's settings, so what it gave is compared with what was asked for.

    Core settings are asked of the context: the session repeats what it was told, though it is without effect.
    """
    context = session.sparkContext.getConf()
    is_sql = {name: name.startswith(("spark.sql.", "spark.databricks.")) for name in settings}
    found = {name: (session.conf.get(name, "") if is_sql[name] else context.get(name, "")) for name in settings}
    differing = [name for name in settings.keys() - _REWRITTEN if found[name] != settings[name]]
    wrong = [f"{name} = {found[name]}, wanted {settings[name]}" for name in sorted(differing)]
    if wrong:
        raise ConfigError(
            "a Spark session with other settings runs in this process",
            value=f"{len(wrong)} settings differ",
            hint="stop it (SparkSession.getActiveSession().stop()) before lakebed starts its own",
            examples=wrong,
        )


def _stop_jvm() -> None:
    """Ends the JVM of a local session by closing its input, which it watches."""
    gateway = SparkContext._gateway
    process = getattr(gateway, "proc", None)
    if gateway is None or process is None:
        return
    gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    process.stdin.close()
    process.wait(_STOP_TIMEOUT_S)


def _touch_every_core(session: SparkSession) -> None:
    cores = session.sparkContext.defaultParallelism
    session.range(0, cores, 1, cores).mapInArrow(_pass_on, "id long").collect()


def _pass_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    time.sleep(0.05)  # long enough that no worker takes two partitions
    yield from batches


def _in_background(name: str, work: Callable[[], T]) -> "Future[T]":
    """Runs `work` in a daemon thread, which does not keep a failed run from ending."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # handed to whoever asks for the result
            answer.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return answer


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
