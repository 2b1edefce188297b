"""An HNSW graph carried over to vectors that are mostly where they were, instead of being built anew.

The links of a graph say which vectors are near each other, which a small move of all of them hardly changes. So they
stay, and lead between the vectors as they are now. What is gone or moved far is cut out, and whatever led to it leads
to the nearest of what it led to; what came or moved far is linked as in any build. Departs from hnswlib, which leaves
what is deleted in the graph, and whose update of a vector prunes the links of all around it: after twelve nights lists
were a third shorter, and recall was lower.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hnswlib  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.flat import Float32, Int64
from lakebed.tasks.index.kernel.hnsw import BuiltShard, HnswShard, tune

FAR = 0.1
"""Distance from which on a vector has moved far, as a share of the length that vectors have."""

# links that are bridged at a time
_BLOCK = 1 << 12
# of the vectors, at most so many are cut out for the tuning
_HELD_ONE_IN = 20

Rows = NDArray[np.int8]


@dataclass(frozen=True)
class Moves:
    """What became of the vectors of a graph.

    Shapes: before (n,), the earlier position of each vector, each at most once, -1 where it came; came, far (k,),
    positions of those that came, and of those that moved far; n_gone: earlier ones that are none now.
    """

    before: Int64
    came: Int64
    far: Int64
    n_gone: int

    @property
    def n_changed(self) -> int:
        """Vectors that came, moved far or are gone."""
        return len(self.came) + len(self.far) + self.n_gone


def moves_of(earlier: Float32, vectors: Float32, before: Int64) -> Moves:
    """Shapes: earlier (m, dim), vectors (n, dim), `prepared`; before (n,) as in `Moves`."""
    stayed = np.flatnonzero(before >= 0)
    length = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1).mean())
    apart = np.sqrt(np.square(vectors[stayed] - earlier[before[stayed]]).sum(axis=1))
    return Moves(before, np.flatnonzero(before < 0), stayed[apart > FAR * length], len(earlier) - len(stayed))


def carried_shard(shard: HnswShard, moves: Moves, vectors: Float32, config: IndexConfig) -> BuiltShard:
    """The shard of the vectors as they are now, by one thread: the same start gives the same bytes.

    Its search is tuned as in a build, on vectors drawn from all: they are cut out, and linked again behind the tuning.

    Shapes: vectors (n, dim), `prepared`.
    """
    n_held = min(config.tuning_queries, len(vectors) // _HELD_ONE_IN)
    queries = np.sort(np.random.default_rng(config.seed).permutation(len(vectors))[:n_held])
    before = moves.before.copy()
    before[moves.far] = before[queries] = -1
    index = hnswlib.Index.__new__(hnswlib.Index)
    # of an index that was loaded hnswlib says no seed, but what lies in memory
    state = {**_moved(shard.index.__getstate__()[0], before, vectors), "seed": config.seed}
    index.__setstate__((state,))
    index.set_num_threads(1)
    late = np.setdiff1d(np.flatnonzero(before < 0), queries)
    _link(index, vectors, late)
    early = np.setdiff1d(np.arange(len(vectors)), queries)
    ef, recall = tune(HnswShard(index), vectors[early], vectors[queries], config)
    _link(index, vectors, queries)
    return BuiltShard(HnswShard(index), ef, recall)


def _link(index: Any, vectors: Float32, positions: Int64) -> None:
    if len(positions):
        index.add_items(vectors[positions], positions, num_threads=1)


def _moved(state: Mapping[str, Any], before: Int64, vectors: Float32) -> dict[str, Any]:
    """The state without what is gone, and with the vectors as they are now."""
    n, n_links = state["cur_element_count"], 4 + 4 * state["max_M0"]
    rows = state["data_level0"].reshape(n, -1)
    at_label, at_data = state["label_offset"], state["offset_data"]
    now = np.full(n, -1, np.int64)
    now[before[before >= 0]] = np.flatnonzero(before >= 0)
    position = now[np.ascontiguousarray(rows[:, at_label : at_label + 8]).view(np.int64).ravel()]
    is_kept = position >= 0
    place = np.where(is_kept, np.cumsum(is_kept) - 1, -1)
    links = _links(rows[:, :n_links])
    position, rows = position[is_kept], rows[is_kept]
    held = _bridged(links, place, vectors[position])
    rows[:, :n_links] = _with_links(rows[:, :n_links], held)
    rows[:, at_data : at_data + 4 * vectors.shape[1]] = vectors[position].view(np.int8)
    rows[:, at_label : at_label + 8] = position[:, None].view(np.int8)
    level = state["element_levels"][:n]
    above = state["link_lists"].reshape(-1, state["size_links_per_element"])[np.repeat(is_kept, level)]
    above = _with_links(above, _mapped(_links(above), place))
    level, entry = level[is_kept], int(place[state["enterpoint_node"]])
    changed = {
        "max_elements": len(vectors), "cur_element_count": len(rows), "data_level0": rows.ravel(),
        "link_lists": above.ravel(), "element_levels": level,
        "enterpoint_node": entry if entry >= 0 else int(np.argmax(level)), "max_level": int(level.max(initial=0)),
        "label_lookup_external": position.astype(np.uint64),
        "label_lookup_internal": np.arange(len(rows), dtype=np.uint32),
    }  # fmt: skip
    return {**state, **changed}


def _links(rows: Rows) -> Int64:
    """Hnswlib's lists, a count of two bytes, two of flags and numbers of four, as numbers; -1 behind the last."""
    numbers = np.ascontiguousarray(rows).view(np.uint32)
    is_there = np.arange(numbers.shape[1] - 1) < (numbers[:, :1] & 0xFFFF)
    return np.where(is_there, numbers[:, 1:].astype(np.int64), -1)


def _mapped(links: Int64, place: Int64) -> Int64:
    return np.where(links >= 0, place[links], -1)


def _with_links(rows: Rows, links: Int64) -> Rows:
    """The lists with other links, -1 where there is none; flags stay."""
    numbers = np.ascontiguousarray(rows).view(np.uint32)
    links = np.take_along_axis(links, np.argsort(links < 0, axis=1, kind="stable"), axis=1)
    numbers[:, 0] = numbers[:, 0] & ~np.uint32(0xFFFF) | (links >= 0).sum(axis=1).astype(np.uint32)
    numbers[:, 1:] = np.maximum(links, 0)
    return numbers.view(np.int8)


def _bridged(links: Int64, place: Int64, vectors: Float32) -> Int64:
    """The lists of what is kept, in places as they are now; a link to what is gone leads to the nearest of its own.

    Shapes: links (m, M0) of all, place (m,), -1 where it is gone; vectors and result (k, …), by place.
    """
    own = links[place >= 0]
    held = _mapped(own, place)
    row, slot = np.nonzero((own >= 0) & (held < 0))
    for start in range(0, len(row), _BLOCK):
        at, to = row[start : start + _BLOCK], slot[start : start + _BLOCK]
        others = _mapped(links[own[at, to]], place)
        is_new = (others >= 0) & (others != at[:, None])
        is_new &= ~(others[:, :, None] == held[at][:, None, :]).any(axis=2)
        apart = np.square(vectors[np.maximum(others, 0)] - vectors[at][:, None, :]).sum(axis=2)
        best = np.where(is_new, apart, np.inf).argmin(axis=1)
        chosen = np.where(is_new.any(axis=1), np.take_along_axis(others, best[:, None], axis=1)[:, 0], -1)
        # two that are gone may lead to the same one
        first = np.unique(np.stack([at, chosen], axis=1), axis=0, return_index=True)[1]
        held[at[first], to[first]] = chosen[first]
    return held
