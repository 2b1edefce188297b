"""Which tables may share rows: the prune that is sound where some rows may be missing.

Min-max pruning refutes a containment by one row outside the parent's bounds; for unions, parts and near misses it would
lose true ones. What stays sound is disjointness: if a column of the child has no nulls and its values lie all
outside the parent's, the two share no row at all. NaN stands in no bounds: two columns of floats may share it.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.min_max import ColumnBounds, with_role
from lakebed.tasks.containment.kernel.schema_graph import Int32, SchemaGroups


def related_roles(
    groups: SchemaGroups, schema_pairs: tuple[Int32, Int32], bounds: ColumnBounds, may_be_nan: NDArray[np.bool_]
) -> Int32:
    """Distinct (schema of a child, table) that may share rows with another table under that schema, (k, 2), sorted.

    `may_be_nan` (n,) says of each column of `bounds` whether it is one of floats.

    Tables without rows or values are left out. Cost: O(pairs) at worst, with early exit; a pair of tables that both
    have their role already is not looked at.
    """
    arrays = (bounds.indptr, bounds.token, bounds.kind, bounds.n_nulls, bounds.n_rows, bounds.bounds, may_be_nan)
    roles = _roles(schema_pairs, (groups.table_indptr, groups.tables), bounds.trivial_tables(), arrays)
    return np.unique(roles, axis=0)


@njit(cache=True, nogil=True)
def _roles(schema_pairs, members, is_out, arrays):  # type: ignore[no-untyped-def]
    child_schemas, parent_schemas = schema_pairs
    table_indptr, tables = members
    indptr, token = arrays[0], arrays[1]
    found = np.empty((1024, 2), np.int32)
    n_found = 0
    is_child = np.zeros(len(tables), np.bool_)
    for index in range(len(child_schemas)):
        schema, above = child_schemas[index], parent_schemas[index]
        group = tables[table_indptr[schema] : table_indptr[schema + 1]]
        candidates = tables[table_indptr[above] : table_indptr[above + 1]]
        wanted = token[indptr[group[0]] : indptr[group[0] + 1]]
        positions = np.searchsorted(token[indptr[candidates[0]] : indptr[candidates[0] + 1]], wanted)
        is_parent = np.zeros(len(candidates), np.bool_)
        for child in group:
            if is_out[child]:
                continue
            for place in range(len(candidates)):
                parent = candidates[place]
                if parent == child or is_out[parent] or (is_child[child] and is_parent[place]):
                    continue
                if not _is_disjoint(child, parent, positions, arrays):
                    is_child[child] = True
                    is_parent[place] = True
        for place in range(len(candidates)):
            if is_parent[place]:
                found, n_found = with_role(found, n_found, schema, candidates[place])
        if index + 1 == len(child_schemas) or child_schemas[index + 1] != schema:
            for child in group:
                if is_child[child]:
                    found, n_found = with_role(found, n_found, schema, child)
    return found[:n_found].copy()


@njit(cache=True, nogil=True)
def _is_disjoint(child, parent, positions, arrays):  # type: ignore[no-untyped-def]
    """Whether some column of the child, without nulls, has no value in common with the parent's, surely."""
    indptr, kind, n_nulls, bounds, may_be_nan = arrays[0], arrays[2], arrays[3], arrays[5], arrays[6]
    for offset in range(len(positions)):
        mine, theirs = indptr[child] + offset, indptr[parent] + positions[offset]
        if n_nulls[mine] != 0:
            continue
        if kind[mine] != kind[theirs]:
            return True
        if may_be_nan[mine] and may_be_nan[theirs]:
            continue
        if bounds[mine, 3] >= 0 and bounds[theirs, 0] >= 0 and bounds[mine, 3] < bounds[theirs, 0]:
            return True
        if bounds[mine, 0] >= 0 and bounds[theirs, 3] >= 0 and bounds[mine, 0] > bounds[theirs, 3]:
            return True
    return False
