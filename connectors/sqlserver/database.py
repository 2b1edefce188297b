"""The tables of a database of SQL Server."""

from collections.abc import Sequence
from functools import partial

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.databases import DatabaseConfig
from lakebed.connectors.lake.direct import (
    Connection,
    DirectColumn,
    DirectTable,
    OpenDirect,
    asked,
    digested,
    open_direct,
    require_columns,
)
from lakebed.connectors.sqlserver.client import SqlserverConnection
from lakebed.connectors.sqlserver.columns import Declared, extent, is_fine, make_column, quoted

# of a type of CLR (geometry, hierarchyid) the number of its system type, 240, has no name
TABLES = """SELECT s.name, o.name, o.type,
CONVERT(int, ISNULL(t.is_memory_optimized, 0)), CONVERT(int, ISNULL(t.is_external, 0))
FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id LEFT JOIN sys.tables t ON t.object_id = o.object_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 ORDER BY s.name, o.name"""
COLUMNS = """SELECT s.name, o.name, c.name,
COALESCE(TYPE_NAME(NULLIF(c.system_type_id, 240)), TYPE_NAME(c.user_type_id)),
c.precision, c.scale,
CASE WHEN c.is_masked = 1 AND HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UNMASK') = 0 THEN 1 ELSE 0 END,
CASE WHEN c.encryption_type IS NULL THEN 0 ELSE 1 END
FROM sys.columns c JOIN sys.objects o ON o.object_id = c.object_id JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE o.type = 'U' AND o.is_ms_shipped = 0 ORDER BY s.name, o.name, c.column_id"""
# CONCAT takes 254 arguments
_CONCATENATED = 100


def open_sqlserver(name: str, config: DatabaseConfig) -> OpenDirect:
    """Connects and lists the tables with their states. What fails is a problem of the database, and ends nothing else.

    Args:
        name: that the lake gives it.
        config: of the database.
    """
    return open_direct(name, config, SqlserverConnection, _list)


def _list(database: OpenDirect, connection: Connection) -> None:
    columns: dict[tuple[str, str], list[Declared]] = {}
    for row in asked(connection, COLUMNS):
        schema, table, name, kind, *facts = map(str, row)
        precision, scale, is_masked, is_encrypted = map(int, facts)
        own = Declared(name, kind.lower(), precision, scale, bool(is_masked), bool(is_encrypted))
        columns.setdefault((schema, table), []).append(own)
    for row in asked(connection, TABLES):
        schema, table, kind = (str(cell).strip() for cell in row[:3])
        # the driver has a number or, of a BIT, a bool
        flags = tuple(bool(int(cell or 0)) for cell in row[3:])
        if not database.is_chosen(schema, table):
            continue
        name = f"{database.name}/{_short(schema)}.{_short(table)}"
        if kind != "U":
            database.refuse_view(name)
            continue
        shown = f"{quoted(schema)}.{quoted(table)}"
        declared = columns.get((schema, table), [])
        database.enter(name, partial(_table, connection, declared, shown, flags))


def _table(connection: Connection, declared: Sequence[Declared], shown: str, flags: Sequence[bool]) -> DirectTable:
    """The table with its state: the number of its rows, and the sums of both halves of their MD5.

    Args:
        connection: that asks for it.
        declared: its columns.
        shown: its name in SQL.
        flags: whether it is kept in memory, and whether it lies elsewhere.

    Raises:
        SourceError: if it cannot be compared, or is in no snapshot.
    """
    if any(flags):
        found = "a table in memory" if flags[0] else "an external table"
        raise SourceError("it is in no snapshot", value=found, hint="leave the table out with `exclude`")
    columns = require_columns(_columns(connection, declared, shown))
    # text of one collation, however the columns compare theirs, is digested by its UTF-16
    cells = [f"ISNULL(CONVERT(char(32), HASHBYTES('MD5', {column.cell}), 2), '-')" for column in columns]
    row = _concatenated(cells)
    halves = ", ".join(f"SUM(CONVERT(decimal(38, 0), CONVERT(bigint, SUBSTRING(h, {start}, 8))))" for start in (1, 9))
    sql = f"SELECT COUNT_BIG(*), {halves} FROM (SELECT HASHBYTES('MD5', {row}) AS h FROM {shown}) d"  # noqa: S608
    return digested(connection, shown, columns, sql)


def _columns(connection: Connection, declared: Sequence[Declared], shown: str) -> list[DirectColumn]:
    """The columns; of moments with seven digits the rows tell what holds them, where nanoseconds do not."""
    columns = {one.name: make_column(one) for one in declared}
    if fine := [one for one in declared if is_fine(one)]:
        (row,) = asked(connection, f"SELECT {', '.join(map(extent, fine))} FROM {shown}")  # noqa: S608 - quoted
        found = [bool(int(cell or 0)) for cell in row]
        for one, is_beyond, has_sevenths in zip(fine, found[::2], found[1::2], strict=True):
            columns[one.name] = make_column(one, is_beyond=is_beyond, has_sevenths=has_sevenths)
    return list(columns.values())


def _concatenated(texts: Sequence[str]) -> str:
    """An expression of all texts after each other."""
    groups = [texts[start : start + _CONCATENATED] for start in range(0, len(texts), _CONCATENATED)]
    # without an argument of that type the answer has 8,000 bytes at most, and the rest is cut off
    parts = [f"CONCAT(CONVERT(varchar(max), ''), {', '.join(group)})" for group in groups]
    return parts[0] if len(parts) == 1 else _concatenated(parts)


def _short(name: str) -> str:
    return quoted(name) if {*"./[]"} & {*name} else name
