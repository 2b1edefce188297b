"""The fewest signed edges that encode a graph on given binary trees, among all recursive splits of their blocks.

For nodes x, y and the sum c that is inherited from above, 0 or 1:

    g(x, y, c) = min(Σ over children x' of f(x', y, c), Σ over children y' of f(x, y', c)),  0 where all is c already
    g(x, x, c) = Σ over unordered pairs of children, each child with itself included, of f(x', x'', c)
    f(x, y, c) = min(g(x, y, c), 1 + g(x, y, 1 - c))

An empty block has f = (0, 1), a vertex with itself (0, 0). Only blocks that hold an edge are visited, as sparse rows:
the row of x lists its blocks with nodes y behind x's subtree, in falling order, and is merged from its children's.
This is our own; SLUGGER encodes while it merges, and never again.
"""

from collections import deque
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.connectors.cores import usable_cores
from lakebed.tasks.summary.kernel.forest import Forest
from lakebed.tasks.summary.kernel.graph import Graph
from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64
from lakebed.tasks.summary.kernel.threads import start_threads

PLACE_0, PLACE_1, SPLIT_OTHER_0, SPLIT_OTHER_1, DONE_0, DONE_1 = 1, 2, 4, 8, 16, 32
"""What to do with a block, for c = 0 and c = 1: place an edge, split the other node instead of x, nothing more."""
EMPTY_BLOCK = PLACE_1 | DONE_0
# parts of the forest, and edges of one at the least
_N_PARTS, _LEAST_EDGES = 32, 1 << 15
# what `Work` takes for a place, and in all threads together
_PLACE_BYTES, _WORK_BYTES = 30, 1 << 30


class Blocks(NamedTuple):
    """Entries of the rows of one tree. Shapes: (c,); other int32, zero int32 = f(…, 0), delta int8, choice uint8."""

    other: Int32
    zero: Int32
    delta: Int8
    choice: NDArray[np.uint8]


class Work(NamedTuple):
    """Rows and sums by node. Shapes: (N,) each; start int64, self_delta int8, self_choice uint8, others int32.

    sum_zero, sum_one and n_seen add up f over the children of a node seen so far in the row that is being made.
    """

    start: Int64
    length: Int32
    sum_zero: Int32
    sum_one: Int32
    n_seen: Int32
    self_zero: Int32
    self_delta: Int8
    self_choice: NDArray[np.uint8]


class Placed(NamedTuple):
    """Signed edges. Shapes: (c,); source, target int32 places with source <= target; sign int8."""

    source: Int32
    target: Int32
    sign: Int8


def encode_forest(forest: Forest, graph: Graph, n_threads: int = 0) -> Placed:
    """The signed edges of all trees, which threads share out; 0 takes the cores this process may use.

    Raises: MemoryError: if there is no room for the rows of a tree.
    """
    n_places = len(forest.parent)
    idle: deque[Work] = deque()

    def part(cut: tuple[int, int]) -> Placed:
        try:
            work = idle.pop()
        except IndexError:
            work = new_work(n_places)
        try:
            return encode(forest, graph.indptr, graph.neighbours, work, *cut)  # type: ignore[no-any-return]
        finally:
            idle.append(work)

    with start_threads(n_threads, _most_threads(n_places)) as threads:
        cuts = _cut_trees(forest, graph.indptr, graph.neighbours, _N_PARTS, _LEAST_EDGES).tolist()
        found = threads.map(part, pairwise(cuts))
        return Placed(*(np.concatenate(column) for column in zip(*found, strict=True)))


def more_work_bytes(n_nodes: int) -> int:
    """Bytes at most that the threads of `encode_forest` take for their `Work` beyond that of one, on this machine."""
    return min((usable_cores() - 1) * _PLACE_BYTES * 2 * n_nodes, _WORK_BYTES)


def _most_threads(n_places: int) -> int:
    return max(1, _WORK_BYTES // (_PLACE_BYTES * max(1, n_places)))


@njit(cache=True, nogil=True)
def _cut_trees(forest, indptr, neighbours, n_parts, least):  # type: ignore[no-untyped-def]
    """Places of roots, from 0 to the end, that cut the trees into parts of like numbers of edges to what is behind."""
    n = len(forest.parent)
    size = max(least, len(neighbours) // (2 * n_parts))
    cuts, n_cuts, held = np.zeros(n_parts + 2, np.int64), 1, 0
    for x in range(n):
        if forest.parent[x] < 0 and held >= size:
            cuts[n_cuts], n_cuts, held = x, n_cuts + 1, 0
        v = forest.vertex[x]
        if v >= 0:
            for k in range(indptr[v], indptr[v + 1]):
                held += forest.place[neighbours[k]] > x
    cuts[n_cuts] = n
    return cuts[: n_cuts + 1]


@njit(cache=True, nogil=True)
def encode(forest, indptr, neighbours, work, first, last):  # type: ignore[no-untyped-def]
    """The signed edges of the trees whose roots lie in first ... last - 1, with themselves and all trees behind.

    `work` is new, or has served other trees of this forest before.
    Cost: O(Σ over edges {u, v} of depth(u) · depth(v)) at most; memory: the rows of one tree.
    """
    # numba compiles what is called with a plain 0 once more
    blocks, placed, n_placed = _new_blocks(4096), _new_placed(4096), np.int64(0)
    root = first
    while root < last:
        end = forest.end[root]
        used = np.int64(0)
        for x in range(end - 1, root - 1, -1):
            work.start[x] = used
            if forest.vertex[x] >= 0:
                blocks, used = _vertex_row(forest, indptr, neighbours, work, blocks, used, x)
            else:
                blocks, used = _merged_row(forest, work, blocks, used, x)
                _self_block(forest, work, blocks, x)
            work.length[x] = used - work.start[x]
        placed, n_placed = _trace(forest, work, blocks, root, placed, n_placed)
        root = end
    return Placed(placed.source[:n_placed].copy(), placed.target[:n_placed].copy(), placed.sign[:n_placed].copy())


@njit(cache=True, nogil=True)
def new_work(n):  # type: ignore[no-untyped-def]
    """`Work` for n nodes, before the first tree."""
    ints = np.zeros(n, np.int32)
    return Work(
        np.zeros(n, np.int64),
        ints,
        ints.copy(),
        ints.copy(),
        ints.copy(),
        ints.copy(),
        np.zeros(n, np.int8),
        np.zeros(n, np.uint8),
    )


@njit(cache=True, nogil=True)
def _new_blocks(size):  # type: ignore[no-untyped-def]
    return Blocks(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int8), np.empty(size, np.uint8))


@njit(cache=True, nogil=True)
def _new_placed(size):  # type: ignore[no-untyped-def]
    return Placed(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int8))


@njit(cache=True, nogil=True)
def _larger_blocks(blocks, used, need):  # type: ignore[no-untyped-def]
    new = _new_blocks(max(need, used + used // 2))
    new.other[:used], new.zero[:used] = blocks.other[:used], blocks.zero[:used]
    new.delta[:used], new.choice[:used] = blocks.delta[:used], blocks.choice[:used]
    return new


@njit(cache=True, nogil=True)
def _larger_placed(placed, used):  # type: ignore[no-untyped-def]
    new = _new_placed(used + used // 2)
    new.source[:used], new.target[:used], new.sign[:used] = (
        placed.source[:used],
        placed.target[:used],
        placed.sign[:used],
    )
    return new


@njit(cache=True, nogil=True, inline="always")
def _finish(zero, one):  # type: ignore[no-untyped-def]
    """(f(0), f(1), choice) of g(0), g(1)."""
    choice = 0
    f_zero, f_one = zero, one
    if 1 + one < zero:
        f_zero, choice = 1 + one, choice | PLACE_0
    if 1 + zero < one:
        f_one, choice = 1 + zero, choice | PLACE_1
    if zero == 0:
        choice |= DONE_0
    if one == 0:
        choice |= DONE_1
    return f_zero, f_one, choice


@njit(cache=True, nogil=True, inline="always")
def _split_other(work, y, zero, one, choice):  # type: ignore[no-untyped-def]
    """G of the better split, where y's children have been added up; empties these sums."""
    other_zero, other_one = work.sum_zero[y], work.sum_one[y] + 2 - work.n_seen[y]
    work.sum_zero[y], work.sum_one[y], work.n_seen[y] = 0, 0, 0
    if other_zero < zero:
        zero, choice = other_zero, choice | SPLIT_OTHER_0
    if other_one < one:
        one, choice = other_one, choice | SPLIT_OTHER_1
    return zero, one, choice


@njit(cache=True, nogil=True, inline="always")
def _put(blocks, work, used, y, up, zero, one, choice):  # type: ignore[no-untyped-def]
    """Writes a block, and adds it to the sums of y's parent `up` (-1: of none)."""
    blocks.other[used], blocks.zero[used], blocks.delta[used], blocks.choice[used] = y, zero, zero - one, choice
    if up >= 0:
        work.sum_zero[up] += zero
        work.sum_one[up] += one
        work.n_seen[up] += 1


@njit(cache=True, nogil=True)
def _vertex_row(forest, indptr, neighbours, work, blocks, used, x):  # type: ignore[no-untyped-def]
    """Blocks of a vertex: its neighbours behind it and all their ancestors behind it."""
    v = forest.vertex[x]
    # places of the neighbours behind x, ascending: (n_near,) of at most degree(v)
    near = np.empty(indptr[v + 1] - indptr[v], np.int32)
    n_near = 0
    for k in range(indptr[v], indptr[v + 1]):
        y = forest.place[neighbours[k]]
        if y > x:
            near[n_near] = y
            n_near += 1
    near = near[:n_near]
    near.sort()
    # from the last place to the first; of a path upwards only what no later neighbour has written yet
    for i in range(n_near - 1, -1, -1):
        stop = near[i - 1] if i > 0 else x
        y = near[i]
        while y > stop:
            if used >= len(blocks.other):
                blocks = _larger_blocks(blocks, used, used + 1)
            up = forest.parent[y]
            if forest.vertex[y] >= 0:
                zero, one, choice = 1, 0, PLACE_0 | DONE_1
            else:
                zero, one, choice = _split_other(work, y, 1 << 30, 1 << 30, 0)
                zero, one, placed = _finish(zero, one)
                choice |= placed
            _put(blocks, work, used, y, up if up > x else -1, zero, one, choice)
            used += 1
            y = up
    return blocks, used


@njit(cache=True, nogil=True, inline="always")
def _row_end(forest, work, blocks, child, behind):  # type: ignore[no-untyped-def]
    """Where the entries of a child's row end that lie behind its parent's subtree."""
    end = work.start[child] + work.length[child]
    while end > work.start[child] and blocks.other[end - 1] < behind:
        end -= 1
    return end


@njit(cache=True, nogil=True)
def _merged_row(forest, work, blocks, used, x):  # type: ignore[no-untyped-def]
    """Blocks of an internal node, merged from its two children's."""
    left, behind = x + 1, forest.end[x]
    right = forest.end[left]
    i, end_i = work.start[left], _row_end(forest, work, blocks, left, behind)
    j, end_j = work.start[right], _row_end(forest, work, blocks, right, behind)
    # both rows are sorted by descending place; the merged one has at most as many entries as both
    need = used + (end_i - i) + (end_j - j)
    if need > len(blocks.other):
        blocks = _larger_blocks(blocks, used, need)
    while i < end_i or j < end_j:
        y = max(blocks.other[i] if i < end_i else -1, blocks.other[j] if j < end_j else -1)
        # a child without this block costs 0 as it is and 1 when flipped
        zero, one = 0, 2
        if i < end_i and blocks.other[i] == y:
            zero += blocks.zero[i]
            one += blocks.zero[i] - blocks.delta[i] - 1
            i += 1
        if j < end_j and blocks.other[j] == y:
            zero += blocks.zero[j]
            one += blocks.zero[j] - blocks.delta[j] - 1
            j += 1
        choice = 0
        if forest.vertex[y] < 0:
            zero, one, choice = _split_other(work, y, zero, one, choice)
        zero, one, placed = _finish(zero, one)
        up = forest.parent[y]
        _put(blocks, work, used, y, up if up >= behind else -1, zero, one, choice | placed)
        used += 1
    return blocks, used


@njit(cache=True, nogil=True)
def _find(work, blocks, x, y):  # type: ignore[no-untyped-def]
    """The entry of block (x, y); -1 if it is empty."""
    low, end = work.start[x], work.start[x] + work.length[x]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if blocks.other[middle] > y:
            low = middle + 1
        else:
            high = middle
    return low if low < end and blocks.other[low] == y else -1


@njit(cache=True, nogil=True)
def _self_block(forest, work, blocks, x):  # type: ignore[no-untyped-def]
    left = x + 1
    right = forest.end[left]
    zero = work.self_zero[left] + work.self_zero[right]
    one = zero - work.self_delta[left] - work.self_delta[right]
    k = _find(work, blocks, left, right)
    if k >= 0:
        zero += blocks.zero[k]
        one += blocks.zero[k] - blocks.delta[k]
    else:
        one += 1
    f_zero, f_one, choice = _finish(zero, one)
    work.self_zero[x], work.self_delta[x], work.self_choice[x] = f_zero, f_zero - f_one, choice


@njit(cache=True, nogil=True)
def _choice(forest, work, blocks, x, y):  # type: ignore[no-untyped-def]
    if x == y:
        return work.self_choice[x] if forest.vertex[x] < 0 else DONE_0 | DONE_1
    k = _find(work, blocks, x, y)
    return blocks.choice[k] if k >= 0 else EMPTY_BLOCK


@njit(cache=True, nogil=True)
def _trace(forest, work, blocks, root, placed, n_placed):  # type: ignore[no-untyped-def]
    """Follows the choices of the root's blocks with all roots, depth first, and writes the edges they place."""
    todo = [(np.int32(root), np.int32(root), np.int8(0))]
    for k in range(work.start[root], work.start[root] + work.length[root]):
        if forest.parent[blocks.other[k]] < 0:
            todo.append((np.int32(root), blocks.other[k], np.int8(0)))
    while todo:
        x, y, c = todo.pop()
        choice = _choice(forest, work, blocks, x, y)
        if (choice >> c) & 1:
            if n_placed >= len(placed.sign):
                placed = _larger_placed(placed, n_placed)
            placed.source[n_placed], placed.target[n_placed], placed.sign[n_placed] = x, y, 1 - 2 * c
            n_placed += 1
            c = np.int8(1 - c)
        if (choice >> (4 + c)) & 1:
            continue
        if x == y:
            left, right = np.int32(x + 1), forest.end[x + 1]
            todo.append((left, left, c))
            todo.append((left, right, c))
            todo.append((right, right, c))
        elif (choice >> (2 + c)) & 1:
            todo.append((x, np.int32(y + 1), c))
            todo.append((x, forest.end[y + 1], c))
        else:
            todo.append((np.int32(x + 1), y, c))
            todo.append((forest.end[x + 1], y, c))
    return placed, n_placed
