"""Pairs that may be missing links: near in the vectors, or with a neighbour in common; never all pairs."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.flat import prepared
from lakebed.tasks.index.kernel.hnsw import build_shard
from lakebed.tasks.index.vector_index import MAX_EXACT_VECTORS, FlatIndex, HnswIndex, VectorIndex

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
MAX_SHARED_DEGREE = 50
BLOCK_ROWS = 2048


def candidate_pairs(vectors: Float32, graph: sparse.csr_array, pools: tuple[Int64, ...], n_each: int) -> Int64:
    """For each node of a pool its `n_each` nearest and its `n_each` strongest two-hop partners of the same pool.

    Shapes: vectors (n, d); graph (n, n); result (k, 2), the lower node first, ascending, each pair once.
    """
    found = [_nearest(vectors[pool], pool, n_each) for pool in pools if len(pool) > 1]
    found += [_two_hops(graph, pool, n_each) for pool in pools if len(pool) > 1]
    if not found:
        return np.empty((0, 2), np.int64)
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def without(pairs: Int64, known: Int64, n_nodes: int) -> Int64:
    """The pairs that are not among the known ones. Shapes: (k, 2) each, the lower node first."""
    keys, taken = (part[:, 0] * n_nodes + part[:, 1] for part in (pairs, known))
    return pairs[~np.isin(keys, taken)]


def _nearest(vectors: Float32, pool: Int64, n_each: int) -> Int64:
    has_direction = np.flatnonzero(np.any(vectors != 0, axis=1))
    pool, rows = pool[has_direction], prepared(vectors[has_direction], "cosine")
    if len(pool) < 2:
        return np.empty((0, 2), np.int64)
    found = _index(rows).search(rows, min(n_each + 1, len(pool))).position
    source = np.repeat(pool, found.shape[1])
    target = found.ravel()
    return np.stack([source[target >= 0], pool[target[target >= 0]]], axis=1)


def _index(rows: Float32) -> VectorIndex:
    if len(rows) <= MAX_EXACT_VECTORS:
        return FlatIndex(rows)
    shard = build_shard(rows, IndexConfig())
    return HnswIndex(rows, [shard.index], [shard.ef])


def _two_hops(graph: sparse.csr_array, pool: Int64, n_each: int) -> Int64:
    """Partners by resource allocation over shared neighbours of a bounded degree, a block of nodes at a time."""
    degree = np.diff(graph.indptr)
    shared = np.flatnonzero((degree >= 2) & (degree <= MAX_SHARED_DEGREE))
    part = sparse.csr_array(graph[pool][:, shared])
    ends = sparse.csr_array(sparse.diags_array(1.0 / degree[shared]) @ part.T)
    found = []
    for start in range(0, len(pool), BLOCK_ROWS):
        row, partner = _strongest(sparse.csr_array(part[start : start + BLOCK_ROWS] @ ends), n_each + 1)
        found.append(np.stack([pool[row + start], pool[partner]], axis=1))
    return np.concatenate(found)


def _strongest(strength: sparse.csr_array, n_each: int) -> tuple[Int64, Int64]:
    """The largest entries of each row, ties by column."""
    row = np.repeat(np.arange(strength.shape[0]), np.diff(strength.indptr))
    order = np.lexsort((strength.indices, -strength.data, row))
    kept = order[np.arange(len(row)) - strength.indptr[row] < n_each]
    return row[kept], strength.indices[kept].astype(np.int64)
