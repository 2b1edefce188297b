"""The Spark session factory: one session a process, started beside other work."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakebed.connectors.errors import ConfigError, LakeError, SparkLostError, StageError
from lakebed.connectors.spark.archive import archive_flags
from lakebed.connectors.spark.background import in_background
from lakebed.connectors.spark.cluster import adopted, code_zip, is_shipped, join_cluster, require_delta
from lakebed.connectors.spark.config import REMOTE_VARIABLE, SparkConfig
from lakebed.connectors.spark.connect import connect, forget, is_connect, n_cores, portable
from lakebed.connectors.spark.failures import is_way_lost, root_cause
from lakebed.connectors.spark.fetch import present_jars
from lakebed.connectors.spark.gateway import SHORT_RUN, jvm_command, start_gateway
from lakebed.connectors.spark.jars import class_path, find_jars, s3_jars
from lakebed.connectors.spark.java import find_java
from lakebed.connectors.spark.masters import require_master
from lakebed.connectors.spark.settings import (
    CLIENT_PINS,
    pinned_settings,
    session_settings,
    worker_environment,
    worker_python,
)
from lakebed.connectors.spark.submitted import is_submitted, submitted_settings

if TYPE_CHECKING:
    from concurrent.futures import Future

# a JVM that still runs then is killed; writing a class-data archive at its end may take long on a busy machine
_STOP_TIMEOUT_S, _ARCHIVE_TIMEOUT_S = 120, 1800
# from the moment at which a dying JVM no longer answers to its end
_DYING_S = 2.0
# Spark answers these in another spelling
_REWRITTEN = {"spark.sql.warehouse.dir", "spark.jars"}
# Spark puts options of its own before these
_EXTENDED = {"spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions"}
_NO_START = "the Spark session did not start"
_DOCTOR = "`lakebed doctor` checks Java, memory and Delta's jars"


class SessionStarter:
    """Starts the session in a thread of its own, so that the driver reads footers meanwhile.

    Attributes:
        checks: what must hold of a session before anybody gets it; each is called once with it, and may raise.
        seconds: how long the start took; None until it is over.
        ready_at: `time.monotonic()` at its end; None until then.
    """

    def __init__(self, config: SparkConfig, *, jvm_flags: Sequence[str] | None = None) -> None:
        """`jvm_flags` take the place of the class-data archive's; only the archive's own training sets them."""
        self.config = config
        self.checks: list[Callable[[SparkSession], None]] = []
        self.seconds: float | None = None
        self.ready_at: float | None = None
        self._jvm_flags = jvm_flags
        self._lock = threading.Lock()
        self._session: Future[SparkSession] | None = None
        self._warm: Future[None] | None = None
        self._is_joined = False

    @property
    def is_started(self) -> bool:
        """Whether a start was asked for; it may still be under way."""
        return self._session is not None

    def start(self) -> None:
        """Begins in the background and returns at once; a second call does nothing."""
        with self._lock:
            if self._session is None:
                self._session = in_background("spark-start", self._make)

    def get(self) -> SparkSession:
        """The session; starts it if need be and waits.

        Raises:
            ConfigError: if Java or jars are missing, or another session runs in this process with other settings.
            StageError: if the JVM or Spark does not start; a transient one if the JVM died meanwhile.
        """
        started = self._started()
        try:
            session = started.result()
        except SparkLostError:
            # whoever tries again gets a new one
            self.stop(started)
            raise
        if not _is_over(session):
            return session
        # as `spark.stop()` in a notebook does
        self.stop(started)
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
                self._warm = in_background("spark-warm-up", lambda: _touch_every_core(self.get()))
            return self._warm

    def stop(self, only: "Future[SparkSession] | None" = None) -> None:
        """Stops the session and its JVM, and waits for both; nothing where none was started, or another than `only`.

        Another thread may have met the same end, and have a new session by now.
        """
        with self._lock:
            if only is not None and only is not self._session:
                return
            session, self._session, self._warm = self._session, None, None
            self.seconds = self.ready_at = None
        if session is not None and session.exception() is None:
            _stop_session(session.result())
            if self.config.is_connect:
                forget()
            else:
                _stop_jvm(_STOP_TIMEOUT_S if self._jvm_flags is None else _ARCHIVE_TIMEOUT_S)
        elif session is not None and (self._has_own_context() or _is_jvm_gone()):
            _stop_context(SparkContext._active_spark_context)
            _stop_jvm()

    def _make(self) -> SparkSession:
        begun = time.monotonic()
        self._is_joined = SparkContext._active_spark_context is not None or is_submitted()
        try:
            session = self._checked_session()
        except SparkLostError:
            if self._is_joined and not _is_jvm_gone():
                raise
            # a JVM that died while it started, as where memory was short for a moment, is started once more
            _stop_context(SparkContext._active_spark_context)
            _stop_jvm()
            session = self._checked_session()
        self.ready_at = time.monotonic()
        self.seconds = self.ready_at - begun
        return session

    def _has_own_context(self) -> bool:
        """Whether a context lives, and nobody but us has begun it: another program goes on with its own."""
        return SparkContext._active_spark_context is not None and not self._is_joined

    def _checked_session(self) -> SparkSession:
        """A new session.

        Raises: as `get`.
        """
        try:
            session = _make_session(self.config, self._jvm_flags)
            for check in self.checks:
                check(session)
        except Exception as error:
            if isinstance(error, SparkLostError) or not _is_jvm_gone(0.0 if isinstance(error, LakeError) else _DYING_S):
                raise
            raise SparkLostError(_NO_START, value=root_cause(error), hint=_DOCTOR) from error
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
    if config.is_connect:
        return connect(config, CLIENT_PINS, code_zip)
    jars = [] if is_submitted() else [*present_jars(config.jars), *s3_jars()]
    submitted = submitted_settings()
    config = adopted(config, submitted)
    settings = session_settings(config, jars, submitted)
    checked = settings if submitted is None else pinned_settings(submitted) | config.conf
    given = settings
    if (active := SparkContext._active_spark_context) is not None:
        settings, given = checked, dict(active.getConf().getAll())
    else:
        require_master(config.master, is_submitted=submitted is not None)
    # beside the JVM's start, of which one core is enough
    code = None if config.is_local or is_shipped(given) else in_background("code", code_zip)
    if config.event_log and "://" not in config.event_log:
        Path(config.event_log).expanduser().mkdir(parents=True, exist_ok=True)
    try:
        if submitted is None:
            _launch(config, settings, jvm_flags)
        else:
            require_delta(config)
        os.environ["PYSPARK_PYTHON"] = worker_python(config)
        session = _get_or_create(settings)
        session.sparkContext.setLogLevel("ERROR")
        _check(session, checked)
        if not config.is_local:
            join_cluster(session, config, code)
    except LakeError:
        raise
    except (PySparkException, Exception) as error:
        kind = SparkLostError if is_way_lost(error) or _is_jvm_gone(_DYING_S) else StageError
        raise kind(_NO_START, value=_start_cause(error, config.master), hint=_DOCTOR) from error
    return session


def _start_cause(error: Exception, master: str) -> str:
    """What kept the session from starting; Spark itself only logs that it gave a cluster up."""
    cause = root_cause(error)
    is_given_up = "stopped SparkContext" in cause
    return f"Spark gave up, since {master} did not take the application: {cause}" if is_given_up else cause


def _launch(config: SparkConfig, settings: Mapping[str, str], jvm_flags: Sequence[str] | None) -> None:
    """The driver's JVM, if none runs yet, with flags for short runs: of a cluster it only plans and schedules."""
    if SparkContext._gateway is not None:
        return
    java, jars = find_java(), find_jars(config.jars)
    flags = [*SHORT_RUN, *(archive_flags(java, jars) if jvm_flags is None else jvm_flags)]
    environment = worker_environment(config)
    os.environ["PYSPARK_DRIVER_PYTHON"] = environment["PYSPARK_DRIVER_PYTHON"]
    classes = class_path(jars, s3_jars())
    gateway = start_gateway(jvm_command(java.path, classes, config.driver_memory_mib, flags), settings, environment)
    SparkContext._ensure_initialized(gateway=gateway)


def _get_or_create(settings: Mapping[str, str]) -> SparkSession:
    # another master was named, and PySpark would follow this all the same
    remote = os.environ.pop(REMOTE_VARIABLE, None)
    try:
        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()
    finally:
        if remote is not None:
            os.environ[REMOTE_VARIABLE] = remote


def _check(session: SparkSession, settings: Mapping[str, str]) -> None:
    """`getOrCreate` silently keeps an old session's settings, so what it gave is compared with what was asked for.

    Core settings are asked of the context: the session repeats what it was told, though it is without effect.
    """
    context = session.sparkContext.getConf()
    is_sql = {name: name.startswith(("spark.sql.", "spark.databricks.")) for name in settings}
    found = {name: session.conf.get(name, "") if is_sql[name] else context.get(name, "") for name in settings}
    kept = {name for name in settings.keys() & _EXTENDED if (found[name] or "").endswith(settings[name])}
    differing = [name for name in settings.keys() - _REWRITTEN - kept if found[name] != settings[name]]
    wrong = [f"{name} = {found[name]}, wanted {settings[name]}" for name in sorted(differing)]
    if wrong:
        raise ConfigError(
            "a Spark session with other settings runs in this process",
            value=f"{len(wrong)} settings differ",
            hint="stop it (SparkSession.getActiveSession().stop()) before lakebed starts its own",
            examples=wrong,
        )


def _is_jvm_gone(within_s: float = 0.0) -> bool:
    """Whether the JVM that this process has started has ended, or ends within some seconds."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
    return process.poll() is not None


def _is_over(session: SparkSession) -> bool:
    """Whether somebody has stopped the session, or its JVM is gone."""
    if is_connect(session):
        return bool(cast("Any", session).is_stopped)
    return session.sparkContext._jsc is None or _is_jvm_gone()


def _stop_session(session: SparkSession) -> None:
    """Stops a session; one whose JVM is gone cannot be told, so Python's side of it is only forgotten."""
    if is_connect(session) or not _is_jvm_gone():
        session.stop()
        return
    _stop_context(session.sparkContext)
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def _stop_context(context: SparkContext | None) -> None:
    if context is None:
        return
    if _is_jvm_gone():
        context._jsc = None
    context.stop()


def _stop_jvm(timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """Ends the JVM of a local session by closing its input, which it watches; kills it where that takes too long."""
    gateway = SparkContext._gateway
    process = getattr(gateway, "proc", None)
    if gateway is None or process is None:
        return
    gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    process.stdin.close()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _touch_every_core(session: SparkSession) -> None:
    cores = n_cores(session)
    session.range(0, cores, 1, cores).mapInArrow(portable(session, _pass_on), "id long").collect()


def _pass_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    time.sleep(0.05)  # long enough that no worker takes two partitions
    yield from batches
