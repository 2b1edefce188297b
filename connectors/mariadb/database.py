"""The tables of a MariaDB or MySQL server."""

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
from lakebed.connectors.mariadb.client import MariadbConnection
from lakebed.connectors.mariadb.columns import make_column, quoted

_SYSTEM = ("mysql", "information_schema", "performance_schema", "sys")
_READ_KINDS = ("BASE TABLE", "SYSTEM VERSIONED")
_COLUMNS = """SELECT table_schema, table_name, column_name, data_type, column_type, numeric_precision, numeric_scale
FROM information_schema.columns WHERE {} ORDER BY ordinal_position"""
_TABLES = """SELECT table_schema, table_name, table_type, engine
FROM information_schema.tables WHERE {} ORDER BY table_schema, table_name"""


def open_mariadb(name: str, config: DatabaseConfig) -> OpenDirect:
    """Connects and lists the tables with their states. What fails is a problem of the database, and ends nothing else.

    Args:
        name: that the lake gives it.
        config: of the database.
    """
    return open_direct(name, config, MariadbConnection, _list)


def _list(database: OpenDirect, connection: Connection) -> None:
    columns: dict[tuple[str, str], list[Sequence[str | None]]] = {}
    for row in asked(connection, _COLUMNS.format(_scope(database.config))):
        columns.setdefault((str(row[0]), str(row[1])), []).append(row)
    for row in asked(connection, _TABLES.format(_scope(database.config))):
        schema, table, kind, engine = map(str, row)
        if not database.is_chosen(schema, table) or kind == "SEQUENCE":
            continue
        name = f"{database.name}/{_short(schema)}.{_short(table)}"
        if kind not in _READ_KINDS:
            database.refuse_view(name)
            continue
        own = columns.get((schema, table), [])
        shown = f"{quoted(schema)}.{quoted(table)}"
        database.enter(name, partial(_table, connection, own, engine, shown))


def _scope(config: DatabaseConfig) -> str:
    """The schemas that are looked at: that of the URL, else all but the system's."""
    if "/" in config.url.partition("//")[2].partition("?")[0].rstrip("/"):
        return "table_schema = DATABASE()"
    return f"table_schema NOT IN ({', '.join(map(repr, _SYSTEM))})"


def _table(connection: Connection, rows: Sequence[Sequence[str | None]], engine: str, shown: str) -> DirectTable:
    """The table with its state: the number of its rows, and the sums of both halves of their MD5."""
    columns = require_columns([_column(row) for row in rows])
    if engine.lower() != "innodb":
        raise SourceError(
            "its engine keeps no snapshot", value=engine, expected="InnoDB", hint="ALTER TABLE … ENGINE = InnoDB"
        )
    cells = ", ".join(f"IFNULL(MD5({column.cell}), '-')" for column in columns)
    halves = ", ".join(f"SUM(CAST(CONV({end}(h, 16), 16, 10) AS UNSIGNED))" for end in ("LEFT", "RIGHT"))
    sql = f"SELECT COUNT(*), {halves} FROM (SELECT MD5(CONCAT_WS(',', {cells})) AS h FROM {shown}) d"  # noqa: S608
    return digested(connection, shown, columns, sql)


def _column(row: Sequence[str | None]) -> DirectColumn:
    _, _, name, kind, declared, digits, scale = row
    return make_column(str(name), str(kind).lower(), str(declared).lower(), (int(digits or 0), int(scale or 0)))


def _short(name: str) -> str:
    return quoted(name) if "." in name or "`" in name or "/" in name else name
