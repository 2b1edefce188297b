"""Whether a table of PostgreSQL is what it was, without reading its cells.

Let S be the snapshot in which a table was read, and n the rows seen in it. Every later change of content leaves a row
version whose transaction is not older than the oldest one that ran at S, or takes a row away. So in a later snapshot
the table is unchanged if it has n rows, and none of a transaction that S's oldest running one precedes or is: then all
rows seen now were seen then, and none is missing. What this rests on, and how it is held:

- Transaction numbers have 32 bits in a row. They are compared only while fewer than 2^31 were given out since S.
- Numbers are given out twice after a server went back in time (a restored backup) or lost commits in a crash. The time
  at which the server started is part of the state, and so is the time from which its statistics count: a recovery after
  a crash discards them, also where the server itself lived on.
- A table's content also follows from definitions: columns, values of columns added later, labels of enums, parts, the
  file that holds it. They are part of the state.
- Views, foreign tables and tables under row-level security have no row versions of their own that would tell: the
  server digests their rows instead. So it does everywhere with `identity = "content"`.

The count costs a sequential scan on the server and moves no row. Where no transaction number was given out since S,
nothing is scanned. Changes are never missed; a table may count as changed though it is not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.lake.databases import state_token
from lakebed.connectors.postgresql.client import Connection, DatabaseError
from lakebed.connectors.postgresql.tables import Catalog, Table

MAX_XIDS = 1 << 31
_TABLES_PER_QUERY = 32


class KnownState(FrozenConfig):
    """A table as it was read once."""

    token: str = Field(description="Equal tokens, equal content.")
    state: str = Field(description="Digest of the server's incarnation and the table's definition.")
    snapshot: str = Field(description="Snapshot in which it was read, as PostgreSQL writes it.")
    n_rows: int = Field(description="Rows seen in it.")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as PostgreSQL writes it: `oldest:next:running`."""

    oldest: int
    next: int
    is_quiet: bool

    @classmethod
    def of(cls, text: str) -> "Snapshot":
        """Reads it."""
        oldest, following, running = text.split(":")
        return cls(int(oldest), int(following), not running)


@dataclass(frozen=True)
class TableState:
    """A table now: its token, and why it has none; `is_known` where an earlier run has read this very content."""

    token: str
    state: str
    is_known: bool = False
    n_rows: int | None = None
    error: DatabaseError | None = None


def table_states(
    connection: Connection, catalog: Catalog, known: Mapping[str, KnownState], *, by_content: bool
) -> dict[str, TableState]:
    """The state of each table, by `schema.table`.

    Args:
        connection: whose snapshot is the catalog's.
        catalog: of the database.
        known: what earlier runs have read.
        by_content: whether the server digests every table's rows.
    """
    states: dict[str, TableState] = {}
    asked: list[tuple[Table, KnownState]] = []
    for table in catalog.tables:
        if by_content or not table.has_versions:
            states[table.shown] = _digested(connection, table)
            continue
        state = _state(catalog.server, table)
        states[table.shown] = TableState(state_token(["rows", state, catalog.server["snapshot"]]), state)
        old = known.get(table.shown)
        if old is not None and old.state == state:
            if _nothing_since(old, catalog.server):
                states[table.shown] = TableState(old.token, state, is_known=True, n_rows=old.n_rows)
            elif _is_comparable(old, catalog.server):
                asked.append((table, old))
    for start in range(0, len(asked), _TABLES_PER_QUERY):
        for (table, old), counts in _counted(connection, asked[start : start + _TABLES_PER_QUERY]):
            if isinstance(counts, DatabaseError):
                states[table.shown] = replace(states[table.shown], error=counts)
            elif counts == (old.n_rows, 0):
                states[table.shown] = replace(states[table.shown], token=old.token, is_known=True, n_rows=old.n_rows)
    return states


def read_states(catalog: Catalog, states: Mapping[str, TableState], n_rows: Mapping[str, int]) -> dict[str, KnownState]:
    """What a later run may rely on, of the tables that were read now."""
    own = {table.shown for table in catalog.tables if table.has_versions}
    wanted = {shown: n for shown, n in n_rows.items() if shown in own and states[shown].state}
    snapshot = catalog.server["snapshot"]
    return {
        shown: KnownState(token=states[shown].token, state=states[shown].state, snapshot=snapshot, n_rows=n)
        for shown, n in wanted.items()
        if not states[shown].is_known
    }


def _state(server: Mapping[str, Any], table: Table) -> str:
    return state_token(
        [server["started"], server["recovered"], server["database"], server["role"], table.shown, table.shape]
    )


def _nothing_since(old: KnownState, server: Mapping[str, Any]) -> bool:
    """No transaction ran then, and none has got a number since."""
    then, now = Snapshot.of(old.snapshot), Snapshot.of(server["snapshot"])
    return then.is_quiet and then.oldest == then.next == now.next


def _is_comparable(old: KnownState, server: Mapping[str, Any]) -> bool:
    return 0 <= Snapshot.of(server["snapshot"]).next - Snapshot.of(old.snapshot).oldest < MAX_XIDS


def _counted(
    connection: Connection, tables: Sequence[tuple[Table, KnownState]]
) -> list[tuple[tuple[Table, KnownState], tuple[int, int] | DatabaseError]]:
    """(rows, rows that may be newer) of each table, in one query; where that fails, each by itself."""
    parts = [
        f"SELECT {place} AS place, count(*) AS n, count(*) FILTER (WHERE age(t.xmin) <= "  # noqa: S608 - numbers, quoted names
        f"age('{Snapshot.of(old.snapshot).oldest % (1 << 32)}'::xid)) AS young FROM {table.shown} t"
        for place, (table, old) in enumerate(tables)
    ]
    query = f"SELECT json_agg(json_build_array(n, young) ORDER BY place)::text FROM ({' UNION ALL '.join(parts)}) q"  # noqa: S608
    try:
        found: list[tuple[int, int] | DatabaseError] = [
            tuple(one) for one in json.loads(connection.tried(query) or "[]")
        ]
    except DatabaseError as error:
        if len(tables) == 1:
            return [(tables[0], error)]
        return [one for table in tables for one in _counted(connection, [table])]
    return list(zip(tables, found, strict=True))


def _digested(connection: Connection, table: Table) -> TableState:
    """A digest of all rows, made by the server: two sums over halves of the MD5 of each row's text."""
    cells = ", ".join(column.sql for column in table.columns)
    halves = [f"sum(('x' || substr(h, {start}, 16))::bit(64)::bigint::numeric)" for start in (1, 17)]
    rows = f"SELECT md5(ROW({cells})::text) AS h FROM {table.shown} t"  # noqa: S608 - quoted names
    try:
        found = connection.tried(f"SELECT json_build_array(count(*), {', '.join(halves)})::text FROM ({rows}) q")  # noqa: S608
    except DatabaseError as error:
        return TableState("", "", error=error)
    types = [[column.name, column.sql, column.type] for column in table.columns]
    return TableState(state_token(["content", table.shown, types, found]), "", n_rows=json.loads(found or "[0]")[0])
