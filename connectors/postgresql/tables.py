"""The tables of a database, from one query of its catalog."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.databases import VIEW, DatabaseConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.postgresql.client import Connection
from lakebed.connectors.postgresql.columns import Column, Types, make_column

Json = dict[str, Any]

_OWN_ROWS = ("r", "m")
_KINDS = {"r": "TABLE", "p": "TABLE", "m": "MATERIALIZED VIEW", "v": "VIEW", "f": "FOREIGN TABLE"}
# no function that would wait for the lock of a table: one that is locked must not hold up the others
_QUERY = """
SELECT json_build_object(
  'started', pg_postmaster_start_time()::text,
  'recovered', (SELECT stats_reset::text FROM pg_stat_bgwriter),
  'database', current_database(), 'role', current_user::text,
  'snapshot', txid_current_snapshot()::text,
  'relations', (SELECT coalesce(json_agg(r ORDER BY r.oid), '[]') FROM (
    SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
      quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS shown,
      quote_ident(n.nspname) AS shown_schema, c.relispartition AS is_part,
      has_schema_privilege(n.oid, 'USAGE') AS may_use, has_table_privilege(c.oid, 'SELECT') AS may_select,
      row_security_active(c.oid) AS is_filtered, pg_relation_filenode(c.oid)::bigint AS node
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_') r),
  'columns', (SELECT coalesce(json_agg(a ORDER BY a.oid, a.place), '[]') FROM (
    SELECT a.attrelid::bigint AS oid, a.attnum AS place, a.attname AS name, a.atttypid::bigint AS type,
      a.atttypmod AS modifier, format_type(a.atttypid, a.atttypmod) AS shown,
      to_json(a)->>'attmissingval' AS missing, to_json(a)->>'attgenerated' AS generated,
      CASE WHEN to_json(a)->>'attgenerated' <> '' THEN md5(d.adbin::text) END AS expression
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_') a),
  'types', (SELECT coalesce(json_agg(y), '[]') FROM (
    SELECT y.oid::bigint AS oid, y.typname AS name, n.nspname AS schema, y.typtype AS kind, y.typcategory AS category,
      y.typbasetype::bigint AS base, y.typtypmod AS modifier, y.typelem::bigint AS element,
      (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid) AS labels
    FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace WHERE y.typrelid = 0) y),
  'children', (SELECT coalesce(json_agg(json_build_array(inhparent::bigint, inhrelid::bigint)), '[]') FROM pg_inherits)
)::text
"""


@dataclass(frozen=True)
class Heap:
    """Where rows of a table lie: a table of its own, or a part of one."""

    oid: int
    shown: str


@dataclass(frozen=True)
class Table:
    """A table that can be read.

    Attributes:
        shown: `schema.table`, quoted as SQL needs it.
        kind: what SQL calls it.
        columns: in their order.
        heaps: all places of its rows; empty where its rows are not the server's own, or a part may not be read.
        has_versions: whether its row versions tell of every change: its rows are the server's, and all are seen.
        shape: what of its definition decides its cells.
    """

    oid: int
    shown: str
    kind: str
    columns: tuple[Column, ...]
    heaps: tuple[Heap, ...]
    has_versions: bool
    shape: str


@dataclass(frozen=True)
class Catalog:
    """What a database holds, in the snapshot in which it was asked."""

    server: Json
    tables: tuple[Table, ...]
    unreadable: tuple[Unreadable, ...]


def read_catalog(connection: Connection, name: str, config: DatabaseConfig) -> Catalog:
    """The tables of a database that the globs leave, and those that cannot be compared, with the reason.

    One query, whatever the number of tables.

    Raises:
        DatabaseError: what the server said.
    """
    answer: Json = json.loads(connection.text(_QUERY) or "{}")
    relations, columns, types, children = (answer.pop(key) for key in ("relations", "columns", "types", "children"))
    view = _View(relations, columns, Types({row["oid"]: row for row in types}), children)
    tables: list[Table] = []
    unreadable: list[Unreadable] = []
    for relation in sorted(relations, key=lambda row: row["shown"]):
        if relation["is_part"] or not _is_chosen(relation, config):
            continue
        try:
            tables.append(view.table(relation, config))
        except SourceError as error:
            is_view = relation["kind"] in "vf" and not config.views
            found = Unreadable(
                f"{name}/{relation['shown']}", VIEW if is_view else "postgresql", _reason(error), error.hint
            )
            unreadable.append(found)
    return Catalog(answer, tuple(tables), tuple(unreadable))


def _reason(error: SourceError) -> str:
    return error.what if error.value is None else f"{error.what}: {error.value}"


def _is_chosen(relation: Json, config: DatabaseConfig) -> bool:
    plain = f"{relation['schema']}.{relation['name']}"
    return (
        (not config.schemas or matches_any(relation["schema"], config.schemas))
        and (not config.include or matches_any(plain, config.include))
        and not matches_any(plain, config.exclude)
    )


class _View:
    """The rows of the catalog, by what they belong to."""

    def __init__(
        self, relations: Sequence[Json], columns: Iterable[Json], types: Types, children: Iterable[tuple[int, int]]
    ) -> None:
        self._relations = {row["oid"]: row for row in relations}
        self._types = types
        self._columns: dict[int, list[Json]] = {}
        for row in columns:
            self._columns.setdefault(row["oid"], []).append(row)
        self._children: dict[int, list[int]] = {}
        for parent, child in children:
            self._children.setdefault(parent, []).append(child)

    def table(self, relation: Json, config: DatabaseConfig) -> Table:
        """Raises: SourceError: if it cannot be compared."""
        _require_rights(relation)
        if relation["kind"] in "vf" and not config.views:
            raise SourceError(
                f"a {_KINDS[relation['kind']].lower()} is not read", hint="set `views = true` to read views as well"
            )
        rows = self._columns.get(relation["oid"], [])
        columns = [make_column(row["name"], row["type"], row["modifier"], row["shown"], self._types) for row in rows]
        if not columns:
            raise SourceError("it has no column")
        family = [self._relations.get(oid) for oid in self._family(relation["oid"])]
        parts = [part for part in family if part is not None]
        is_own = len(parts) == len(family) and all(part["kind"] in ("p", *_OWN_ROWS) for part in parts)
        heaps = [part for part in parts if part["kind"] in _OWN_ROWS] if is_own else []
        return Table(
            oid=relation["oid"],
            shown=relation["shown"],
            kind=_KINDS[relation["kind"]],
            columns=tuple(columns),
            heaps=tuple(Heap(part["oid"], part["shown"]) for part in heaps)
            if all(part["may_select"] and part["may_use"] for part in heaps)
            else (),
            has_versions=is_own and not relation["is_filtered"],
            shape=self._shape(rows, parts),
        )

    def _family(self, oid: int) -> list[int]:
        """The table and all below it."""
        found = [oid]
        for one in found:
            found += self._children.get(one, [])
        return sorted(set(found))

    def _shape(self, columns: Sequence[Json], parts: Sequence[Json]) -> str:
        """Definitions that decide the cells: columns, their types, values not stored, labels of enums, parts."""
        kinds = [self._types.rows.get(row["type"]) for row in columns]
        below = [self._columns.get(part["oid"], []) for part in parts]
        relations = [[part["oid"], part["kind"], part["node"]] for part in parts]
        return json.dumps([columns, kinds, below, self._labels(), relations], sort_keys=True)

    def _labels(self) -> list[Any]:
        """A label renamed changes cells of every table that has it, also through arrays and domains."""
        return sorted([oid, row["labels"]] for oid, row in self._types.rows.items() if row["labels"])


def _require_rights(relation: Mapping[str, Any]) -> None:
    if not relation["may_use"]:
        raise SourceError("no right to its schema", hint=f"GRANT USAGE ON SCHEMA {relation['shown_schema']} TO …")
    if not relation["may_select"]:
        raise SourceError("no right to read it", hint=f"GRANT SELECT ON {relation['shown']} TO …")
