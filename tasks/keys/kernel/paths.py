"""Paths between two tables over keys, either way: those of fewest keys, and those most certain."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Edge = tuple[int, int, float]


@dataclass(frozen=True)
class Path:
    """A way from one table to another: the numbers of the keys it takes, in order, and the product of their chances."""

    keys: tuple[int, ...]
    chance: float


def join_paths(edges: Sequence[Edge], start: int, goal: int) -> list[Path]:
    """The most certain of the shortest paths, and the most certain of all where that is another.

    Args:
        edges: (table, table, chance) of each key.
        start: table to begin at.
        goal: table to reach.

    Complexity: O(k log k) for k keys.
    """
    beside: dict[int, list[tuple[int, int]]] = {}
    for number, (child, parent, _) in enumerate(edges):
        beside.setdefault(child, []).append((parent, number))
        beside.setdefault(parent, []).append((child, number))
    costs = [-math.log(max(chance, 1e-9)) for _, _, chance in edges]
    # a hop that outweighs all doubt finds the shortest first
    hop = sum(costs) + 1
    ways = [_cheapest(beside, costs, extra, start, goal) for extra in (hop, 0.0)]
    found = list(dict.fromkeys(way for way in ways if way is not None))
    return [Path(way, math.prod(edges[number][2] for number in way)) for way in found]


def _cheapest(
    beside: Mapping[int, list[tuple[int, int]]], costs: Sequence[float], extra: float, start: int, goal: int
) -> tuple[int, ...] | None:
    """Dijkstra's path; of equally cheap ones the first by the numbers of their keys."""
    waiting: list[tuple[float, tuple[int, ...], int]] = [(0.0, (), start)]
    done: set[int] = set()
    while waiting:
        cost, way, at = heapq.heappop(waiting)
        if at == goal:
            return way
        if at in done:
            continue
        done.add(at)
        for other, number in beside.get(at, []):
            if other not in done:
                heapq.heappush(waiting, (cost + costs[number] + extra, (*way, number), other))
    return None
