"""Fills numba's disk cache with this stage's kernels, by calling each once on two tiny tables."""

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.asked import Columns, asked_sets
from lakebed.tasks.containment.kernel.chance import ValueSketches, column_chances
from lakebed.tasks.containment.kernel.min_max import ColumnBounds, refute_pairs, survey
from lakebed.tasks.containment.kernel.proof import HashRows, compare_pairs
from lakebed.tasks.containment.kernel.schema_graph import group_schemas, schema_edges
from lakebed.tasks.containment.kernel.sketches import RowSketches, sketch_pairs


def compile_kernels() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    bounds = two_tables(np.zeros(2, np.int32))
    groups = group_schemas(bounds.indptr, bounds.token)
    one_column = Columns(bounds.token[:1], bounds.token[:1], bounds.token[:0], 1)
    asked_sets([one_column], [one_column], 1)
    found = survey(groups, schema_edges(groups), bounds, is_bag=False, max_pairs=8)
    refute_pairs(bounds, found.children, found.parents, is_bag=False)
    ids, hashes = np.arange(2, dtype=np.int32), np.zeros((2, 2), np.uint64)
    indptr = np.arange(3, dtype=np.int64)
    rows = RowSketches(ids * 0, ids, ids * 0, np.ones(2, np.bool_), indptr, hashes)
    sketch_pairs(rows, groups.schema_of_table, found.children, found.parents)
    projection = np.zeros(2, np.int64)
    pairs = (projection[: len(found.children)], found.children, found.parents)
    compare_pairs(HashRows(projection, ids, indptr, hashes), pairs, bytes(32), is_bag=False)
    column_chances(bounds, ValueSketches(indptr, np.zeros(2, np.uint64), ids * 0), np.zeros(1, np.int64))


def two_tables(token: NDArray[np.int32]) -> ColumnBounds:
    """Two tables of one column, of the same name or of two; each is contained in the other where it is the same."""
    return ColumnBounds(
        indptr=np.arange(3, dtype=np.int64),
        token=token,
        kind=np.zeros(2, np.int32),
        n_nulls=np.zeros(2, np.int64),
        n_rows=np.ones(2, np.int64),
        bounds=np.zeros((2, 4), np.int32),
        range_indptr=np.zeros(3, np.int64),
        ranges=np.empty((0, 2), np.int32),
        value_indptr=np.zeros(3, np.int64),
        values=np.empty(0, np.int32),
    )
