"""Connections to MariaDB and MySQL by PyMySQL: cells come as text or bytes, and Arrow makes values of them."""

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.databases import DatabaseConfig
from lakebed.connectors.lake.direct import CursorConnection

# TLS by the names of MariaDB's connector
_SSL_MODES: dict[str, dict[str, bool]] = {
    "disable": {"ssl_disabled": True},
    "trust": {"ssl_verify_cert": False, "ssl_verify_identity": False},
    "verify-ca": {"ssl_verify_cert": True, "ssl_verify_identity": False},
    "verify-full": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}
_HINTS = {
    1045: "check `user`, and that the variable named by `password_env` holds the password",
    1044: "grant the user SELECT on the database",
    1049: "check the name of the database in `url`",
    1142: "GRANT SELECT ON the table TO the user",
    1205: "another session holds a lock on the table: run the same command later",
    1412: "the table was altered while it was read: run the same command again",
    2003: "check host and port in `url`, and that the server runs",
    2006: "see why the server ended the connection, then run the same command again",
    2013: "see why the server ended the connection, then run the same command again",
}
_BUSY = (1040, 1053, 1203, 2003, 2006, 2013)


class MariadbError(SourceError):
    """What a server of MariaDB or MySQL, or its driver, answered."""


class MariadbBusyError(MariadbError, Transient):
    """A server that cannot be reached, is full, or has ended the connection."""


class MariadbConnection(CursorConnection):
    """One connection in one read-only transaction; all it reads is of the snapshot that it began with."""

    def __init__(self, config: DatabaseConfig, login: Mapping[str, str]) -> None:
        """Connects; `login` has the user and the password, as far as there are any.

        Raises:
            MariadbError: if there is no connection to be had.
            SourceError: if the URL has a property that this client has not, or the client is not installed.
        """
        self._url = config.url
        try:
            import pymysql
        except ImportError as error:
            raise SourceError(
                "the client of MariaDB is not installed", value="PyMySQL", hint=extra_hint("mariadb")
            ) from error
        self._driver: Any = pymysql
        with self._told():
            self._connection: Any = pymysql.connect(
                **connection_arguments(config.url),
                user=login.get("user") or getpass.getuser(),
                password=login.get("password", ""),
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=config.connect_timeout_s,
                # no cell becomes a value of Python, which has no room for some dates
                conv={kind: one for kind, one in pymysql.converters.conversions.items() if not isinstance(kind, int)},
                cursorclass=pymysql.cursors.SSCursor,
            )
        try:
            for statement in (
                "SET SESSION time_zone = '+00:00'",
                f"SET SESSION lock_wait_timeout = {config.lock_timeout_s}",
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ):
                list(self.rows(statement, 1))
        except BaseException:
            self.close()
            raise

    def _end(self, cursor: Any) -> None:
        result = cursor._result
        try:
            cursor.close()
        except Exception:
            # the client would try again, and fail, when it forgets the answer
            if result is not None:
                result.unbuffered_active = False

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._driver.err.MySQLError, OSError) as error:
            numbers = [one for one in error.args if isinstance(one, int)]
            number = numbers[0] if numbers else 0
            words = " ".join(str(error.args[-1] if error.args else error).split())[:300]
            kind = MariadbBusyError if number in _BUSY else MariadbError
            raise kind(
                "the database cannot be read",
                value=f"{words} (error {number})",
                expected=f"a server at {self._url} that lets this user read",
                hint=_HINTS.get(number, "see what the server says above"),
            ) from None


def connection_arguments(url: str) -> dict[str, Any]:
    """Host, port, database and TLS of a JDBC URL.

    Raises:
        SourceError: if it has a property that cannot be used.
    """
    parts = urlsplit(url.removeprefix("jdbc:"))
    found: dict[str, Any] = {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    if database := parts.path.strip("/"):
        found["database"] = database
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "sslMode" and value in _SSL_MODES:
            found |= _SSL_MODES[value]
        elif name == "serverSslCert":
            found["ssl_ca"] = value
        else:
            raise SourceError(
                "a property of `url` cannot be used to read tables", value=f"{name}={value}",
                expected=f"sslMode ({', '.join(_SSL_MODES)}), serverSslCert", hint="see docs/sources.md",
            )  # fmt: skip
    return found
