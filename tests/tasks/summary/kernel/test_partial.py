"""Parts of an iteration add up to the whole one, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.candidates import candidate_groups
from lakebed.tasks.summary.kernel.encoding import encode, new_work
from lakebed.tasks.summary.kernel.forest import binary_forest
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.partial import Pairs, encode_part, heights_of, merge_part, pairs_of_edges, roots_of
from lakebed.tasks.summary.kernel.threads import start_threads
from tests.tasks.summary.graphs import planted_graph

N = 240


def pairs_in_parts(edges: np.ndarray, log: MergeLog, n_parts: int) -> Pairs:
    root = roots_of(log.absorbed, log.kept, N)
    a, b = root[edges[:, 0]], root[edges[:, 1]]
    part = (np.minimum(a, b) * 7919 + np.maximum(a, b)) % n_parts
    found = []
    for p in np.unique(part):
        u, v = np.ascontiguousarray(edges[part == p].T)
        found.append(pairs_of_edges(u, v, log, N))
    return Pairs(*(np.concatenate([getattr(pairs, name) for pairs in found]) for name in Pairs._fields))


@pytest.mark.parametrize("n_parts", [1, 5])
def test_iterations_in_parts(n_parts: int) -> None:
    graph = build_graph(planted_graph(N, 8, seed=3), N)
    config = SummaryConfig(iterations=6, group_size=30)
    wanted = merge_graph(graph, config)
    log = MergeLog.none()
    with start_threads(1) as threads:
        for iteration in range(1, 7):
            pairs = pairs_in_parts(graph.edges(), log, n_parts)
            is_outer = pairs.a != pairs.b
            roots = np.unique(np.concatenate([pairs.a[is_outer], pairs.b[is_outer]])).astype(np.int32)
            root_of = roots_of(log.absorbed, log.kept, N)
            groups = candidate_groups(graph, root_of, roots, iteration, config, threads)
            heights = heights_of(log.absorbed, log.kept, N)
            absorbed, kept, work = [], [], 0
            for chosen in np.array_split(np.arange(len(groups.bounds) - 1), n_parts):
                if not len(chosen):
                    continue
                members = np.concatenate([groups.roots[groups.bounds[g] : groups.bounds[g + 1]] for g in chosen])
                is_near = np.isin(pairs.a, members) | np.isin(pairs.b, members)
                part = Pairs(*(column[is_near] for column in pairs))
                found = merge_part(part, groups, chosen, heights, iteration, config)
                absorbed.append(found.absorbed)
                kept.append(found.kept)
                work += int(found.work.sum())
            log = log.extended(np.concatenate(absorbed), np.concatenate(kept), work)
    for name in ("absorbed", "kept", "ends", "work"):
        np.testing.assert_array_equal(getattr(log, name), getattr(wanted, name))


def test_encoding_in_parts() -> None:
    graph = build_graph(planted_graph(N, 8, seed=3), N)
    forest = binary_forest(N, merge_graph(graph, SummaryConfig(iterations=6)))
    whole = encode(forest, graph.indptr, graph.neighbours, new_work(len(forest.parent)), 0, len(forest.parent))
    roots = np.flatnonzero(forest.parent < 0)
    cuts = [0, int(roots[len(roots) // 3]), int(roots[len(roots) // 2]), len(forest.parent)]
    edges = graph.edges()
    lower = forest.place[edges].min(axis=1)
    found = []
    for first, last in pairwise(cuts):
        u, v = np.ascontiguousarray(edges[(lower >= first) & (lower < last)].T)
        found.append(encode_part(forest, u, v, first, last))
    for name in ("source", "target", "sign"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in found]), getattr(whole, name))
