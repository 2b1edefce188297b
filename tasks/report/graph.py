"""The picture of the containment graph: classes of equal tables, laid out with parents left of their children.

Pure numpy and scipy, without randomness: the same relation gives the same picture.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Relation

NODE_WIDTH = 226
NODE_HEIGHT = 40
LEVEL_GAP = 56
ROW_GAP = 10
COMPONENT_GAP = 26
N_GRID_COLUMNS = 4
MAX_ROWS = 16
"""A level with more nodes than this is folded into several columns."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Node:
    """A class of tables that contain one another; x, y: top left corner in pixels."""

    members: tuple[int, ...]
    level: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between drawn nodes; implied = it follows from two others that are drawn."""

    parent: int
    child: int
    is_implied: bool
    is_coincidental: bool


@dataclass(frozen=True)
class Drawing:
    """The laid out graph with what its caps left out; sizes in pixels."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    n_classes: int
    n_links: int
    width: float
    height: float


@dataclass(frozen=True)
class _Quotient:
    """The graph over classes: label (T,) of each table in use, and one row an edge."""

    tables: Ints
    label: Ints
    parent: Ints
    child: Ints
    is_coincidental: NDArray[np.bool_]
    n: int


def draw(relation: Relation, n_bytes: NDArray[np.int64], config: ReportConfig) -> Drawing:
    """Collapse mutual containments, choose what is drawn, mark implied edges, lay out.

    Shapes: relation (E,); n_bytes (n_tables,) size of each table.
    O(E) for the classes; O(n³ / 64) for the at most `max_drawn_nodes` that are drawn.
    """
    full = _quotient(relation)
    weight = np.bincount(full.label, weights=n_bytes[full.tables], minlength=full.n).astype(np.float64)
    kept = _chosen_classes(full, weight, config.max_drawn_nodes)
    graph = _restricted(full, kept)
    is_implied = _implied(graph)
    level = _levels(graph, is_implied)
    x, y = _place(graph, is_implied, level, weight[kept])
    members = _members(full, kept)
    nodes = tuple(Node(members[i], int(level[i]), float(x[i]), float(y[i])) for i in range(graph.n))
    links = _links(graph, is_implied)[: config.max_drawn_links]
    width, height = (float(a.max() + b) if graph.n else 0.0 for a, b in ((x, NODE_WIDTH), (y, NODE_HEIGHT)))
    return Drawing(nodes, links, n_classes=full.n, n_links=len(full.parent), width=width, height=height)


def kept_bytes(relation: Relation, n_bytes: NDArray[np.int64]) -> int:
    """The least that must stay of the contained tables, in bytes.

    Of tables that contain one another and lie in nothing else at least one stays; the smallest is counted.
    """
    graph = _quotient(relation)
    is_contained = np.zeros(graph.n, dtype=bool)
    is_contained[graph.child] = True
    sizes = np.bincount(graph.label, minlength=graph.n)
    smallest = np.full(graph.n, np.iinfo(np.int64).max)
    np.minimum.at(smallest, graph.label, n_bytes[graph.tables])
    return int(smallest[(sizes > 1) & ~is_contained].sum())


def _quotient(relation: Relation) -> _Quotient:
    parent, child = relation.parent.astype(np.int64), relation.child.astype(np.int64)
    tables, ids = np.unique(np.concatenate([parent, child]), return_inverse=True)
    n_tables, n_edges = len(tables), len(parent)
    parent_id, child_id = ids[:n_edges], ids[n_edges:]
    if n_edges == 0:
        return _Quotient(tables, parent_id, parent_id, child_id, np.zeros(0, dtype=bool), 0)
    label = _first_seen(_components(parent_id, child_id, n_tables, "strong"))
    n = int(label.max()) + 1
    pairs, inverse = np.unique(label[parent_id] * n + label[child_id], return_inverse=True)
    # a class edge is coincidental only where every table edge behind it is
    is_coincidental = np.ones(len(pairs), dtype=bool)
    np.logical_and.at(is_coincidental, inverse, relation.is_coincidental)
    of_parent, of_child = np.divmod(pairs, n)
    between = of_parent != of_child
    return _Quotient(tables, label, of_parent[between], of_child[between], is_coincidental[between], n)


def _components(parent: Ints, child: Ints, n: int, connection: Literal["weak", "strong"]) -> Ints:
    matrix = sparse.coo_array((np.ones(len(parent), dtype=np.int8), (parent, child)), shape=(n, n)).tocsr()
    return np.asarray(csgraph.connected_components(matrix, connection=connection)[1], dtype=np.int64)


def _first_seen(label: Ints) -> Ints:
    """The same partition numbered by first occurrence, so that the numbers do not hang on scipy's order."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def _chosen_classes(graph: _Quotient, weight: Floats, limit: int) -> Ints:
    """The classes to draw: whole components by what they hold beyond their largest class, then by size."""
    if graph.n == 0:
        return np.zeros(0, dtype=np.int64)
    component = _components(graph.parent, graph.child, graph.n, "weak")
    total = np.bincount(component, weights=weight)
    largest = np.zeros(len(total))
    np.maximum.at(largest, component, weight)
    # copies inside one class are redundant too, so a lone class counts by half
    gain = np.maximum(total - largest, total / 2)
    order = np.lexsort((np.arange(graph.n), -weight, component, -gain[component]))
    return np.sort(order[:limit])


def _restricted(graph: _Quotient, kept: Ints) -> _Quotient:
    new = np.full(graph.n, -1, dtype=np.int64)
    new[kept] = np.arange(len(kept))
    parent, child = new[graph.parent], new[graph.child]
    inside = (parent >= 0) & (child >= 0)
    return _Quotient(graph.tables, graph.label, parent[inside], child[inside], graph.is_coincidental[inside], len(kept))


def _implied(graph: _Quotient) -> NDArray[np.bool_]:
    """Edges (E,) that a longer path of drawn edges already says: all but the transitive reduction."""
    if graph.n == 0:
        return np.zeros(0, dtype=bool)
    direct = np.zeros((graph.n, graph.n), dtype=np.float32)
    direct[graph.parent, graph.child] = 1
    reach = direct
    while True:
        further = np.minimum(reach + reach @ reach, 1)
        if np.array_equal(further, reach):
            break
        reach = further
    return (direct @ reach)[graph.parent, graph.child] > 0


def _levels(graph: _Quotient, is_implied: NDArray[np.bool_]) -> Ints:
    """The longest path from a node without parents, (n,)."""
    level = np.zeros(graph.n, dtype=np.int64)
    parent, child = graph.parent[~is_implied], graph.child[~is_implied]
    for _ in range(graph.n):
        before = level.copy()
        np.maximum.at(level, child, level[parent] + 1)
        if np.array_equal(before, level):
            break
    return level


def _place(graph: _Quotient, is_implied: NDArray[np.bool_], level: Ints, weight: Floats) -> tuple[Floats, Floats]:
    """Coordinates (n,) of every node: each component by itself, then packed on a grid of columns."""
    x, y = np.zeros(graph.n), np.zeros(graph.n)
    if graph.n == 0:
        return x, y
    parent, child = graph.parent[~is_implied], graph.child[~is_implied]
    component = _components(parent, child, graph.n, "weak")
    boxes = []
    for number in range(int(component.max()) + 1):
        nodes = np.flatnonzero(component == number)
        column, row = _place_component(nodes, parent, child, level)
        boxes.append((nodes, column, row, float(weight[nodes].sum())))
    boxes.sort(key=lambda box: (-box[1].max(), -box[3], box[0][0]))
    skyline = np.zeros(N_GRID_COLUMNS)
    for nodes, column, row, _ in boxes:
        left, top = _lowest_gap(skyline, int(column.max()) + 1)
        x[nodes] = (column + left) * (NODE_WIDTH + LEVEL_GAP)
        y[nodes] = top + row * (NODE_HEIGHT + ROW_GAP)
        span = slice(left, left + int(column.max()) + 1)
        skyline[span] = y[nodes].max() + NODE_HEIGHT + COMPONENT_GAP
    return x, y


def _place_component(nodes: Ints, parent: Ints, child: Ints, level: Ints) -> tuple[Ints, Floats]:
    """Grid column and row (n,) of one component's nodes: levels as columns, folded where they are long.

    More columns than the grid has continue below, as lines of text do.
    """
    rows = _ordered(nodes, parent, child, level)
    column, row = np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes))
    first = 0
    for order in rows:
        n_columns = -(-len(order) // MAX_ROWS)
        n_rows = -(-len(order) // n_columns)
        position = np.arange(len(order))
        at = np.searchsorted(nodes, order)
        column[at] = first + position // n_rows
        row[at] = position % n_rows - n_rows / 2
        first += n_columns
    return column % N_GRID_COLUMNS, _stacked(column // N_GRID_COLUMNS, row)


def _stacked(band: Ints, row: Floats) -> Floats:
    """Rows (n,) with each band below the one before it."""
    stacked, top = row.copy(), 0.0
    for number in range(int(band.max()) + 1):
        inside = band == number
        stacked[inside] += top - row[inside].min()
        top = stacked[inside].max() + 1.0
    return stacked


def _ordered(nodes: Ints, parent: Ints, child: Ints, level: Ints) -> list[Ints]:
    """The nodes of each level from top to bottom: four sweeps of the barycentre rule."""
    levels = [nodes[level[nodes] == depth] for depth in range(int(level[nodes].max()) + 1)]
    if len(levels) == 1:
        return levels
    position = np.zeros(len(level))
    for order in levels:
        position[order] = np.arange(len(order)) / len(order)
    for sweep in range(4):
        near, far = (child, parent) if sweep % 2 == 0 else (parent, child)
        depths = range(len(levels)) if sweep % 2 == 0 else range(len(levels))[::-1]
        for depth in depths:
            levels[depth] = _by_barycentre(levels[depth], near, far, position)
    return levels


def _by_barycentre(order: Ints, near: Ints, far: Ints, position: Floats) -> Ints:
    n = len(position)
    total = np.bincount(near, weights=position[far], minlength=n)
    count = np.bincount(near, minlength=n)
    centre = np.where(count > 0, total / np.maximum(count, 1), position)[order]
    ranked = order[np.lexsort((order, centre))]
    position[ranked] = (np.arange(len(ranked)) + 0.5) / len(ranked)
    return ranked


def _lowest_gap(skyline: Floats, span: int) -> tuple[int, float]:
    tops = [float(skyline[left : left + span].max()) for left in range(len(skyline) - span + 1)]
    left = int(np.argmin(tops))
    return left, tops[left]


def _members(graph: _Quotient, kept: Ints) -> list[tuple[int, ...]]:
    order = np.argsort(graph.label, kind="stable")
    bounds = np.searchsorted(graph.label[order], np.arange(graph.n + 1))
    return [tuple(int(t) for t in graph.tables[order[bounds[k] : bounds[k + 1]]]) for k in kept]


def _links(graph: _Quotient, is_implied: NDArray[np.bool_]) -> tuple[Link, ...]:
    """All edges, those that are not implied first."""
    order = np.lexsort((graph.child, graph.parent, is_implied))
    return tuple(
        Link(int(graph.parent[i]), int(graph.child[i]), bool(is_implied[i]), bool(graph.is_coincidental[i]))
        for i in order
    )
