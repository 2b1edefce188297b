"""Small random summaries that are valid by construction, and the graphs they hold, written out pair by pair."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from lakebed.tasks.summary.kernel.model import SignedEdges, Summary


@dataclass(frozen=True)
class Sample:
    summary: Summary
    adjacency: NDArray[np.int64]

    @property
    def edges(self) -> NDArray[np.int64]:
        return np.argwhere(np.triu(self.adjacency))


def random_sample(seed: int, n_nodes: int, n_tries: int = 60) -> Sample:
    """Signed edges are tried at random and kept where every pair's sum stays 0 or 1."""
    draw = np.random.default_rng(seed)
    parent, below = _random_forest(draw, n_nodes)
    adjacency, chosen = np.zeros((n_nodes, n_nodes), np.int64), {}
    for _ in range(n_tries if len(below) > 1 else 0):
        x, y = sorted(draw.integers(0, len(below), 2).tolist())
        if (x, y) in chosen or (x != y and (below[x] & below[y])):
            continue
        rows, columns = sorted(below[x]), sorted(below[y])
        cells = np.zeros_like(adjacency)
        cells[np.ix_(rows, columns)] = 1
        cells |= cells.T
        np.fill_diagonal(cells, 0)
        values = set(adjacency[cells == 1].tolist())
        if len(values) == 1:
            sign = -1 if values == {1} else 1
            adjacency += sign * cells
            chosen[x, y] = sign
    ends = np.array(sorted(chosen), np.int32).reshape(-1, 2)
    sign = np.array([chosen[pair] for pair in sorted(chosen)], np.int8)
    return Sample(Summary(n_nodes, parent, SignedEdges(ends[:, 0].copy(), ends[:, 1].copy(), sign)), adjacency)


def _random_forest(draw: np.random.Generator, n_nodes: int) -> tuple[NDArray[np.int32], list[set[int]]]:
    below = [{v} for v in range(n_nodes)]
    parent, roots = [-1] * n_nodes, list(range(n_nodes))
    for _ in range(int(draw.integers(0, max(1, n_nodes)))):
        if len(roots) < 2:
            break
        children = draw.choice(roots, size=min(len(roots), int(draw.integers(2, 5))), replace=False).tolist()
        for child in children:
            parent[child] = len(parent)
        roots = [root for root in roots if root not in children] + [len(parent)]
        below.append(set().union(*(below[child] for child in children)))
        parent.append(-1)
    return np.array(parent, np.int32), below


samples = st.builds(random_sample, st.integers(0, 2**32 - 1), st.integers(1, 24))
EMPTY = Summary(
    0, np.empty(0, np.int32), SignedEdges(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int8))
)
