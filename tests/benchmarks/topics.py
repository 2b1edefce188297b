"""Topics against the databases of Spider, folders hidden: `python -m tests.benchmarks.topics [--spider FOLDER]`.

One JSON object a line: for both languages the cut against the databases (adjusted Rand index and normalised mutual
information) by trees that saw neither of a pair's databases and by the fixed rule, beside the best cut of that tree,
single linkage's components and, where graspologic-native is installed, Leiden on the same graph; how many names are
shared; how much a tenth of the edges matters; hierarchical block models; times.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts, PairFacts
from lakebed.tasks.keys.kernel.rule import rule_chances
from lakebed.tasks.keys.kernel.trees import Trees, raw_chances, tree_chances
from lakebed.tasks.keys.model import read_trees
from lakebed.tasks.topics.config import TopicsConfig
from lakebed.tasks.topics.kernel.copies import copies_of, of_tables
from lakebed.tasks.topics.kernel.graph import TableGraph, blind_chances, blind_pairs, graph_of
from lakebed.tasks.topics.kernel.names import Words, names_of, words_of_tables
from lakebed.tasks.topics.kernel.tree import Tree, tree_of
from tests.benchmarks.key_lakes import KnownLake, lake_and_values, spider, spider_keys
from tests.benchmarks.key_trees import platt, train
from tests.benchmarks.keys import LANGUAGES, N_FOLDS, SPIDER, Task, best_of, fold_numbers, folds_of, joined, task_of
from tests.benchmarks.questions import generated_tables
from tests.tasks.topics.graphs import block_model, right_triples

LEAST = TopicsConfig().min_chance
N_SEEDS, N_DROPS, DROPPED, COVER = 5, 5, 0.1, 0.8
Ints = NDArray[np.int64]
Line = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """Spider in one language: its lake, values' texts, the database of each table by number, and the fold of each."""

    lake: Lake
    texts: Sequence[Sequence[str] | None]
    database: Ints
    fold: Ints


def fold_judges(tasks: Sequence[Task]) -> dict[tuple[int, int], Trees]:
    """For each two folds, trees that saw no database of either, calibrated on the others' chances out of fold."""
    folds, raw = [folds_of(task) for task in tasks], [np.zeros(len(task.is_key)) for task in tasks]
    found: dict[tuple[int, int], Trees] = {}
    for one, other in combinations_with_replacement(range(N_FOLDS), 2):
        found[one, other] = train(*joined(tasks, [(mine != one) & (mine != other) for mine in folds]))
    for fold in range(N_FOLDS):
        for chance, task, mine in zip(raw, tasks, folds, strict=True):
            chance[mine == fold] = raw_chances(found[fold, fold], task.facts.features[mine == fold])
    calibrated = {}
    for (one, other), trees in found.items():
        slope, offset = platt(*best_of(tasks, raw, [(mine != one) & (mine != other) for mine in folds]))
        calibrated[one, other] = replace(trees, slope=slope, offset=offset)
    return calibrated


@dataclass(frozen=True)
class FoldJudge:
    """Each pair is judged by the trees of the two folds of its tables."""

    known: Known
    trees: Mapping[tuple[int, int], Trees]

    def __call__(self, facts: PairFacts) -> NDArray[np.float64]:
        ends = [self.known.fold[self.known.lake.table_of[side]] for side in (facts.pairs.a, facts.pairs.b)]
        low, high = np.minimum(*ends), np.maximum(*ends)
        chance = np.zeros(len(low))
        for (one, other), trees in self.trees.items():
            mine = (low == one) & (high == other)
            chance[mine] = tree_chances(trees, facts.features[mine])
        return chance


def cut_at(tree: Tree, n_nodes: int) -> Ints:
    """The group of each table once the first merges are made; nodes of the tree are in their order."""
    parent = np.where((tree.parent >= 0) & (tree.parent < n_nodes), tree.parent, np.arange(len(tree.parent)))
    for node in range(n_nodes - 1, -1, -1):
        parent[node] = parent[parent[node]]
    return np.unique(parent[: tree.n], return_inverse=True)[1]


def against(truth: Ints, label: Ints) -> Line:
    return {
        "ari": round(float(adjusted_rand_score(truth, label)), 3),
        "nmi": round(float(normalized_mutual_info_score(truth, label)), 3),
        "groups": int(label.max()) + 1,
    }


def leiden(graph: TableGraph, gamma: float | None) -> Ints | None:
    """Leiden by modularity, or by CPM at a density; None where graspologic-native is not installed."""
    try:
        from graspologic_native import leiden as native
    except ImportError:
        return None
    edges = [
        (str(a), str(b), w) for a, b, w in zip(graph.a.tolist(), graph.b.tolist(), graph.weight.tolist(), strict=True)
    ]
    is_modularity, resolution = gamma is None, gamma or 1.0
    _, found = native(edges, resolution=resolution, use_modularity=is_modularity, seed=0, iterations=3, trials=1)
    label = graph.n + np.arange(graph.n)
    label[[int(node) for node in found]] = list(found.values())
    return np.unique(label, return_inverse=True)[1]


def spider_lines(known: Known, name: str, judges: Mapping[str, Any]) -> Iterator[Line]:
    """The topics of one language under each judge, and their rivals."""
    facts = ColumnFacts.of(known.lake)
    started = time.process_time()
    pairs = blind_pairs(facts)
    yield {"bench": f"{name}: pairs", "pairs": len(pairs.a), "cpu_s": round(time.process_time() - started, 2)}
    for judge_name, judge in judges.items():
        graph = graph_of(facts, pairs, blind_chances(facts, pairs, judge), LEAST)
        started = time.process_time()
        tree = tree_of(graph)
        seconds = time.process_time() - started
        base = {"data": name, "judge": judge_name, "tables": tree.n}
        inside = graph.weight[known.database[graph.a] == known.database[graph.b]].sum() / graph.weight.sum()
        facts_line = {
            "gamma": round(float(tree.gamma), 4),
            "within": round(float(inside), 3),
            "cpu_s": round(seconds, 3),
        }
        yield {**base, "cut": "topics", **against(known.database, tree.topic_of), **facts_line}
        cuts = (cut_at(tree, n_nodes) for n_nodes in range(tree.n, len(tree.parent)))
        best = max((against(known.database, label) for label in cuts), key=lambda line: line["ari"])
        yield {**base, "cut": "best of the tree, with the truth", **best}
        components = connected_components(graph.adjacency)[1].astype(np.int64)
        yield {**base, "cut": "components", **against(known.database, components)}
        for rival, gamma in (("Leiden, modularity", None), ("Leiden, CPM at the same density", tree.gamma)):
            if (label := leiden(graph, gamma)) is not None:
                yield {**base, "cut": rival, **against(known.database, label)}
        yield {**base, "cut": "a tenth of the edges dropped", **_dropped(graph, known.database)}
        yield {"bench": "names", **base, **names_line(tree, words_of_tables(facts, known.texts))}


def _dropped(graph: TableGraph, truth: Ints) -> Line:
    """Means over draws."""
    found = []
    for seed in range(N_DROPS):
        kept = np.random.default_rng(seed).random(len(graph.a)) >= DROPPED
        less = TableGraph(graph.n, graph.a[kept], graph.b[kept], graph.weight[kept])
        found.append(against(truth, tree_of(less).topic_of))
    return {name: round(float(np.mean([line[name] for line in found])), 3) for name in ("ari", "nmi")}


def names_line(tree: Tree, words: Words) -> Line:
    """Of topics of three tables or more, how many hold a word that four fifths of their tables have.

    By itself or as another's beginning; in their name, or in those of the levels above. And how many topics have such a
    word at all.
    """
    names, number = names_of(tree, words), {word: place for place, word in enumerate(words.words)}
    above = tree.level_parent
    nodes = np.flatnonzero((tree.topic >= 0) & (tree.size >= 3))
    has, topic = (words.counts > 0).tocsr(), tree.topic_of
    n_good = n_able = 0
    for node in nodes.tolist():
        members, at, said = np.flatnonzero(topic == tree.topic[node]), node, list[int]()
        while at >= 0:
            said, at = said + [number[word] for word in names[at]], int(above[at])
        is_shared = np.asarray(has[members].sum(axis=0)).ravel() >= COVER * len(members)
        n_able, n_good = n_able + bool(is_shared.any()), n_good + bool(is_shared[said].any())
    shares = {"shared": n_good, "could be": n_able}
    return {"topics": len(nodes), **{name: round(n / max(len(nodes), 1), 3) for name, n in shares.items()}}


def block_lines() -> Iterator[Line]:
    """Hierarchical block models of 1,000 nodes, means over seeds."""
    for depth, inside, ratio in ((3, 0.2, 0.4), (4, 0.3, 0.4), (5, 0.5, 0.4)):
        found = []
        for seed in range(N_SEEDS):
            graph, leaf = block_model(1000, depth, inside, ratio, seed)
            started = time.process_time()
            tree = tree_of(graph)
            seconds = time.process_time() - started
            triples = right_triples(tree, leaf, seed)
            found.append((adjusted_rand_score(leaf, tree.topic_of), triples, tree.start == "groups", seconds))
        ari, triples, groups, seconds = np.mean(found, axis=0).round(3).tolist()
        data = f"block model {1 << depth} of {1000 >> depth}, p {inside}, ratio {ratio}"
        yield {"data": data, "ari": ari, "triples": triples, "from groups": groups, "cpu_s": seconds}


def generated_line(n_tables: int) -> Line:
    """CPU seconds of the whole stage on a generated lake, but for reading and publishing, by the trees as shipped."""
    lake, values = lake_and_values({name: pa.table(held) for name, held in generated_tables(n_tables).items()})
    trees = read_trees()
    started = time.process_time()
    copy_of = copies_of(lake)
    facts = ColumnFacts.of(of_tables(lake, np.unique(copy_of, return_index=True)[1]))
    pairs = blind_pairs(facts)
    chance = blind_chances(facts, pairs, rule_chances if trees is None else lambda p: tree_chances(trees, p.features))
    found = time.process_time()
    tree = tree_of(graph_of(facts, pairs, chance, LEAST), copy_of)
    linked = time.process_time()
    names_of(tree, words_of_tables(facts, values["texts"].to_pylist()).of_copies(copy_of))
    named = time.process_time()
    seconds = {"pairs_cpu_s": found - started, "tree_cpu_s": linked - found, "names_cpu_s": named - linked}
    return {
        "bench": "generated lake", "tables": n_tables, "columns": lake.n, "topics": int(tree.topic.max()) + 1,
        **{name: round(value, 2) for name, value in seconds.items()},
    }  # fmt: skip


def known_of(folder: Path, language: str, fold: Mapping[str, int]) -> Known:
    """Spider in one language; a database without a pair is in fold 0."""
    lake, values = lake_and_values(spider(folder, language))
    names = [table.partition("/")[0] for table in lake.tables]
    is_text = [kind == "text" for kind in values["value_kind"].to_pylist()]
    texts = [held if text else None for held, text in zip(values["texts"].to_pylist(), is_text, strict=True)]
    folds = np.array([fold.get(name, 0) for name in names])
    return Known(lake, texts, np.unique(names, return_inverse=True)[1], folds)


def lines(options: argparse.Namespace) -> Iterator[Line]:
    """Every measurement."""
    yield from block_lines()
    if options.tables:
        yield generated_line(options.tables)
    known = {language: known_of(options.spider, language, {}) for language in LANGUAGES}
    tasks = [
        task_of(f"spider {language}", KnownLake(one.lake, spider_keys(options.spider, language)))
        for language, one in known.items()
    ]
    fold = fold_numbers(tasks[0])
    known = {language: known_of(options.spider, language, fold) for language in LANGUAGES}
    started = time.process_time()
    trees = fold_judges(tasks)
    yield {"bench": "training of fifteen pairs of folds", "cpu_s": round(time.process_time() - started, 1)}
    for language, one in known.items():
        judges = {"trees, folds by database": FoldJudge(one, trees), "rule": rule_chances}
        yield from spider_lines(one, f"spider {language}", judges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spider", type=Path, default=SPIDER)
    parser.add_argument("--tables", type=int, default=10_000, help="of the generated lake; 0 leaves it out")
    for line in lines(parser.parse_args()):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
