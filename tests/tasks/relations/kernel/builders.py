"""Columns and their samples from Python values, for tests of the kernels."""

import numpy as np

from lakebed.tasks.containment.kernel.min_max import ColumnBounds
from lakebed.tasks.relations.kernel.columns import MAX_VALUES, ColumnSamples


def hash_of(value):
    """A hash that spreads: the finaliser of splitmix64."""
    x = (value + 1) * 0x9E3779B97F4A7C15 % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def lake_of(tables):
    """(bounds, samples) of tables given as {token: [values]}; None is null; tokens ascending within a table."""
    columns = [(table, token, values) for table, named in enumerate(tables) for token, values in sorted(named.items())]
    sizes = [len(named) for named in tables]
    bounds, samples, levels = [], [], []
    for _, _, values in columns:
        distinct = {value for value in values if value is not None}
        low, high = (min(distinct), max(distinct)) if distinct else (-1, -1)
        bounds.append((low, low, high, high))
        hashes, level = sorted(map(hash_of, distinct)), 0
        while len(hashes) > MAX_VALUES:
            level += 1
            hashes = [h for h in hashes if h >> (64 - level) == 0]
        samples.append(hashes)
        levels.append(level)
    n = len(columns)
    indptr = np.cumsum([0, *sizes], dtype=np.int64)
    width = np.repeat(np.diff(indptr), np.diff(indptr))
    return (
        ColumnBounds(
            indptr=indptr,
            token=np.array([token for _, token, _ in columns], np.int32),
            kind=np.zeros(n, np.int32),
            n_nulls=np.array([sum(value is None for value in values) for *_, values in columns], np.int64),
            n_rows=np.array([max((len(v) for v in named.values()), default=0) for named in tables], np.int64),
            bounds=np.array(bounds, np.int32).reshape(-1, 4),
            range_indptr=np.zeros(n + 1, np.int64),
            ranges=np.empty((0, 2), np.int32),
            value_indptr=np.zeros(n + 1, np.int64),
            values=np.empty(0, np.int32),
        ),
        ColumnSamples(
            np.cumsum([0, *map(len, samples)], dtype=np.int64),
            np.array([h for hashes in samples for h in hashes], np.uint64),
            np.array(levels, np.int32),
            (np.arange(n) - np.repeat(indptr[:-1], np.diff(indptr))) / np.maximum(1, width),
        ),
    )
