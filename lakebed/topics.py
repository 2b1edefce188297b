"""The topics of a lake's tables: as rows, as groups with the folders they lie in, and as a tree in JSON or Newick."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lakebed.artifacts import newest_refs
from lakebed.connectors.errors import ConfigError
from lakebed.results import Result
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord

STAGE = "topics"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class TableTopic:
    """The topic of a table.

    Attributes:
        topic: its number, the largest topic first.
        path: names between the root and the topic, and its own.
        name: words that its tables share; that of a single table its own.
    """

    table: str
    topic: int
    path: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class TopicRow:
    """A topic with its tables and the folders that they lie in, the most frequent first."""

    topic: int
    name: str
    path: tuple[str, ...]
    n_tables: int
    folders: tuple[str, ...]


@dataclass(frozen=True)
class TreeNode:
    """A table, a topic, or a level above or below one. `parent` is the nearest level above; -1 of the root."""

    node: int
    parent: int
    height: float
    n_tables: int
    topic: int
    name: str
    is_table: bool


class Topics(Result[TableTopic]):
    """The topic of each table, by topic and name; `nodes` is the tree, each node before the one above it."""

    def __init__(self, rows: Iterable[TableTopic], nodes: Sequence[TreeNode], title: str = "topics") -> None:
        super().__init__(TableTopic, sorted(rows, key=lambda row: (row.topic, row.table)), title)
        self.nodes = nodes

    def of(self, table: str) -> "Topics":
        """The tables of the topic of a table.

        Raises:
            ConfigError: if there is no such table; near names are told.
        """
        topic = {row.table: row.topic for row in self}
        if table not in topic:
            raise ConfigError(
                "the lake has no such table",
                value=table,
                expected="the name of a table, relative to the lake, without the file ending",
                examples=get_close_matches(table, list(topic)),
            )
        return Topics((row for row in self if row.topic == topic[table]), self.nodes, f"topic of {table}")

    @property
    def groups(self) -> Result[TopicRow]:
        """One row a topic, the largest first."""
        held: dict[int, list[TableTopic]] = {}
        for row in self:
            held.setdefault(row.topic, []).append(row)
        found = (
            TopicRow(topic, rows[0].name, rows[0].path, len(rows), folders_of(row.table for row in rows))
            for topic, rows in sorted(held.items())
        )
        return Result(TopicRow, found, self.title)

    def tree(self) -> dict[str, Any]:
        """The tree as nested objects: `name`, `height`, `n_tables`, `children`; `table` of a leaf; `topic` of a topic.

        Of its levels those are left between which the height at least doubles, so it is never deep.
        """
        one: dict[str, Any] = {}
        below: dict[int, list[dict[str, Any]]] = {}
        for node in self.nodes:
            one = {"table": node.name} if node.is_table else {"name": node.name, "height": node.height}
            one |= {} if node.is_table else {"n_tables": node.n_tables}
            one |= {"topic": node.topic} if node.topic >= 0 else {}
            one |= {} if node.is_table else {"children": below.pop(node.node, [])}
            below.setdefault(node.parent, []).append(one)
        return one

    def newick(self) -> str:
        """The same in Newick's format: names in quotes, branches as long as the height rises along them."""
        height = {node.node: node.height for node in self.nodes} | {-1: 0.0}
        below: dict[int, list[str]] = {}
        for node in self.nodes:
            inner = below.pop(node.node, [])
            branch = f":{max(node.height - height[node.parent], 0.0):g}" if node.parent >= 0 else ""
            text = f"({','.join(inner)})" if inner else ""
            below.setdefault(node.parent, []).append(f"{text}{_quoted(node.name)}{branch}")
        return f"{''.join(below.get(-1, []))};"


def topics(root: str, only: RunRecord | None = None) -> Topics:
    """The topics that the newest run that looked for them, or one run, found.

    Raises:
        ArtifactError: if no run has reached the topics stage.
    """
    store, refs = newest_refs(root, STAGE, only)
    found = table_topics(store, refs)
    rows = store.read(refs[STAGE], "topic_nodes").sort_by("node").to_pylist()
    return Topics(found.values(), _levels(rows, len(found)))


def table_topics(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> dict[str, TableTopic]:
    """The topic of each table, by its name; none where the run has not come so far."""
    if STAGE not in refs:
        return {}
    rows = store.read(refs[STAGE], "topics", ["table", "topic", "path", "name"]).to_pylist()
    return {row["table"]: TableTopic(**{**row, "path": tuple(row["path"])}) for row in rows}


def folders_of(tables: Iterable[str]) -> tuple[str, ...]:
    """The folders of tables, the most frequent first; `.` is the lake's own."""
    held = Counter(table.rpartition("/")[0] or "." for table in tables)
    return tuple(name for name, _ in sorted(held.items(), key=lambda one: (-one[1], one[0])))


def _levels(rows: Sequence[Mapping[str, Any]], n_tables: int) -> list[TreeNode]:
    """The nodes that are levels, each below the nearest level."""
    above = {-1: -1}
    for row in reversed(rows):
        above[row["node"]] = row["node"] if row["is_level"] else above[row["parent"]]
    return [
        TreeNode(
            row["node"], above[row["parent"]], row["height"], row["n_tables"], row["topic"], row["name"],
            is_table=row["node"] < n_tables,
        )
        for row in rows
        if row["is_level"]
    ]  # fmt: skip


def _quoted(text: str) -> str:
    plain = _CONTROL.sub(" ", text).replace("'", "''")
    return f"'{plain}'" if plain else ""
