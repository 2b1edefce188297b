"""Graphs that change from night to night: what a lake's edits do to its graph."""

from dataclasses import dataclass

import numpy as np

from lakebed.tasks.summary.kernel.graph import build_graph


@dataclass(frozen=True)
class Night:
    """A graph by edges, (m, 2), and the key of each node."""

    edges: np.ndarray
    keys: list[str]


def edited(night: Night, rng: np.random.Generator, share: float) -> Night:
    """Nodes gone, nodes new, edges gone, edges new: each about a third of a share; all under other numbers.

    A new node has the neighbours of an old one, as a copied column has, or any.
    """
    n, keys = len(night.keys), night.keys
    n_new = int(rng.binomial(n, share / 3))
    is_left = rng.random(n) >= share / 3
    numbers = rng.permutation(int(is_left.sum()) + n_new)
    now = np.full(n, -1, np.int64)
    now[is_left] = numbers[: int(is_left.sum())]
    ends = now[night.edges[rng.random(len(night.edges)) >= share / 3]]
    ends = [ends[(ends >= 0).all(axis=1)]]
    for node in numbers[int(is_left.sum()) :]:
        old = int(rng.integers(n))
        near = night.edges[(night.edges == old).any(axis=1)].sum(axis=1) - old
        near = now[near][now[near] >= 0] if rng.random() < 0.7 else rng.integers(len(numbers), size=3)
        ends.append(np.column_stack([np.full(len(near), node), near]))
    ends.append(rng.integers(max(len(numbers), 1), size=(int(rng.binomial(len(night.edges), share / 3)), 2)))
    named = [f"new:{rng.integers(1 << 62)}" for _ in range(len(numbers))]
    for node in np.flatnonzero(is_left).tolist():
        named[now[node]] = keys[node]
    return Night(build_graph(np.concatenate(ends).astype(np.int64), len(numbers)).edges(), named)


def now_of(before: Night, after: Night) -> np.ndarray:
    """The node that each earlier one is, -1 where it is gone."""
    place = {key: number for number, key in enumerate(after.keys)}
    return np.array([place.get(key, -1) for key in before.keys], np.int32)
