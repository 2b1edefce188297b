"""Fills numba's disk cache with this stage's kernels, by calling each once on two tiny tables."""

import numpy as np

from lakebed.tasks.containment.kernel.compile import two_tables
from lakebed.tasks.containment.kernel.schema_graph import group_schemas, schema_edges
from lakebed.tasks.relations.kernel.columns import ColumnSamples, count_containing, match_columns, propose_tables
from lakebed.tasks.relations.kernel.overlap import ItemSamples, count_uncovered, find_overlaps, post_rows
from lakebed.tasks.relations.kernel.related import related_roles
from lakebed.tasks.relations.kernel.value_samples import add_hashes, sample_segments


def compile_kernels() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    bounds = two_tables(np.arange(2, dtype=np.int32))
    ids, indptr, none = np.arange(2, dtype=np.int32), np.arange(3, dtype=np.int64), np.empty(0, np.int64)
    groups = group_schemas(bounds.indptr, bounds.token)
    related_roles(groups, schema_edges(groups), bounds, np.zeros(len(bounds.token), np.bool_))
    hashes, levels = np.ones(2, np.uint64), np.zeros(2, np.int32)
    items = ItemSamples(levels, ids, levels, np.ones(2, np.bool_), indptr, hashes, 2)
    postings = post_rows(items)
    find_overlaps(items, postings)
    count_uncovered(items, postings, none, (np.zeros(1, np.int64), none))
    columns = ColumnSamples(indptr, hashes, levels, np.zeros(2))
    propose_tables(bounds, columns, 8)
    match_columns(bounds, columns, 0, 1)
    count_containing(bounds, columns, none, none, 1.0)
    add_hashes(hashes[:0], 0, hashes)
    sample_segments(hashes, indptr)
