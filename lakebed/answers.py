"""What lakebed answers from the artifacts of a run: the command line, HTTP, approvals and Python ask here."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.artifacts import newest_refs, search_refs
from lakebed.connectors.errors import ArtifactError, ConfigError, GraphError
from lakebed.results import Result
from lakebed.tasks.runtime.record import RunRecord
from lakebed.tasks.search.model import Neighbour

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakebed.changes import Changes
    from lakebed.explanation import TableExplanation
    from lakebed.keys import Keys
    from lakebed.planning import LakePlan
    from lakebed.tasks.search.lake_search import LakeSearch
    from lakebed.tasks.summary.kernel.model import Summary
    from lakebed.topics import Topics


@dataclass(frozen=True)
class Containment:
    """A proven edge: every row of the child is a row of the parent, on the child's columns."""

    child: str
    parent: str
    semantics: str
    n_child_rows: int
    n_child_distinct: int
    n_parent_rows: int
    coincidental: bool
    coincidental_reason: str | None
    chance: float
    is_mutual: bool
    child_bytes: int
    certificate: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class PredictedLink:
    """A likely missing link between two tables or two columns, with its calibrated chance."""

    rank: int
    kind: str
    source: str
    target: str
    chance: float
    why: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A node of the lake graph."""

    node_id: int
    kind: str
    key: str
    label: str


class Links(Result[PredictedLink]):
    """Predicted links, the likeliest first; `untrained` says why there are none."""

    def __init__(self, table: pa.Table, untrained: str) -> None:
        self.table, self.untrained = table, untrained
        super().__init__(PredictedLink, map(_link, table.to_pylist()), "likely missing links")


class Neighbours(Result[Node]):
    """What a node of the graph is joined to."""

    def __init__(self, node: Node, found: pa.Table) -> None:
        self.node = node
        super().__init__(Node, (Node(**row) for row in found.to_pylist()), f"neighbours of {node.label}")


class Vectors(NamedTuple):
    """Names and their vectors. Shapes: names (n,); vectors (n, dim) float32."""

    names: NDArray[Any]
    vectors: NDArray[np.float32]


class Answers:
    """Questions to an artifact root: each to the newest run that has come far enough, or all to one run.

    Args:
        root: where the artifacts lie.
        record: of the one run.
    """

    def __init__(self, root: str, record: RunRecord | None = None) -> None:
        self._root, self._record = root, record
        self._search: LakeSearch | None = None
        self._searched: Mapping[str, Any] = {}

    def containments(self, *, coincidental: bool = True) -> Result[Containment]:
        """The proven edges, by child and parent; without coincidences if so wanted.

        Examples:
            >>> [(edge.child, edge.parent) for edge in lake.containments()]
            [('names', 'orders'), ('orders_part', 'orders')]

        Raises:
            ArtifactError: if no run has reached the containment stage.
        """
        store, refs = newest_refs(self._root, "containment", self._record)
        table = store.read(refs["containment"], "edges", list(Containment.__dataclass_fields__))
        rows = table.sort_by([("child", "ascending"), ("parent", "ascending")]).to_pylist()
        kept = (row for row in rows if coincidental or not row["coincidental"])
        edges = (Containment(**{**row, "certificate": json.loads(row["certificate"])}) for row in kept)
        return Result(Containment, edges, "proven containments")

    def changes(self, before: str | None = None, after: str | None = None) -> "Changes":
        """What is other than in an earlier run: tables, containments, keys, decisions, and what was made anew and why.

        Args:
            before: id of the earlier run, or its beginning; the one before the later run where none is named.
            after: id of the later run; this run, or the newest, where none is named.

        Raises:
            ArtifactError: if there is no such run, or none before it.
        """
        from lakebed.changes import changes

        return changes(self._root, before, after, self._record if after is None else None)

    def explain(self, table: str) -> "TableExplanation":
        """Why a table is contained, contains, or only nearly so, and what was decided of it.

        Examples:
            >>> lake.explain("names")[0].reason
            'all 120 distinct rows of the child are in the parent'

        Raises:
            SourceError: if the lake has no such table; near names are told.
            ArtifactError: if no run has reached the containment stage.
        """
        from lakebed.explanation import explain

        return explain(self._root, table, self._record)

    def keys(self, table: str | None = None) -> "Keys":
        """The foreign keys that were found, of the lake or of one table, with chances, reasons, diagrams and paths.

        Examples:
            >>> [(key.child, key.column, key.parent) for key in lake.keys("names")]
            [('orders_part', 'name', 'names')]

        Raises:
            ConfigError: if there is no such table; near names are told.
            ArtifactError: if no run has reached the keys stage.
        """
        from lakebed.keys import keys

        found = keys(self._root, self._record)
        return found if table is None else found.of(table)

    def topics(self, table: str | None = None) -> "Topics":
        """The topic of each table, or those of the topic of one; beside them `groups`, `tree()` and `newick()`.

        Examples:
            >>> [row.table for row in lake.topics("names")]
            ['names', 'orders', 'orders_part']

        Raises:
            ConfigError: if there is no such table; near names are told.
            ArtifactError: if no run has reached the topics stage.
        """
        from lakebed.topics import topics

        found = topics(self._root, self._record)
        return found if table is None else found.of(table)

    def plan(self) -> "LakePlan":
        """Table by table what may go, how it is rebuilt and what that saves; changes nothing.

        Examples:
            >>> [row.table for row in lake.plan() if row.decision == "delete"]
            ['names', 'orders_part']

        Raises:
            ArtifactError: if no run has reached the retention stage.
            PlanError: if the lake has changed since.
        """
        from lakebed.planning import LakePlan, make

        return LakePlan(make(self._root, self._record))

    def similar(
        self,
        table: str | None = None,
        k: int = 10,
        *,
        file: str | Path | None = None,
        near: bool = False,
        union: bool = False,
        novel: bool = False,
    ) -> Result[Neighbour]:
        """The k tables most like a table of the lake, or like a file that is not in it, with why.

        Args:
            table: its name.
            k: how many.
            file: a Parquet, CSV or JSON lines file in its place.
            near: whether tables that have nothing in common, and are only near in the graph, are answers too.
            union: whether only tables are that could be put under the asked one: two fifths of its columns have a
                partner in them; `why` names each pair.
            novel: the same, of the hundred most alike those first that would bring the most new rows.

        Examples:
            >>> lake.similar("orders_part", k=1)[0].name
            'orders'

        Raises:
            ConfigError: if there is no such table or file (near names are told), or both or none are given.
            SourceError: if the file cannot be read.
            ArtifactError: if no run has made an index.
        """
        if (table is None) == (file is None):
            raise ConfigError("one thing to compare is needed", expected="TABLE, or --file X.parquet")
        search = self.search_index
        if table is not None:
            found = search.similar(table, k, near=near, union=union, novel=novel)
        else:
            from lakebed.tasks.search.query_file import ask_file

            found = search.similar_to(ask_file(search, Path(str(file))), k, near=near, union=union, novel=novel)
        return Result(Neighbour, found, f"tables like {table or file}")

    def joinable(
        self, column: str, k: int = 10, *, file: str | Path | None = None, near: bool = False
    ) -> Result[Neighbour]:
        """The k columns of other tables that a column can best be joined with, with why.

        Examples:
            >>> lake.joinable("names.id", k=1)[0].why_text()
            'its table contains names; holds 100% of the values, 120 in common; such as 122, 14, 8'

        Args:
            column: `TABLE.COLUMN`, or the JSON text of the list of table and path; with `file` a column of the file.
            k: how many.
            file: a Parquet, CSV or JSON lines file that is not in the lake.
            near: whether columns that share no value and are only near in the graph are answers too; not of a file,
                which has no place in the graph.

        Raises: as `similar`.
        """
        search = self.search_index
        if file is None:
            return Result(Neighbour, search.joinable(column, k, near=near), f"columns to join {column} with")
        if near:
            raise ConfigError("a file has no place in the graph", value="--near", expected="--file without --near")
        from lakebed.tasks.search.query_file import file_lake

        found = search.joinable_to(*file_lake(Path(file)), column, k)
        return Result(Neighbour, found, f"columns to join {column} of {Path(file).name} with")

    def search(self, text: str, k: int = 10) -> Result[Neighbour]:
        """The k tables and columns whose names or shared values are most like a text.

        Examples:
            >>> lake.search("cities", k=1)[0].name
            'cities'

        Raises: as `similar`.
        """
        return Result(Neighbour, self.search_index.search(text, k), f"found for {text}")

    def vectors(self, kind: Literal["table", "column"]) -> Vectors:
        """The vectors that `similar` and `joinable` compare, of length 1 where the index's distance is cosine.

        Examples:
            >>> names, vectors = lake.vectors("table")
            >>> names.tolist(), vectors.shape
            (['cities', 'names', 'orders', 'orders_part'], (4, 128))

        Raises:
            ConfigError: if `kind` is neither.
            ArtifactError: if no run has made an index.
        """
        search = self.search_index
        if kind == "table":
            index, names = search.tables, pc.utf8_slice_codeunits(search.tables.items["id"], len("table:"))
        elif kind == "column":
            index, names = search.columns, search.evidence.columns["label"].take(search.columns.items["node_id"])
        else:
            raise ConfigError("there are no vectors of this kind", value=kind, expected="table or column")
        return Vectors(names.to_numpy(zero_copy_only=False), index.index.vectors[index.group_of])

    def links(self, top: int | None = None) -> Links:
        """The likeliest missing links, all or the first ones.

        Raises:
            ArtifactError: if no run has reached the links stage.
            StageError: if none has, and torch is not installed either.
        """
        from lakebed.tasks.links.stage import require_torch

        try:
            store, refs = newest_refs(self._root, "links", self._record)
        except ArtifactError as error:
            require_torch()
            error.hint = f"lakebed run --lake PATH --artifacts {self._root} --to links"
            raise
        table = store.read(refs["links"], "predictions").sort_by("rank").slice(0, top)
        return Links(table, str(store.manifest(refs["links"]).summary.get("untrained", "")))

    def neighbours(self, node: str) -> Neighbours:
        """What a node is joined to, read off the summary without decompressing it.

        Examples:
            >>> [node.label for node in lake.neighbours("table:names")]
            ['names.id', 'names.name']

        Args:
            node: its key, its label, or its number.

        Raises:
            GraphError: if there is none, or several have the label.
            ArtifactError: if no run has reached the summary stage, or its files are damaged.
        """
        from lakebed.tasks.summary.kernel.queries import neighbours

        nodes, summary = self._summary()
        number = find_node(nodes, node)
        (asked,) = nodes.slice(number, 1).to_pylist()
        return Neighbours(Node(**asked), nodes.take(neighbours(summary.layout, number)))

    @property
    def search_index(self) -> "LakeSearch":
        """The questions of `similar`, `joinable` and `search`; kept open until a run has made another index."""
        from lakebed.tasks.search.lake_search import LakeSearch

        store, refs = search_refs(self._root, self._record)
        if self._search is None or refs != self._searched:
            self._search, self._searched = LakeSearch(store, refs), refs
        return self._search

    def _summary(self) -> "tuple[pa.Table, Summary]":
        from lakebed.tasks.summary.export import load_arrays

        store, refs = newest_refs(self._root, "summary", self._record)
        nodes = store.read(refs["lakegraph"], "nodes", list(Node.__dataclass_fields__)).sort_by("node_id")
        return nodes, load_arrays(store.folder("summary", refs["summary"].key), nodes.num_rows)


def find_node(nodes: pa.Table, name: str) -> int:
    """The number of the node with this key, else with this label, else with this number.

    Raises:
        GraphError: if there is none, or several have the label.
    """
    for column in ("key", "label"):
        found = pc.indices_nonzero(pc.equal(nodes[column], name)).to_pylist()
        if len(found) == 1:
            return int(found[0])
        if found:
            keys, expected = _keys(nodes, found[:6]), "the key of one of them"
            raise GraphError("several nodes have this label", value=name, expected=expected, examples=keys)
    if name.isdecimal() and int(name) < nodes.num_rows:
        return int(name)
    similar = pc.indices_nonzero(pc.match_substring(nodes["label"], name, ignore_case=True)).to_pylist()
    raise GraphError(
        "the graph has no such node",
        value=name,
        expected=f"a key, a label, or a number below {nodes.num_rows}",
        examples=_keys(nodes, similar[:5]) if name else [],
    )


def _keys(nodes: pa.Table, numbers: list[int]) -> list[str]:
    keys: list[str] = nodes.take(pa.array(numbers, pa.int64()))["key"].to_pylist()
    return keys


def _link(row: dict[str, Any]) -> PredictedLink:
    """A row of PREDICTIONS with names in the place of numbers, and its evidence parsed."""
    names = {"source": row["source_label"], "target": row["target_label"], "evidence": json.loads(row["evidence"])}
    return PredictedLink(**{name: (row | names)[name] for name in PredictedLink.__dataclass_fields__})
