"""Connections to SQL Server by python-tds: cells come as text or bytes, and Arrow makes values of them."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.databases import DatabaseConfig
from lakebed.connectors.lake.direct import Cells, CursorConnection
from lakebed.connectors.redaction import redacted

_ADDRESS = re.compile(
    r"jdbc:sqlserver://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;/\\\[\]]+)(?::(?P<port>\d{1,5}))?(?P<rest>(?:;.*)?)"
)
_PROPERTIES = ("databaseName", "encrypt", "serverCertificate")
_HINTS = {
    229: "GRANT SELECT ON the table TO the user",
    916: "CREATE USER in the database for the login",
    1222: "another session holds a lock on the table: run the same command later",
    3952: "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON",
    3961: "the table was altered while it was read: run the same command again",
    4060: "check `databaseName` in `url`, and that the login may use it",
    18456: "check `user`, and that the variable named by `password_env` holds the password",
}
# too many connections, shutting down, throttled or moving
_BUSY = (921, 983, 6005, 10928, 10929, 17809, 40197, 40501, 40613, 49918, 49919, 49920)
SYSTEM: Final = "system"
"""Authorities that are known to all."""
BEGIN = ("SET LOCK_TIMEOUT {lock_ms}", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION")
IN_TRANSACTION = "SELECT CONVERT(bit, @@TRANCOUNT)"


class SqlserverError(SourceError):
    """What a SQL Server, or its driver, answered."""


class SqlserverBusyError(SqlserverError, Transient):
    """A server that cannot be reached, is full, or has ended the connection."""


@dataclass(frozen=True)
class Address:
    """Where a database is, and whose certificates are trusted; without any the connection is not encrypted."""

    host: str
    port: int
    database: str
    authorities: str | None


class SqlserverConnection(CursorConnection):
    """One connection in one transaction of the isolation level SNAPSHOT, which only reads."""

    def __init__(self, config: DatabaseConfig, login: Mapping[str, str]) -> None:
        """Connects; `login` has the user and the password, as far as there are any.

        Raises:
            SqlserverError: if there is no connection to be had.
            SourceError: if the URL has a property that this client has not, or the client is not installed.
        """
        self._url, address = config.url, address_of(config.url)
        self._has_begun = self._is_over = False
        try:
            import pytds
            from OpenSSL import SSL
        except ImportError as error:
            hint = extra_hint("sqlserver")
            raise SourceError("the client of SQL Server is not installed", value=error.name, hint=hint) from error
        self._driver: Any = pytds
        self._errors: Any = (pytds.Error, SSL.Error, OSError)
        with self._told():
            self._connection: Any = pytds.connect(
                dsn=address.host,
                port=address.port,
                database=address.database,
                user=login.get("user", ""),
                password=login.get("password", ""),
                cafile=_file_of(address.authorities),
                login_timeout=config.connect_timeout_s,
                autocommit=True,
                readonly=True,
                appname="lakebed",
            )
        try:
            for statement in BEGIN:
                list(self.rows(statement.format(lock_ms=config.lock_timeout_s * 1000), 1))
            self._has_begun = True
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str, n_rows: int) -> Generator[Sequence[Cells], None, None]:
        """The rows that a query answers, in batches.

        Raises:
            SqlserverError: what the server said, also in the middle.
            SqlserverBusyError: if it has ended the transaction, now or before: what is read then is of no snapshot.
        """
        if self._is_over:
            hint = "run the same command again"
            raise SqlserverBusyError("the snapshot is over", value="the server rolled the transaction back", hint=hint)
        yield from super().rows(sql, n_rows)

    def _is_in_transaction(self) -> bool:
        """Whether the server still has the transaction: some errors end it, and the connection goes on without."""
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(IN_TRANSACTION)
                return bool(cursor.fetchall()[0][0])
        except self._errors:
            return False

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            number = getattr(error, "number", 0) or 0
            words = redacted(" ".join(str(error.args[0] if error.args else error).split())[:300])
            is_gone = isinstance(error, (OSError, self._driver.ClosedConnectionError))
            self._is_over = self._has_begun and not self._is_in_transaction()
            is_busy = is_gone or self._is_over or number in _BUSY
            kind = SqlserverBusyError if is_busy else SqlserverError
            again = "run the same command again"
            gone = f"check host and port in `url`, and that the server runs; then {again}"
            other = again if self._is_over else "see what the server says above"
            raise kind(
                "the database cannot be read",
                value=f"{words} (error {number})" if number else words,
                expected=f"a server at {self._url} that lets this user read",
                hint=_HINTS.get(number, gone if is_gone else other),
            ) from None


def address_of(url: str) -> Address:
    """Host, port, database and TLS of a JDBC URL; encrypted unless it says otherwise.

    Raises:
        SourceError: if it names no database, an instance, or a property that cannot be used.
    """
    match = _ADDRESS.fullmatch(url)
    if match is None:
        raise _refused(url, "jdbc:sqlserver://host:1433;databaseName=…, with the port in place of an instance")
    properties = {"encrypt": "true"}
    for part in filter(None, match["rest"].split(";")):
        name, _, value = part.partition("=")
        known = next((one for one in _PROPERTIES if one.lower() == name.strip().lower()), None)
        if known is None or (known == "encrypt" and value.strip().lower() not in ("true", "false")):
            raise _refused(part, "databaseName, encrypt (true, false), serverCertificate (authorities, a PEM file)")
        properties[known] = value.strip()
    if not properties.get("databaseName"):
        raise _refused(url, "a database: a snapshot is of one (;databaseName=…)")
    is_plain = properties["encrypt"].lower() == "false"
    authorities = None if is_plain else properties.get("serverCertificate") or SYSTEM
    return Address(match["host"].strip("[]"), int(match["port"] or 1433), properties["databaseName"], authorities)


def _file_of(authorities: str | None) -> str | None:
    if authorities == SYSTEM:
        import certifi

        return certifi.where()
    return authorities


def _refused(value: str, expected: str) -> SourceError:
    return SourceError(
        "the `url` of a SQL Server cannot be used", value=value, expected=expected, hint="see docs/sources.md"
    )
