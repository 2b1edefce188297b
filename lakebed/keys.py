"""The keys that were found: as rows, as a diagram in Mermaid or DBML, and as ways to join two tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pyarrow.compute as pc

from lakebed.artifacts import newest_refs
from lakebed.connectors.errors import ConfigError
from lakebed.results import Result
from lakebed.tasks.keys.kernel.paths import join_paths
from lakebed.tasks.runtime.record import RunRecord

_NO_WORD = re.compile(r"\W")
_MANY_TO_ONE, _ONE_TO_ONE = "}o--||", "|o--||"


@dataclass(frozen=True)
class ForeignKey:
    """A column that refers to a column of another table, with its chance and what speaks for it."""

    child: str
    column: str
    parent: str
    parent_column: str
    chance: float
    why: str
    share: float
    is_across: bool
    is_folded: bool


@dataclass(frozen=True)
class PrimaryKey:
    """The columns that identify the rows of a table."""

    table: str
    columns: tuple[str, ...]
    n_rows: int


@dataclass(frozen=True)
class JoinPath:
    """A way from one table to another over keys; `chance` is the product of theirs.

    Attributes:
        steps: `A.x = B.y`, in order.
    """

    n_keys: int
    chance: float
    steps: tuple[str, ...]


@dataclass(frozen=True)
class _Drawn:
    """A column in a diagram."""

    name: str
    kind: str
    is_primary: bool
    is_foreign: bool


class Keys(Result[ForeignKey]):
    """The foreign keys, by child and column; `primary` holds the primary ones, `model` who decided (trees or rule)."""

    def __init__(
        self,
        foreign: Iterable[ForeignKey],
        primary: Iterable[PrimaryKey],
        columns: Mapping[str, Sequence[tuple[str, str]]],
        model: str,
        title: str = "foreign keys",
    ) -> None:
        super().__init__(ForeignKey, foreign, title)
        self.primary = Result(PrimaryKey, primary, "primary keys")
        self.model, self._columns = model, columns

    def of(self, table: str) -> "Keys":
        """Those that a table has or that refer to it.

        Raises:
            ConfigError: if there is no such table; near names are told.
        """
        self._require(table)
        foreign = [key for key in self if table in {key.child, key.parent}]
        near = {table} | {name for key in foreign for name in (key.child, key.parent)}
        columns = {name: held for name, held in self._columns.items() if name in near}
        return Keys(
            foreign, [key for key in self.primary if key.table in near], columns, self.model, f"keys of {table}"
        )

    def paths(self, start: str, goal: str) -> Result[JoinPath]:
        """How two tables can be joined: the way of fewest keys, and the most certain one where that is another.

        Raises:
            ConfigError: if there is no such table; near names are told.
        """
        self._require(start)
        self._require(goal)
        number = {name: place for place, name in enumerate(self._columns)}
        edges = [(number[key.child], number[key.parent], key.chance) for key in self]
        found = join_paths(edges, number[start], number[goal])
        rows = (JoinPath(len(way.keys), round(way.chance, 6), self._steps(way.keys, start)) for way in found)
        return Result(JoinPath, rows, f"ways from {start} to {goal}")

    def mermaid(self) -> str:
        """An entity-relationship diagram in Mermaid's language, of the tables that have keys."""
        lines = ["erDiagram"]
        for table, columns in self._drawn().items():
            lines += [f'    "{_quoted(table)}" {{', *(f"        {_attribute(one)}" for one in columns), "    }"]
        lines += [
            f'    "{_quoted(key.child)}" {self._line(key)} "{_quoted(key.parent)}" : "{_quoted(key.column)}"'
            for key in self
        ]
        return "\n".join(lines) + "\n"

    def dbml(self) -> str:
        """The same in DBML, as dbdiagram.io and others read it."""
        blocks = []
        for table, columns in self._drawn().items():
            body = (f'  "{_quoted(one.name)}" {one.kind}{" [pk]" if one.is_primary else ""}' for one in columns)
            blocks.append("\n".join([f'Table "{_quoted(table)}" {{', *body, "}"]))
        blocks += [
            f'Ref: "{_quoted(key.child)}"."{_quoted(key.column)}" > "{_quoted(key.parent)}".'
            f'"{_quoted(key.parent_column)}" // chance {key.chance:.2f}'
            for key in self
        ]
        return "\n".join(blocks) + "\n"

    def _steps(self, numbers: Sequence[int], start: str) -> tuple[str, ...]:
        steps, at = [], start
        for number in numbers:
            key = self[number]
            ends = (f"{key.child}.{key.column}", f"{key.parent}.{key.parent_column}")
            is_up = key.child == at
            steps.append(" = ".join(ends if is_up else ends[::-1]))
            at = key.parent if is_up else key.child
        return tuple(steps)

    def _drawn(self) -> dict[str, list[_Drawn]]:
        """The columns of each table that has a key or is referred to."""
        primary = {(key.table, name) for key in self.primary for name in key.columns}
        foreign = {(key.child, key.column) for key in self}
        shown = {name for key in self for name in (key.child, key.parent)} or set(self._columns)
        return {
            table: [_Drawn(name, kind, (table, name) in primary, (table, name) in foreign) for name, kind in columns]
            for table, columns in self._columns.items()
            if table in shown
        }

    def _line(self, key: ForeignKey) -> str:
        is_unique = (key.column,) in {one.columns for one in self.primary if one.table == key.child}
        return _ONE_TO_ONE if is_unique else _MANY_TO_ONE

    def _require(self, table: str) -> None:
        if table not in self._columns:
            raise ConfigError(
                "the lake has no such table",
                value=table,
                expected="the name of a table, relative to the lake, without the file ending",
                examples=get_close_matches(table, list(self._columns)),
            )


def keys(root: str, only: RunRecord | None = None) -> Keys:
    """The keys that the newest run that looked for them, or one run, found.

    Raises:
        ArtifactError: if no run has reached the keys stage.
    """
    store, refs = newest_refs(root, "keys", only)
    foreign = store.read(refs["keys"], "foreign_keys", list(ForeignKey.__dataclass_fields__))
    foreign = foreign.sort_by([("child", "ascending"), ("column", "ascending")])
    primary = store.read(refs["keys"], "primary_keys").sort_by("table").to_pylist()
    nodes = store.read(refs["lakegraph"], "nodes", ["node_id", "kind", "label"])
    return Keys(
        (ForeignKey(**row) for row in foreign.to_pylist()),
        (PrimaryKey(row["table"], tuple(row["columns"]), row["n_rows"]) for row in primary),
        _columns(nodes.filter(pc.equal(nodes["kind"], "table")).to_pylist(),
                 store.read(refs["lakegraph"], "graph_columns", ["node_id", "table_node", "token"]).to_pylist(),
                 store.read(refs["lakegraph"], "column_values", ["node_id", "position", "value_kind"]).to_pylist()),
        str(store.manifest(refs["keys"]).summary["model"]),
    )  # fmt: skip


def _columns(
    nodes: Iterable[Mapping[str, Any]], columns: Iterable[Mapping[str, Any]], values: Iterable[Mapping[str, Any]]
) -> dict[str, list[tuple[str, str]]]:
    """(name, kind of values) of every table's columns, in the order of its schema."""
    from lakebed.tasks.keys.lake import path_text

    table = {row["node_id"]: str(row["label"]) for row in nodes}
    facts = {row["node_id"]: row for row in values}
    found: dict[str, list[tuple[int, str, str]]] = {name: [] for name in table.values()}
    for row in columns:
        one = facts[row["node_id"]]
        found[table[row["table_node"]]].append((one["position"], path_text(row["token"]), one["value_kind"]))
    return {name: [(column, kind) for _, column, kind in sorted(held)] for name, held in found.items()}


def _attribute(column: _Drawn) -> str:
    """A line of Mermaid: kind, name without signs, keys, and the name itself where it had signs."""
    plain = _NO_WORD.sub("_", column.name)
    plain = plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}"
    marks = ", ".join(mark for mark, is_so in (("PK", column.is_primary), ("FK", column.is_foreign)) if is_so)
    remark = "" if plain == column.name else f'"{_quoted(column.name)}"'
    return " ".join(part for part in (column.kind, plain, marks, remark) if part)


def _quoted(text: str) -> str:
    """A name between double quotes: what would end or break them becomes a sign that does not."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text).replace('"', "'")
