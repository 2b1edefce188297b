"""Small graphs that summaries are tested on."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Edges = NDArray[np.int64]


def clique(n: int, first: int = 0) -> Edges:
    return np.column_stack(np.triu_indices(n, 1)).astype(np.int64) + first


def star(n_leaves: int) -> Edges:
    return np.column_stack([np.zeros(n_leaves, np.int64), np.arange(1, n_leaves + 1)])


def path(n: int) -> Edges:
    return np.column_stack([np.arange(n - 1), np.arange(1, n)]).astype(np.int64)


def bipartite(n: int, m: int) -> Edges:
    return np.column_stack([np.repeat(np.arange(n), m), np.tile(np.arange(n, n + m), n)]).astype(np.int64)


def nested_cliques(size: int, n_levels: int) -> Edges:
    """Cliques of `size`, each vertex of which is a clique of the next level, with a ring between neighbours."""
    edges = clique(size)
    for level in range(1, n_levels):
        block = size**level
        inner = [edges + i * block for i in range(size)]
        bridges = np.concatenate([bipartite(block, block)])
        edges = np.concatenate([*inner, *(bridges + 2 * i * block for i in range(size // 2))])
    return np.unique(edges, axis=0)


def random_graph(n: int, density: float, seed: int) -> Edges:
    edges = clique(n)
    return edges[np.random.default_rng(seed).random(len(edges)) < density]


def planted_graph(n: int, n_blocks: int, seed: int) -> Edges:
    """Dense blocks with noise: what merging has much to find in."""
    generator = np.random.default_rng(seed)
    block = np.sort(generator.integers(0, n_blocks, n))
    linked = generator.random((n_blocks, n_blocks)) < 0.3
    edges = clique(n)
    a, b = block[edges[:, 0]], block[edges[:, 1]]
    chance = np.where((a == b) | linked[np.minimum(a, b), np.maximum(a, b)], 0.93, 0.02)
    return edges[generator.random(len(edges)) < chance]


SHAPES: dict[str, tuple[Edges, int]] = {
    "nothing": (np.empty((0, 2), np.int64), 0),
    "isolated vertices": (np.empty((0, 2), np.int64), 7),
    "one edge": (np.array([[0, 1]]), 2),
    "one edge among isolated vertices": (np.array([[2, 5]]), 9),
    "star": (star(60), 61),
    "clique": (clique(40), 40),
    "two cliques": (np.concatenate([clique(20), clique(25, first=20)]), 46),
    "path": (path(200), 200),
    "bipartite": (bipartite(13, 31), 44),
    "nested cliques": (nested_cliques(4, 3), 64),
    "clique without an edge": (clique(30)[1:], 30),
}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Edges, int]:
    """Graphs of up to 24 vertices, some isolated, from empty to full, some with twins."""
    n = draw(st.integers(1, 24))
    pairs = clique(n)
    chosen = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    edges = pairs[np.array(chosen, bool)] if len(pairs) else pairs
    n_twins = draw(st.integers(0, 6))
    for i in range(n_twins):
        twin = edges[(edges == 0).any(axis=1)].copy()
        twin[twin == 0] = n + i
        edges = np.concatenate([edges, twin])
    return edges, n + n_twins
