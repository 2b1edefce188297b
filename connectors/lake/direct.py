"""A database whose tables this process reads itself, in one snapshot from its listing until they are read.

Nothing in these servers tells that a table is unchanged, but for what it holds: the server digests every row at every
run, MD5 by MD5, and sums these up.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.lake.batches import batch_rows, cut_rows, source_errors, with_sizes
from lakebed.connectors.lake.databases import VIEW, DatabaseConfig, login_of, state_token
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.lake.type_text import cast_text

Cells = Sequence[str | bytes | None]
_AT_ONCE = 4096


class Connection(Protocol):
    """One connection in one read-only transaction; all it reads is of the snapshot that it began with."""

    def rows(self, sql: str, n_rows: int) -> Generator[Sequence[Cells], None, None]:
        """The rows that a query answers, in batches.

        Raises:
            SourceError: what the server said, also in the middle.
        """

    def close(self) -> None:
        """Gives the snapshot up."""


class CursorConnection(ABC):
    """A connection by a driver of the DB API."""

    _connection: Any

    def rows(self, sql: str, n_rows: int) -> Generator[Sequence[Cells], None, None]:
        """The rows that a query answers, in batches of `n_rows`, of fewer where they are wide (`cut_rows`).

        Raises:
            SourceError: what the server said, also in the middle.
        """
        with self._told():
            cursor = self._connection.cursor()
            try:
                cursor.execute(sql)
                if cursor.description:
                    # one by one: nobody knows how large the next one is
                    yield from cut_rows(with_sizes(iter(cursor.fetchone, None)), n_rows)
            finally:
                self._end(cursor)

    def close(self) -> None:
        """Gives the snapshot up; a connection that is gone already is fine."""
        with suppress(Exception):
            self._connection.close()

    @abstractmethod
    def _told(self) -> AbstractContextManager[None]:
        """Turns the driver's errors into SourceErrors."""

    def _end(self, cursor: Any) -> None:
        """Takes what is left of an answer off the connection; of one that is gone nothing is left."""
        with suppress(Exception):
            cursor.close()


@dataclass(frozen=True)
class DirectColumn:
    """A column: its name, the expression that gives its cells as text or bytes, what these become, what is said."""

    name: str
    cell: str
    type: pa.DataType
    note: str = ""

    def array(self, cells: Cells) -> pa.Array:
        """The values of cells as the server sent them.

        Raises:
            SourceError: if a cell is no value of the type, such as the day 0000-00-00.
        """
        try:
            if pa.types.is_binary(self.type):
                return pa.array(cells, pa.binary())
            texts = pa.array(cells, pa.string())
            if pa.types.is_date(self.type) or pa.types.is_timestamp(self.type):
                _require_years(texts)
            return cast_text(cast_text(texts, pa.uint8()), self.type) if pa.types.is_boolean(self.type) else cast_text(
                texts, self.type
            )  # fmt: skip
        except (pa.ArrowException, ValueError) as error:
            raise SourceError(
                "a column cannot be compared",
                value=f"{self.name}: {str(error).splitlines()[0][:200]}",
                expected=f"values of {self.type}; no day 0000-00-00, no time beyond 24 hours",
                hint="leave the table out with `exclude`",
            ) from error


@dataclass(frozen=True)
class DirectRead:
    """A table that this process reads, row after row, in the snapshot in which it was listed."""

    name: str
    schema: pa.Schema
    columns: tuple[DirectColumn, ...]
    relation: str
    connection: Connection = field(repr=False)
    fetch_rows: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said of its columns."""
        return tuple(column.note for column in self.columns if column.note)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows.

        Raises:
            SourceError: what the server said, or if a cell cannot be compared.
        """
        cells = ", ".join(column.cell for column in self.columns)
        sql = f"SELECT {cells} FROM {self.relation}"  # noqa: S608 - quoted
        n_rows = min(self.fetch_rows, batch_rows(range(len(self.columns))))
        told = source_errors(self.name, "values that a column can hold", "leave the table out with `exclude`")
        # the rest of an answer must be gone before the connection is asked for more
        with told, closing(self.connection.rows(sql, n_rows)) as answer:
            for rows in answer:
                pairs = zip(self.columns, zip(*rows, strict=True), strict=True)
                yield pa.RecordBatch.from_arrays([column.array(own) for column, own in pairs], schema=self.schema)


@dataclass(frozen=True)
class DirectTable:
    """A table as its server names it, its columns, and its state."""

    shown: str
    columns: tuple[DirectColumn, ...]
    token: str


@dataclass
class OpenDirect:
    """A database whose tables were listed; `problems` are tables that cannot be read, or the database itself."""

    name: str
    config: DatabaseConfig
    connection: Connection | None = None
    tables: dict[str, DirectTable] = field(default_factory=dict)
    problems: list[Unreadable] = field(default_factory=list)

    @property
    def sources(self) -> list[TableSource]:
        """Its tables, each as one file whose tag is its state."""
        return [
            TableSource(name, self.config.format, (FileEntry(name, 0, 0, etag=table.token),), f"TABLE {table.shown}")
            for name, table in self.tables.items()
        ]

    def enter(self, name: str, look: Callable[[], DirectTable]) -> None:
        """Takes a table in, or the reason why it cannot be read.

        Raises:
            SourceError: if it is the server that cannot be asked.
        """
        try:
            self.tables[name] = look()
        except SourceError as error:
            if isinstance(error, Transient):
                raise
            self.refuse(name, error)

    def refuse(self, name: str, error: SourceError) -> None:
        """Lists a table, or the database, with its reason."""
        reason = f"{error.what}: {error.value}" if error.value is not None else error.what
        self.problems.append(Unreadable(name, self.config.format, reason, error.hint))

    def refuse_view(self, name: str) -> None:
        """Lists a view with its reason."""
        self.problems.append(Unreadable(name, VIEW, "a view is not read", "read the tables that it is of"))

    def is_chosen(self, schema: str, table: str) -> bool:
        """Whether the globs leave a table."""
        plain, config = f"{schema}.{table}", self.config
        return (
            (not config.schemas or matches_any(schema, config.schemas))
            and (not config.include or matches_any(plain, config.include))
            and not matches_any(plain, config.exclude)
        )

    def plan(self, name: str) -> DirectRead:
        """How a table is read.

        Raises:
            SourceError: if the database is not open.
        """
        if self.connection is None:
            raise SourceError("the database is not open", value=self.name)
        table = self.tables[name]
        schema = pa.schema([pa.field(column.name, column.type) for column in table.columns])
        return DirectRead(name, schema, table.columns, table.shown, self.connection, self.config.fetch_rows)

    def remember(self, n_rows: Mapping[str, int], refused: Iterable[str] = ()) -> None:
        """Keeps nothing: what a table holds is its state."""

    def close(self) -> None:
        """Gives the snapshot up."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def open_direct(
    name: str,
    config: DatabaseConfig,
    connect: Callable[[DatabaseConfig, Mapping[str, str]], Connection],
    list_tables: Callable[[OpenDirect, Connection], None],
) -> OpenDirect:
    """Connects and lists the tables with their states. What fails is a problem of the database, and ends nothing else.

    Args:
        name: that the lake gives it.
        config: of the database.
        connect: makes the connection, given user and password as far as there are any.
        list_tables: enters them.
    """
    database = OpenDirect(name, config)
    try:
        database.connection = connect(config, login_of(config))
        list_tables(database, database.connection)
    except SourceError as error:
        database.close()
        database.tables, database.problems = {}, []
        database.refuse(name, error)
    return database


def asked(connection: Connection, sql: str) -> list[Sequence[str | None]]:
    """All rows that a query answers, as text."""
    rows = [row for batch in connection.rows(sql, _AT_ONCE) for row in batch]
    return [[cell.decode() if isinstance(cell, bytes) else cell for cell in row] for row in rows]


def digested(connection: Connection, shown: str, columns: tuple[DirectColumn, ...], sums: str) -> DirectTable:
    """A table with its state: its columns, and what the server sums up of its rows."""
    (row,) = asked(connection, sums)
    shape = [[column.name, column.cell, str(column.type)] for column in columns]
    return DirectTable(shown, columns, state_token([shape, [str(one) for one in row]]))


def require_columns(columns: Sequence[DirectColumn]) -> tuple[DirectColumn, ...]:
    """The columns.

    Raises:
        SourceError: if there are none.
    """
    if not columns:
        raise SourceError("it has no column that this user may read")
    return tuple(columns)


def _require_years(texts: pa.Array) -> None:
    if pc.any(pc.starts_with(texts, "0000-")).as_py():
        raise ValueError("the year 0")
