"""What is asked of the server to read a table: one query a task, all in one snapshot."""

import json
from dataclasses import dataclass, replace

from lakebed.connectors.errors import SourceError
from lakebed.connectors.postgresql.client import SESSION_SETTINGS, Connection
from lakebed.connectors.postgresql.columns import MAX_DIGITS, Column, decimal_text, text_literal
from lakebed.connectors.postgresql.tables import Heap, Table

# the first version that reads a range of pages without reading all before it
_RANGES_SINCE = 140_000
PLACE = "place"


@dataclass(frozen=True)
class Query:
    """A relation, and the conditions under which each task reads a part of it; none: one task reads all."""

    relation: str
    conditions: tuple[str, ...] = ()


def settled_columns(connection: Connection, table: Table) -> tuple[Column, ...]:
    """The columns with the digits that their values need, asked of the server in one query.

    Raises:
        SourceError: if values of a numeric are no numbers, or need more digits than there are.
        DatabaseError: what the server said.
    """
    open_ = [column for column in table.columns if column.is_open]
    if not open_:
        return table.columns
    facts = [
        f"json_build_array(max(scale({c.sql[:-6]})), max(length(trunc(abs({c.sql[:-6]}))::text)), "
        f"count(*) FILTER (WHERE {c.sql} IN ('NaN', 'Infinity', '-Infinity')))"
        for c in open_
    ]
    answer = connection.tried(f"SELECT json_build_array({', '.join(facts)})::text FROM {table.shown} t")  # noqa: S608 - quoted names
    found = dict(zip((c.name for c in open_), json.loads(answer or "[]"), strict=True))
    return tuple(_settled(c, *found[c.name]) if c.is_open else c for c in table.columns)


def _settled(column: Column, scale: int | None, whole: int | None, n_strange: int) -> Column:
    digits = max(1, (whole or 0) + (scale or 0))
    if n_strange or digits > MAX_DIGITS:
        raise SourceError(
            "a numeric column cannot be compared",
            value=f"{column.name} holds {'NaN or infinity' if n_strange else f'numbers of {digits} digits'}",
            expected=f"numbers of at most {MAX_DIGITS} digits",
            hint="leave the table out with `exclude`, or give a view that casts the column, with `views = true`",
        )
    return replace(column, type=decimal_text(digits if digits > 38 else 38, scale or 0))


def plan_queries(
    connection: Connection, table: Table, columns: tuple[Column, ...], partition_bytes: int
) -> list[Query]:
    """The queries that together read every row once: by ranges of pages where the table is its own, else one.

    Raises:
        DatabaseError: what the server said.
    """
    if not table.heaps:
        return [Query(_relation(table.shown, columns, has_place=False))]
    version, block = json.loads(
        connection.text(
            "SELECT json_build_array(current_setting('server_version_num')::int, "
            "current_setting('block_size')::int)::text"
        )
        or "[0, 8192]"
    )
    return [_heap_query(connection, heap, columns, (version, block, partition_bytes)) for heap in table.heaps]


def _heap_query(connection: Connection, heap: Heap, columns: tuple[Column, ...], sizes: tuple[int, int, int]) -> Query:
    version, block, partition_bytes = sizes
    n_bytes = int(connection.tried(f"SELECT pg_relation_size({heap.oid})::text") or 0)
    step = max(1, partition_bytes // block)
    n_pages = -(-n_bytes // block)
    if n_pages <= step or version < _RANGES_SINCE:
        return Query(_relation(f"ONLY {heap.shown}", columns, has_place=False))
    starts = range(0, n_pages, step)
    conditions = [f"{PLACE} >= '({start},0)'::tid AND {PLACE} < '({start + step},0)'::tid" for start in starts[:-1]]
    # rows that others append meanwhile lie behind the last page, and are not in the snapshot
    conditions.append(f"{PLACE} >= '({starts[-1]},0)'::tid")
    return Query(_relation(f"ONLY {heap.shown}", columns, has_place=True), tuple(conditions))


def _relation(shown: str, columns: tuple[Column, ...], *, has_place: bool) -> str:
    """Columns are called by their numbers, so that no name of the lake's meets Spark's rules for names."""
    cells = [f"{column.sql} AS c{place}" for place, column in enumerate(columns)]
    return f"(SELECT {', '.join([*cells, *([f't.ctid AS {PLACE}'] if has_place else [])])} FROM {shown} t) q"  # noqa: S608


def session_statement(snapshot: str) -> str:
    """What a task's connection runs first: it joins the snapshot, and sees every value as all others do."""
    local = [setting.replace("SET ", "SET LOCAL ", 1) for setting in SESSION_SETTINGS]
    return "; ".join(
        [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            f"SET TRANSACTION SNAPSHOT {text_literal(snapshot)}",
            *local,
        ]
    )
