"""Fills numba's disk cache with this stage's kernels."""

import numpy as np
import pyarrow as pa

from lakebed.tasks.index.kernel.codes import rank_again, walk
from lakebed.tasks.index.kernel.flat import Neighbours
from lakebed.tasks.index.kernel.spelling import spelled_like, spelling_of
from lakebed.tasks.index.kernel.twins import collapse, expand


def compile_kernels() -> None:
    """Calls each kernel once on two equal vectors, or one text."""
    twins = collapse(np.zeros((2, 2), np.float32), 0.0)
    expand(Neighbours(np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32)), twins, 2)
    vectors, codes, links = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int8), np.full((2, 4), -1, np.int32)
    found = walk(codes, links, links, np.zeros(2, np.int32), 0, 0, codes, 2, 2)
    rank_again(vectors, vectors, found, 2, False)
    # mapped vectors are read only; of several shards those of one are rows apart
    vectors.setflags(write=False)
    for step in (1, 2):
        rank_again(vectors[::step], np.zeros((2, 2), np.float32), np.zeros((2, 1), np.int32), 1, False)
    spelling = spelling_of(pa.array([["a word"]]))
    for mapped in (spelling.rows.indptr, spelling.rows.item, spelling.rows.weight):
        mapped.setflags(write=False)
    spelled_like(spelling, spelling.rows)
