"""Connections to PostgreSQL through its JDBC driver, in a small JVM without Spark.

The driver knows every way to encrypt and to authenticate, so lakebed needs no client of its own. The JVM starts in half
a second, ends with this process (it watches its input), and takes the password over its authenticated loopback socket:
it stands on no command line and in no environment.
"""

from __future__ import annotations

import atexit
import re
import threading
from typing import TYPE_CHECKING, Any, Self

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JError, Py4JJavaError

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.spark.jars import POSTGRESQL_JARS, find_set
from lakebed.connectors.spark.java import find_java

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

DRIVER = "org.postgresql.Driver"
# every text of a value is the same on every server, and no setting of the server's or the role's changes it
SESSION_SETTINGS = (
    "SET TimeZone TO 'UTC'", "SET DateStyle TO 'ISO, MDY'", "SET IntervalStyle TO 'postgres'",
    "SET extra_float_digits TO 3", "SET bytea_output TO 'hex'", "SET search_path TO pg_catalog",
    "SET synchronize_seqscans TO off",
)  # fmt: skip
_FLAGS = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_REPEATABLE_READ = 4
_HINTS = {
    "28": "check `user`, and that the variable named by `password_env` holds the password",
    "3D": "check the name of the database in `url`",
    "42501": "grant the role what it lacks",
    "08": "check host and port in `url`, and that the server runs",
    "57": "see why the server ended the connection, then run the same command again",
    "53": "the server has no room for another connection: run the same command later",
    "55P03": "another session holds a lock on the table: run the same command later",
    "40": "run the same command again",
}
_TRANSIENT = ("08", "53", "57", "55P03", "40")
_SOON_OVER = ("53", "57", "40")
_lock = threading.Lock()
_shared: list[JavaGateway] = []


class DatabaseError(SourceError):
    """What a PostgreSQL server or its driver answered; `state` is the SQLSTATE, empty where there is none."""

    state = ""


class DatabaseBusyError(DatabaseError, Transient):
    """A server that cannot be reached, is full, or is shutting down."""

    @property
    def is_soon_over(self) -> bool:
        """Whether the server answers, and only cannot serve just now."""
        return self.state.startswith(_SOON_OVER)


class Connection:
    """One connection in one read-only transaction, whose snapshot stays what it was when the first query ran."""

    def __init__(self, url: str, properties: Mapping[str, str], *, lock_timeout_s: int) -> None:
        """Connects.

        Raises:
            DatabaseError: if there is no connection to be had.
            ConfigError: if there is no Java, or no driver.
        """
        self._url = url
        jvm = _gateway()
        given = jvm.jvm.java.util.Properties()
        for name, value in properties.items():
            given.setProperty(name, value)
        self._connection = self._ask(lambda: getattr(jvm.jvm, DRIVER)().connect(url, given))
        self._ask(lambda: self._connection.setTransactionIsolation(_REPEATABLE_READ))
        self._ask(lambda: self._connection.setReadOnly(True))
        self.run("; ".join((*SESSION_SETTINGS, f"SET lock_timeout TO '{lock_timeout_s}s'")))
        self._ask(lambda: self._connection.setAutoCommit(False))

    def run(self, sql: str) -> None:
        """Runs statements that answer nothing."""
        statement = self._ask(self._connection.createStatement)
        try:
            self._ask(lambda: statement.execute(sql))
        finally:
            self._ask(statement.close)

    def text(self, sql: str) -> str | None:
        """The one cell that a query answers, as text.

        Raises:
            DatabaseError: what the server said.
        """
        statement = self._ask(self._connection.createStatement)
        try:
            rows = self._ask(lambda: statement.executeQuery(sql))
            self._ask(rows.next)
            answer: str | None = self._ask(lambda: rows.getString(1))
            return answer
        finally:
            self._ask(statement.close)

    def tried(self, sql: str) -> str | None:
        """The same; the transaction and its snapshot outlive a failure."""
        self.run("SAVEPOINT tried")
        try:
            answer = self.text(sql)
        except DatabaseError:
            self.run("ROLLBACK TO SAVEPOINT tried")
            raise
        self.run("RELEASE SAVEPOINT tried")
        return answer

    def close(self) -> None:
        """Gives the snapshot up; a connection that is gone already is fine."""
        try:
            self._connection.close()
        except Py4JError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except Py4JJavaError as error:
            raise database_error(self._url, *_told(error.java_exception)) from None
        except Py4JError as error:
            raise database_error(self._url, "", f"the JVM of the driver is gone: {error}") from None


def database_error(url: str, state: str, message: str) -> DatabaseError:
    """The typed error of what the server or the driver said, in one line."""
    kind = DatabaseBusyError if state.startswith(_TRANSIENT) or not state else DatabaseError
    hint = next((hint for known, hint in _HINTS.items() if state.startswith(known)), "see what the server says above")
    error = kind(
        "the database cannot be read",
        value=f"{' '.join(message.split())[:300]}" + (f" (SQLSTATE {state})" if state else ""),
        expected=f"a PostgreSQL server at {url} that lets this role read",
        hint=hint,
    )
    error.state = state
    return error


def _told(exception: Any) -> tuple[str, str]:
    """SQLSTATE and message; the cause tells what the driver's own words leave out."""
    state = exception.getSQLState() if hasattr(exception, "getSQLState") else ""
    message = str(exception.getMessage())
    cause = exception.getCause()
    more = f": {cause.getClass().getSimpleName()} {cause.getMessage()}" if cause is not None else ""
    return state or "", re.sub(r"^ERROR: |^FATAL: ", "", message) + more


def _gateway() -> JavaGateway:
    """The JVM of this process, started at the first call."""
    with _lock:
        if not _shared:
            driver = find_set(POSTGRESQL_JARS)
            port, token = launch_gateway(
                classpath=":".join(map(str, driver)), javaopts=list(_FLAGS), die_on_exit=True, enable_auth=True,
                java_path=find_java().path, create_new_process_group=True,
            )  # fmt: skip
            _shared.append(JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token)))
            atexit.register(stop_jvm)
        return _shared[0]


def stop_jvm() -> None:
    """Ends the JVM, and with it every connection."""
    with _lock:
        while _shared:
            _shared.pop().shutdown()
