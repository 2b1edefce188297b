"""Graphs whose groups are known."""

import numpy as np

from lakebed.tasks.topics.kernel.graph import TableGraph
from lakebed.tasks.topics.kernel.tree import Tree

N_TRIPLES = 4000


def graph_from(n: int, weights) -> TableGraph:
    """From {(a, b): weight}."""
    pairs = sorted((min(pair), max(pair), weight) for pair, weight in weights.items())
    a, b, weight = zip(*pairs, strict=True) if pairs else ((), (), ())
    return TableGraph(n, np.array(a, np.int64), np.array(b, np.int64), np.array(weight, np.float64))


def random_graph(n: int, share: float, seed: int) -> TableGraph:
    rng = np.random.default_rng(seed)
    a, b = np.nonzero(np.triu(rng.random((n, n)) < share, 1))
    return TableGraph(n, a, b, np.maximum(rng.random(len(a)), 1e-3))


def block_model(n: int, depth: int, inside: float, ratio: float, seed: int) -> tuple[TableGraph, np.ndarray]:
    """A binary tree of groups, and each node's: the chance of an edge falls by `ratio` with each level between."""
    rng = np.random.default_rng(seed)
    groups = np.arange(1 << depth)
    apart = np.frompyfunc(int.bit_length, 1, 1)(groups[:, None] ^ groups).astype(int)
    leaf = np.sort(np.arange(n) % len(groups))
    a, b = np.nonzero(np.triu(rng.random((n, n)) < (inside * ratio**apart)[leaf][:, leaf], 1))
    return TableGraph(n, a, b, np.ones(len(a))), leaf


def right_triples(tree: Tree, leaf: np.ndarray, seed: int) -> float:
    """Of random triples of nodes with one nearest pair, how many have the same nearest pair in the tree."""
    rng = np.random.default_rng(seed)
    paths: dict[int, list[int]] = {}
    n_right = n_all = 0
    for triple in rng.integers(0, tree.n, (N_TRIPLES, 3)).tolist():
        pairs = [(triple[0], triple[1]), (triple[0], triple[2]), (triple[1], triple[2])]
        apart = [int(leaf[one] ^ leaf[other]).bit_length() for one, other in pairs]
        order = np.argsort(apart, kind="stable")
        if apart[order[0]] == apart[order[1]]:
            continue
        meet = [_meeting(tree, one, other, paths) for one, other in pairs]
        n_all += 1
        n_right += meet[order[0]] < min(meet[order[1]], meet[order[2]])
    return n_right / n_all


def _meeting(tree: Tree, one: int, other: int, paths: dict[int, list[int]]) -> int:
    """The lowest node above both; nodes above have greater numbers."""
    for node in (one, other):
        if node not in paths:
            held = [node]
            while tree.parent[held[-1]] >= 0:
                held.append(int(tree.parent[held[-1]]))
            paths[node] = held
    return min(set(paths[one]) & set(paths[other]))
