"""One database of a lake, held open in one snapshot from its listing until its tables are read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.databases import POSTGRESQL, DatabaseConfig, login_of
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.postgresql.client import Connection, DatabaseBusyError, DatabaseError
from lakebed.connectors.postgresql.columns import Column
from lakebed.connectors.postgresql.identity import KnownState, TableState, read_states, table_states
from lakebed.connectors.postgresql.reading import Query, plan_queries, session_statement, settled_columns
from lakebed.connectors.postgresql.tables import Catalog, Table, read_catalog
from lakebed.connectors.storage import Storage

MEMORY = "sources"
DRIVER = "org.postgresql.Driver"


@dataclass(frozen=True)
class TableRead:
    """How one table is read: its columns, and the queries that give their cells, under `options` of Spark's reader.

    The options hold the password, so no text of this object shows them.
    """

    name: str
    columns: tuple[Column, ...]
    queries: tuple[Query, ...]
    options: Mapping[str, str] = field(repr=False)


@dataclass
class OpenDatabase:
    """A database whose tables were listed.

    Attributes:
        name: that the lake gives it.
        problems: tables that cannot be read, with the reason; the database itself where it cannot be reached.
    """

    name: str
    config: DatabaseConfig
    memory: Storage
    connection: Connection | None = None
    catalog: Catalog | None = None
    states: dict[str, TableState] = field(default_factory=dict)
    problems: list[Unreadable] = field(default_factory=list)
    _exported: str = ""

    @property
    def sources(self) -> list[TableSource]:
        """Its tables, each as one file whose tag is its state."""
        if self.catalog is None:
            return []
        found = []
        for table in self.catalog.tables:
            state = self.states[table.shown]
            if state.error is None:
                name = f"{self.name}/{table.shown}"
                files = (FileEntry(name, 0, 0, etag=state.token),)
                found.append(TableSource(name, POSTGRESQL, files, f"{table.kind} {table.shown}"))
        return found

    def plan(self, name: str) -> TableRead:
        """How a table is read.

        Raises:
            SourceError: if it cannot be.
        """
        connection, table = self._table(name)
        columns = settled_columns(connection, table)
        queries = plan_queries(connection, table, columns, self.config.partition_mib << 20)
        # it lives as long as the connection's transaction, and so do the tasks that join it
        self._exported = self._exported or connection.text("SELECT pg_export_snapshot()") or ""
        options = {
            **login_of(self.config), "url": self.config.url, "driver": DRIVER, "preferTimestampNTZ": "true",
            "fetchsize": str(self.config.fetch_rows), "sessionInitStatement": session_statement(self._exported),
        }  # fmt: skip
        return TableRead(name, columns, tuple(queries), options)

    def remember(self, n_rows: Mapping[str, int], refused: Iterable[str] = ()) -> None:
        """Keeps the states of tables for the runs to come: of those that were read, with their rows, by name.

        Of those `refused` for what they hold the server counts the rows, so that they too are known as unchanged.

        Raises:
            SourceError: if the connection was lost meanwhile.
        """
        if self.connection is None or self.catalog is None:
            return
        rows = {name.removeprefix(f"{self.name}/"): n for name, n in n_rows.items()}
        for shown in (name.removeprefix(f"{self.name}/") for name in refused):
            rows[shown] = int(self.connection.tried(f"SELECT count(*)::text FROM {shown}") or 0)  # noqa: S608 - quoted
        new = read_states(self.catalog, self.states, rows)
        if new:
            kept = _load_memory(self.memory, self.name) | new
            there = {table.shown for table in self.catalog.tables}
            data = {name: state.model_dump() for name, state in sorted(kept.items()) if name in there}
            self.memory.write_bytes_atomic(_memory_path(self.name), json.dumps(data, indent=1).encode())

    def close(self) -> None:
        """Gives the snapshot up."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _table(self, name: str) -> tuple[Connection, Table]:
        if self.connection is None or self.catalog is None:
            raise SourceError("the database is not open", value=self.name)
        return self.connection, next(t for t in self.catalog.tables if f"{self.name}/{t.shown}" == name)


def open_database(
    name: str, config: DatabaseConfig, memory: Storage, *, is_paranoid: bool, raises_busy: bool = False
) -> OpenDatabase:
    """Connects and lists the tables with their states. What fails is a problem of the database, and ends nothing else.

    Args:
        name: that the lake gives it.
        config: of the database.
        memory: the artifact root, where earlier runs have kept what they saw.
        is_paranoid: whether states are made of content.
        raises_busy: whether that the server cannot serve just now is raised, for who tries again.

    Raises:
        DatabaseBusyError: with `raises_busy`, if the server is full, starts or stops.
    """
    database = OpenDatabase(name, config, memory)
    try:
        connection = Connection(config, login_of(config))
    except SourceError as error:
        return _failed(database, error, raises_busy=raises_busy)
    database.connection = connection
    try:
        catalog = read_catalog(connection, name, config)
        by_content = is_paranoid or config.identity == "content"
        database.states = table_states(connection, catalog, _load_memory(memory, name), by_content=by_content)
        database.catalog = catalog
    except SourceError as error:
        database.close()
        return _failed(database, error, raises_busy=raises_busy)
    database.problems += [*catalog.unreadable, *_refused(database)]
    return database


def _failed(database: OpenDatabase, error: SourceError, *, raises_busy: bool) -> OpenDatabase:
    if raises_busy and isinstance(error, DatabaseBusyError) and error.is_soon_over:
        raise error
    reason = f"{error.what}: {error.value}" if error.value is not None else error.what
    database.problems.append(Unreadable(database.name, POSTGRESQL, reason, error.hint))
    return database


def _refused(database: OpenDatabase) -> list[Unreadable]:
    """Tables of which the server would not tell the state."""
    found = [(shown, state.error) for shown, state in database.states.items() if state.error is not None]
    return [_unreadable(f"{database.name}/{shown}", error) for shown, error in found]


def _unreadable(name: str, error: DatabaseError) -> Unreadable:
    return Unreadable(name, POSTGRESQL, f"{error.what}: {error.value}", error.hint)


def _memory_path(name: str) -> str:
    return f"{MEMORY}/{name}.json"


def _load_memory(storage: Storage, name: str) -> dict[str, KnownState]:
    """What earlier runs saw; nothing where it is missing or damaged: then tables count as changed."""
    if storage.stat(_memory_path(name)) is None:
        return {}
    try:
        rows = json.loads(storage.read_bytes(_memory_path(name)))
        return {shown: KnownState.model_validate(row) for shown, row in rows.items()}
    except (ValueError, AttributeError):
        return {}
