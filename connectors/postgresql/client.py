"""Connections to PostgreSQL by asyncpg: listing and identity need neither Java nor a driver's jar.

Its errors carry the server's SQLSTATE also where no connection comes about, which tells a wrong password from a server
that is down. The loop that it needs runs in a thread per connection, so that callers may have a loop of their own.
A JDBC URL is one address for Spark's readers and for the listing: it is told here as asyncpg takes it.
"""

import asyncio
import getpass
import os
import re
import socket
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.lake.databases import DatabaseConfig

_KEPT = {name: name for name in ("sslmode", "sslrootcert", "sslcert", "sslkey", "options")}
_NAMES = {**_KEPT, "kerberosServerName": "krbsrvname", "targetServerType": "target_session_attrs"}
_TARGETS = {
    "primary": "primary", "master": "primary", "secondary": "standby", "slave": "standby",
    "preferSecondary": "prefer-standby", "preferSlave": "prefer-standby",
}  # fmt: skip
# whatever else decides how a connection is made safe must not be dropped in silence
_SAFETY = re.compile(r"(ssl|gss|sspi|krb|kerberos|jaas|auth|channelBinding|socketFactory)(?!.*Timeout)", re.IGNORECASE)
_HARMLESS = ("disable", "allow", "prefer", "postgres", "false")
_JAVA_KEYS = (".pk8", ".p12", ".pfx")


def connection_address(url: str, user: str) -> str:
    """The address of libpq's form; properties that only steer how JDBC reads are left out.

    Args:
        url: `jdbc:postgresql:…`, without role and password.
        user: who connects; also the name of the database where the URL has none, as in JDBC.

    Raises:
        SourceError: if a property asks for a way to be safe that the client has not.
    """
    parts = urlsplit(url.removeprefix("jdbc:"))
    hosts = [host if re.search(r":\d+$", host) else f"{host}:5432" for host in (parts.netloc or "localhost").split(",")]
    database = parts.path.strip("/") or quote(user, safe="")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    # what the environment says of psql is not meant here
    query = {"sslmode": "prefer", "target_session_attrs": "any"}
    is_blind = given.get("sslfactory", "").endswith(".NonValidatingFactory") and bool(given.pop("sslfactory"))
    if given.pop("ssl", "false") != "false":
        query["sslmode"] = "require" if is_blind else "verify-full"
    for name, value in given.items():
        if name in _NAMES:
            query[_NAMES[name]] = _TARGETS.get(value, "any") if name == "targetServerType" else value
        elif _SAFETY.search(name) and value not in _HARMLESS:
            raise _unusable(name, value, "sslmode, sslrootcert, sslcert, sslkey")
    if query.get("sslkey", "").endswith(_JAVA_KEYS):
        raise _unusable("sslkey", query["sslkey"], "a key as PEM, in a file called .key or .pem, which JDBC reads too")
    return f"postgresql://{','.join(hosts)}/{database}?{urlencode(query, quote_via=quote)}"


def _unusable(name: str, value: str, expected: str) -> SourceError:
    return SourceError(
        "a property of `url` cannot be used to list tables", value=f"{name}={value}", expected=expected,
        hint="see docs/sources.md",
    )  # fmt: skip


T = TypeVar("T")

# every text of a value is the same on every server, and no setting of the server's or the role's changes it
SESSION_SETTINGS = (
    "SET TimeZone TO 'UTC'", "SET DateStyle TO 'ISO, MDY'", "SET IntervalStyle TO 'postgres'",
    "SET extra_float_digits TO 3", "SET bytea_output TO 'hex'", "SET search_path TO pg_catalog",
    "SET synchronize_seqscans TO off",
)  # fmt: skip
_CLOSE_S = 5.0
_WRONG_SETTING, _LOST, _NOT_REACHED = "22023", "08006", "08001"
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

    def __init__(self, config: DatabaseConfig, login: Mapping[str, str]) -> None:
        """Connects; `login` has the role and the password, as far as there are any.

        Raises:
            DatabaseError: if there is no connection to be had.
            SourceError: if the URL asks for a safety that this client has not.
        """
        self._url = config.url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgresql", daemon=True)
        self._thread.start()
        self._connection: Any = None
        try:
            self._connection = self._ask(_connected(config, login))
            self.run("; ".join((*SESSION_SETTINGS, f"SET lock_timeout TO '{config.lock_timeout_s}s'")))
            self.run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        except BaseException:
            self.close()
            raise

    def run(self, sql: str) -> None:
        """Runs statements that answer nothing."""
        self._ask(self._connection.execute(sql))

    def text(self, sql: str) -> str | None:
        """The one cell that a query answers, as text.

        Raises:
            DatabaseError: what the server said.
        """
        answer: str | None = self._ask(self._connection.fetchval(sql))
        return answer

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
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_closed(self._connection), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _ask(self, answer: Coroutine[Any, Any, T]) -> T:
        import asyncpg

        try:
            return asyncio.run_coroutine_threadsafe(answer, self._loop).result()
        except asyncpg.PostgresError as error:
            raise database_error(self._url, error.sqlstate or "", str(error)) from None
        except asyncpg.InterfaceError as error:
            # settings that cannot be used are values that are wrong, too
            state = _WRONG_SETTING if isinstance(error, ValueError) else _LOST
            raise database_error(self._url, state, str(error)) from None
        except OSError as error:
            raise database_error(self._url, _NOT_REACHED, _reason(error)) from None


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


async def _connected(config: DatabaseConfig, login: Mapping[str, str]) -> Any:
    import asyncpg

    user = login.get("user") or getpass.getuser()
    return await asyncpg.connect(
        connection_address(config.url, user),
        user=user,
        password=login.get("password"),
        timeout=config.connect_timeout_s,
        # no statement of the server's outlives the one call, as poolers want it
        statement_cache_size=0,
        server_settings={"application_name": "lakebed"},
    )


async def _closed(connection: Any) -> None:
    """Closes it; a server that does not answer is left alone after a while."""
    import asyncpg

    # what was asked last may still run, where somebody stopped the run
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    if connection is not None:
        try:
            await connection.close(timeout=_CLOSE_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.CancelledError):
            connection.terminate()


def _reason(error: OSError) -> str:
    """Why a server was not reached, in the system's words."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, socket.gaierror):
        return f"the host is not known: {error.strerror}"
    return re.sub(r"\[Errno (\d+)\] Connect call failed", lambda found: os.strerror(int(found[1])), str(error))
