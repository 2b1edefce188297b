"""Splitting edges without leakage: nothing that is scored was seen in training, in either direction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.links.config import SplitConfig

Int64 = NDArray[np.int64]
MIN_EDGES = 20


class TooFewLinksError(GraphError):
    """There is too little to learn from: nothing is wrong with what there is."""


@dataclass(frozen=True)
class EdgeSplit:
    """Edges of training, validation and test, and as many pairs that are no edges for each of the last two.

    Shapes: each (k, 2) int64 with the lower node first; no pair stands in two of them.
    """

    n_nodes: int
    train: Int64
    valid: Int64
    test: Int64
    valid_negative: Int64
    test_negative: Int64


def split_edges(edges: Int64, n_nodes: int, config: SplitConfig) -> EdgeSplit:
    """Shuffles the edges by the seed and cuts; draws the negatives among all pairs that are no edge.

    Shapes: edges (m, 2) of nodes below n_nodes, in any direction; self loops and repeats are dropped.
    Raises: GraphError: if there are too few edges to split, or too few pairs that are none.
    """
    unique = simple_edges(edges, n_nodes)
    n_valid, n_test = (round(share * len(unique)) for share in (config.valid_share, config.test_share))
    if len(unique) < MIN_EDGES or min(n_valid, n_test) < 1:
        raise TooFewLinksError(
            "the graph has too few edges to split",
            value=f"{len(unique)} edges, of which {n_valid} to validate and {n_test} to test",
            expected=f"{MIN_EDGES} edges, and one at least in each part",
            hint="lower links.split.valid_share and test_share, or take a larger graph",
        )
    random = np.random.Generator(np.random.PCG64(config.seed))
    shuffled = unique[random.permutation(len(unique))]
    negatives = draw_non_edges(unique, n_nodes, n_valid + n_test, random)
    return EdgeSplit(
        n_nodes=n_nodes,
        train=shuffled[n_test + n_valid :],
        valid=shuffled[n_test : n_test + n_valid],
        test=shuffled[:n_test],
        valid_negative=negatives[:n_valid],
        test_negative=negatives[n_valid:],
    )


def simple_edges(edges: Int64, n_nodes: int) -> Int64:
    """The edges as ascending pairs (low, high), each once, without self loops.

    Raises: GraphError: if a node is not one of the graph.
    """
    pairs = np.sort(np.asarray(edges, np.int64).reshape(-1, 2), axis=1)
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= n_nodes):
        row = int(np.flatnonzero((pairs < 0).any(axis=1) | (pairs >= n_nodes).any(axis=1))[0])
        raise GraphError(
            "an edge names a node that the graph has not",
            value=f"row {row}: {tuple(edges[row].tolist())}",
            expected=f"nodes 0 … {n_nodes - 1}",
            hint="give n_nodes as the number of all nodes",
        )
    keys = distinct(pair_keys(pairs[pairs[:, 0] != pairs[:, 1]], n_nodes))
    return np.stack([keys // n_nodes, keys % n_nodes], axis=1) if len(keys) else np.empty((0, 2), np.int64)


def pair_keys(pairs: Int64, n_nodes: int) -> Int64:
    """One number a pair (low, high). Shapes: pairs (k, 2); result (k,) int64."""
    return pairs[:, 0] * n_nodes + pairs[:, 1]


def draw_non_edges(edges: Int64, n_nodes: int, n_wanted: int, random: np.random.Generator) -> Int64:
    """Distinct pairs that are no edge, uniform among all such pairs.

    Shapes: edges (m, 2) simple and ascending; result (n_wanted, 2) with the lower node first.
    Raises: GraphError: if there are not so many.
    """
    n_free = n_nodes * (n_nodes - 1) // 2 - len(edges)
    if n_wanted > n_free // 2:
        raise TooFewLinksError(
            "the graph is too dense: there are not enough pairs that are no edge",
            value=f"{n_free} such pairs, {n_wanted} wanted",
            expected="twice as many as wanted",
            hint="lower links.split.valid_share and test_share",
        )
    taken, found = pair_keys(edges, n_nodes), np.empty(0, np.int64)
    while len(found) < n_wanted:
        drawn = np.sort(random.integers(0, n_nodes, (2 * n_wanted + 16, 2)), axis=1)
        keys = pair_keys(drawn[drawn[:, 0] != drawn[:, 1]], n_nodes)
        fresh = np.concatenate([found, keys[~np.isin(keys, taken)]])
        _, first = np.unique(fresh, return_index=True)
        found = fresh[np.sort(first)]
    found = found[:n_wanted]
    return np.stack([found // n_nodes, found % n_nodes], axis=1)
