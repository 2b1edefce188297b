"""Building the topics artifact: the lake graph's columns, the graph of tables, its tree, names, publishing."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import judge_of
from lakebed.tasks.keys.kernel.columns import Bool
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.lake import READ, lake_of_graph
from lakebed.tasks.keys.previous import KEPT, identities, load_known, save_lists
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.topics.config import TopicsConfig
from lakebed.tasks.topics.contract import CONTRACTS
from lakebed.tasks.topics.kernel.copies import copies_of, of_tables
from lakebed.tasks.topics.kernel.graph import blind_lists, table_graph
from lakebed.tasks.topics.kernel.names import N_TEXTS, names_of, words_of_tables
from lakebed.tasks.topics.kernel.tree import Tree, tree_of

HEIGHT_DIGITS = 9


def build_artifact(stage: Stage, lakegraph: ArtifactRef, config: TopicsConfig, keys: KeysConfig) -> ArtifactRef:
    """Reads the columns, finds the topics, publishes them.

    Raises: as the stage's `build`.
    """
    metrics, judge = StageMetrics(), judge_of(keys)
    with metrics.step("read"), shown().step("Reading the columns' values"):
        nodes, columns, values = (stage.read(lakegraph, name, list(held)) for name, held in READ.items())
        lake = lake_of_graph(nodes, columns, values)
    with metrics.step("graph"), shown().step(f"Joining {len(lake.tables):,} tables by likely keys"):
        copy_of = copies_of(lake)
        distinct = np.unique(copy_of, return_index=True)[1]
        is_kept = np.isin(lake.table_of, distinct)
        facts = ColumnFacts.of(of_tables(lake, distinct))
        every = identities(lake, values.sort_by("node_id"))
        own = [every[column] for column in np.flatnonzero(is_kept).tolist()]
        known = load_known(stage, facts.lake, own)
        metrics.changes = known.changes(facts.lake)
        lists = blind_lists(facts, known.of("any"))
        graph = table_graph(facts, judge, config.min_chance, lists)
    with metrics.step("tree"), shown().step("Linking them to topics"):
        tree = tree_of(graph, copy_of)
    with metrics.step("names"), shown().step("Naming the topics"):
        words = words_of_tables(facts, texts_of(values, is_kept))
        names = told_names(tree, lake.tables, names_of(tree, words.of_copies(copy_of)))
    n_topics = int(tree.topic.max(initial=-1)) + 1
    summary: dict[str, object] = {
        "model": judge.name, "tables": tree.n, "distinct": graph.n, "topics": n_topics, "edges": len(graph.a),
        "alone": int((np.bincount(tree.topic_of, minlength=n_topics) == 1).sum()), "gamma": round(tree.gamma, 6),
        "start": tree.start,
    }  # fmt: skip
    first = int(pc.min(nodes.filter(pc.equal(nodes["kind"], "table"))["node_id"]).as_py() or 0)
    published = {"topics": _topic_table(tree, lake.tables, names, first), "topic_nodes": _node_table(tree, names)}
    save_lists(stage, facts.lake, own, {"any": lists})
    return stage.publish(published, summary, metrics, side_files=KEPT)


def texts_of(values: pa.Table, is_kept: Bool) -> list[list[str] | None]:
    """Some values of each text column, None of others; of the columns that are kept, in the order of their nodes."""
    values = values.sort_by("node_id").filter(pa.array(is_kept))
    is_text = pc.equal(values["value_kind"], "text")
    some = pc.list_slice(pc.if_else(is_text, values["texts"], None), 0, N_TEXTS)
    found: list[list[str] | None] = some.to_pylist()
    return found


def told_names(tree: Tree, tables: Sequence[str], words: Sequence[tuple[str, ...]]) -> list[str]:
    """A name of every node: tables have their own, topics and levels above them their words."""
    told = [" ".join(held) for held in words]
    told[: tree.n] = tables
    return told


def _short(table: str) -> str:
    return table.rpartition("/")[2]


def _topic_table(tree: Tree, tables: Sequence[str], names: Sequence[str], first: int) -> pa.Table:
    above, nodes = tree.level_parent, np.flatnonzero(tree.topic >= 0)
    paths: list[list[str]] = [[] for _ in nodes]
    for node in nodes.tolist():
        path, at = [], node
        while at >= 0:
            path.append(_short(names[at]) if at < tree.n else names[at])
            at = int(above[at])
        paths[int(tree.topic[node])] = [name for name in reversed(path) if name]
    topic = tree.topic_of
    for table, one in enumerate(topic.tolist()):
        paths[one] = paths[one] or [_short(tables[table])]
    told = [paths[one] for one in topic.tolist()]
    return pa.table(
        [
            pa.array(np.arange(first, first + tree.n)), pa.array(list(tables), pa.string()), pa.array(topic),
            pa.array(told, pa.list_(pa.string())), pa.array([path[-1] for path in told], pa.string()),
        ],
        schema=CONTRACTS["topics"].arrow_schema(),
    )  # fmt: skip


def _node_table(tree: Tree, names: Sequence[str]) -> pa.Table:
    return pa.table(
        [
            pa.array(np.arange(len(tree.parent))), pa.array(tree.parent),
            pa.array(np.round(np.minimum(tree.height, 1.0), HEIGHT_DIGITS)), pa.array(tree.size), pa.array(tree.topic),
            pa.array(tree.is_level), pa.array(list(names), pa.string()),
        ],
        schema=CONTRACTS["topic_nodes"].arrow_schema(),
    )  # fmt: skip
