"""An HNSW shard whose vectors are one byte a number, and whose answers are ranked again by the vectors themselves.

The graph is hnswlib's, built from the whole vectors. A search walks it by the distances of the codes, which are a
quarter of the bytes; then the nearest of what it found are compared as they are, from a memory-mapped file of which
only their rows are read. Malkov and Yashunin, arXiv 1603.09320, algorithms 2 and 5; the candidates and the result are
one sorted list here, of which those that were looked at are marked.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.index.kernel.flat import Float32, Neighbours

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

# how many times k are compared by their whole vectors
RANKED_AGAIN = 4
_SAMPLE, _CLIPPED, _LARGEST = 20_000, 1e-4, 127
_ARRAYS = ("codes", "base", "upper", "upper_start", "head", "scale")


@dataclass(frozen=True)
class CodedShard:
    """A shard in memory, but for the whole vectors.

    Shapes: codes (n, dim) int8; base (n, 2·M) int32, the links of the lowest layer, -1 behind the last; upper (r, M),
    the same of the layers above, a row a vector and layer; upper_start (n,) the first row of a vector, of the layer 1;
    scale (1,) float32, what a number of a vector is multiplied by; head (2,) entry and its layer; vectors (n, dim)
    float32, `prepared`, any strides.
    """

    codes: Int8
    base: Int32
    upper: Int32
    upper_start: Int32
    scale: Float32
    head: Int32
    vectors: Float32 = field(repr=False)
    space: str = "cosine"

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_bytes(self) -> int:
        """What it holds in memory."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def search(self, queries: Float32, k: int, ef: int) -> Neighbours | None:
        """The k nearest of each query, k ≤ vectors of the shard; None if the graph does not reach so many.

        Shapes: queries (q, dim), `prepared`.
        """
        ef = max(ef, k)
        n_ranked = min(ef, RANKED_AGAIN * k)
        arrays = (self.codes, self.base, self.upper, self.upper_start)
        found = walk(*arrays, int(self.head[0]), int(self.head[1]), coded(queries, self.scale), ef, n_ranked)
        if (found[:, k - 1] < 0).any():
            return None
        return Neighbours(*rank_again(self.vectors, queries, found, k, self.space == "l2"))

    def to_bytes(self) -> bytes:
        """What `coded_shard` reads; equal shards give equal bytes."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **{name: getattr(self, name) for name in _ARRAYS})
        return stream.getvalue()


def coded_shard(data: bytes, vectors: Float32, space: str) -> CodedShard:
    """The shard of bytes whose digest was compared; every link is in range.

    Raises:
        ArtifactError: if the arrays do not fit each other or the vectors.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        held = {name: arrays[name] for name in _ARRAYS}
    shard, (n, dim) = CodedShard(**held, vectors=vectors, space=space), vectors.shape
    entry, level = shard.head.tolist()
    first = shard.upper_start[shard.upper_start >= 0]
    is_good = (
        shard.codes.shape == (n, dim)
        and (len(shard.base), len(shard.upper_start)) == (n, n)
        and all(-1 <= links.min(initial=-1) and links.max(initial=-1) < n for links in (shard.base, shard.upper))
        and 0 <= entry < n
        and (level == 0 or 0 <= shard.upper_start[entry] <= len(shard.upper) - level)
        and first.max(initial=-1) < len(shard.upper)
    )
    if not is_good:
        shapes = {name: held[name].shape for name in _ARRAYS}
        raise ArtifactError(
            "the parts of an index's shard do not fit each other",
            value=str(shapes),
            expected=f"{n:,} vectors of {dim} numbers",
            hint="lakebed run builds the index again",
        )
    return shard


def scale_of(vectors: Float32) -> Float32:
    """What brings all but one number in ten thousand into ±127; measured on rows at even distances. Shapes: (1,)."""
    rows = np.linspace(0, len(vectors) - 1, min(_SAMPLE, len(vectors))).astype(np.int64)
    widest = float(np.quantile(np.abs(vectors[rows]), 1 - _CLIPPED)) if len(rows) else 0.0
    return np.array([_LARGEST / widest if widest > 0 else 1.0], np.float32)


def coded(vectors: Float32, scale: Float32) -> Int8:
    """Each number times the scale, rounded, cut at ±127. Shapes: (n, dim) both."""
    codes: Int8 = np.clip(np.rint(vectors * scale), -_LARGEST, _LARGEST).astype(np.int8)
    return codes


def from_hnswlib(state: Mapping[str, Any], vectors: Float32, scale: Float32, space: str) -> CodedShard:
    """The graph of hnswlib's state, its labels positions in `vectors`, of which some may not be linked yet."""
    n, n_linked = len(vectors), state["cur_element_count"]
    rows = state["data_level0"].reshape(-1, state["size_data_per_element"])[:n_linked]
    label = np.ascontiguousarray(rows[:, state["label_offset"] : state["label_offset"] + 8]).view(np.int64).ravel()
    base = np.full((n, state["max_M0"]), -1, np.int32)
    base[label] = _links(rows[:, : 4 + 4 * state["max_M0"]], label)
    level = state["element_levels"][:n_linked]
    upper = _links(state["link_lists"].reshape(-1, state["size_links_per_element"]), label)
    start = np.full(n, -1, np.int32)
    start[label] = np.where(level > 0, np.cumsum(level) - level, -1)
    head = np.array([label[state["enterpoint_node"]], state["max_level"]], np.int32)
    return CodedShard(coded(vectors, scale), base, upper, start, scale, head, vectors, space)


def _links(rows: NDArray[Any], label: NDArray[np.int64]) -> Int32:
    """Hnswlib's lists, a count of two bytes, two of flags, and numbers of four bytes, as labels; -1 behind the last."""
    numbers = np.ascontiguousarray(rows).view(np.uint32)
    is_there = np.arange(numbers.shape[1] - 1) < (numbers[:, :1] & 0xFFFF)
    return np.where(is_there, label[np.where(is_there, numbers[:, 1:], 0)], -1).astype(np.int32)


@njit(cache=True, nogil=True, inline="always")
def _apart(codes, row, query):  # type: ignore[no-untyped-def]
    """The squared distance of two codes; up to 32,000 numbers it fits."""
    total = np.int32(0)
    for column in range(codes.shape[1]):
        step = np.int32(codes[row, column]) - np.int32(query[column])
        total = np.int32(total + np.int32(step) * np.int32(step))
    return total


@njit(cache=True, nogil=True)
def _descend(codes, upper, upper_start, entry, level, query):  # type: ignore[no-untyped-def]
    """From the entry down to the layer above the lowest, each time to the nearest neighbour."""
    nearest, least = entry, _apart(codes, entry, query)
    for layer in range(level):
        is_better = True
        while is_better:
            is_better = False
            row = upper_start[nearest] + level - 1 - layer
            for at in range(upper.shape[1]):
                other = upper[row, at]
                if other < 0:
                    break
                apart = _apart(codes, other, query)
                if apart < least:
                    nearest, least, is_better = other, apart, True
    return nearest, least


@njit(cache=True, nogil=True, inline="always")
def _put(kept, spot, entry):  # type: ignore[no-untyped-def]
    """Puts an entry into the sorted list, whose last one is at `spot` - 1 or goes; returns where."""
    while spot > 0 and kept[spot - 1] > entry:
        kept[spot] = kept[spot - 1]
        spot -= 1
    kept[spot] = entry
    return spot


@njit(cache=True, nogil=True)
def walk(codes, base, upper, upper_start, entry, level, queries, ef, n_out):  # type: ignore[no-untyped-def]
    """The n_out ≤ ef nearest of each query by their codes, nearest first; -1 where the graph does not reach so many.

    An entry of the list is distance, number and whether it was looked at in 63 bits, so that sorting it sorts by
    distance, then number. Shapes: queries (q, dim) int8; (q, n_out) int32.
    """
    n = len(codes)
    found = np.full((len(queries), n_out), -1, np.int32)
    kept = np.empty(ef + 1, np.int64)
    seen = np.empty((n + 63) // 64, np.uint64)
    one = np.uint64(1)
    for query in range(len(queries)):
        seen[:] = 0
        first, least = _descend(codes, upper, upper_start, entry, level, queries[query])
        seen[first >> 6] |= one << np.uint64(first & 63)
        kept[0] = np.int64(least) << 31 | np.int64(first) << 1
        size, at = 1, 0
        while at < size:
            if kept[at] & 1:
                at += 1
                continue
            node = (kept[at] >> 1) & 0x3FFFFFFF
            kept[at] |= 1
            lowest = at + 1
            for place in range(base.shape[1]):
                other = base[node, place]
                if other < 0:
                    break
                word, bit = other >> 6, one << np.uint64(other & 63)
                if seen[word] & bit:
                    continue
                seen[word] |= bit
                entry_of = np.int64(_apart(codes, other, queries[query])) << 31 | np.int64(other) << 1
                if size == ef and entry_of >= kept[size - 1]:
                    continue
                lowest = min(lowest, _put(kept, min(size, ef - 1), entry_of))
                size = min(size + 1, ef)
            at = min(at + 1, lowest)
        for place in range(min(size, n_out)):
            found[query, place] = (kept[place] >> 1) & 0x3FFFFFFF
    return found


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def rank_again(vectors, queries, found, k, is_squared):  # type: ignore[no-untyped-def]
    """The k nearest of those found, by the vectors themselves; equal distances in the order of positions.

    Shapes: vectors (n, dim); found (q, r ≥ k), -1 behind the last; positions (q, k) int64 and distances (q, k).
    """
    position = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    for query in range(len(queries)):
        size = 0
        for place in range(found.shape[1]):
            row = found[query, place]
            if row < 0:
                break
            total = np.float32(0)
            for column in range(vectors.shape[1]):
                if is_squared:
                    step = vectors[row, column] - queries[query, column]
                    total += step * step
                else:
                    total += vectors[row, column] * queries[query, column]
            apart = total if is_squared else max(np.float32(1) - total, np.float32(0))
            if size == k and (apart, row) >= (distance[query, k - 1], position[query, k - 1]):
                continue
            spot = size if size < k else k - 1
            while spot > 0 and (distance[query, spot - 1], position[query, spot - 1]) > (apart, row):
                distance[query, spot], position[query, spot] = distance[query, spot - 1], position[query, spot - 1]
                spot -= 1
            distance[query, spot], position[query, spot] = apart, row
            size = min(size + 1, k)
    return position, distance
