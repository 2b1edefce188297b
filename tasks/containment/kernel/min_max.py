"""Min-max pruning: the second step of R2D2 (Shah et al. 2024), on ranks of bounds, reading no data.

A bound is an interval in which the true minimum or maximum lies, so that cut strings, wide statistics of
tables with deletion vectors, and truncated timestamps need no rule of their own: a child is refuted where its
minimum is *certainly* below the parent's, or its maximum certainly above.

Note: goes beyond the paper, soundly: nulls against none, incompatible types, an attained bound in the gap
between the parent's files, exact value sets of partition columns, and row counts under bag semantics.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64, SchemaGroups

UNKNOWN = -1
HIGHEST = np.iinfo(np.int32).max


class Refutation(IntEnum):
    """Why a pair cannot be a containment."""

    NONE = 0
    ROWS = 1
    TYPE = 2
    NULLS = 3
    NO_VALUES = 4
    MINIMUM = 5
    MAXIMUM = 6
    GAP = 7
    VALUES = 8
    READING = 9


class Form(IntEnum):
    """How a column takes part where text files meet tables whose columns of the same name are strings (readings.py).

    `VALUE`: of a text file, typed, by value; `TEXT`: such a one by its text; `STRING`: a string, of any table.
    """

    PLAIN = 0
    VALUE = 1
    TEXT = 2
    STRING = 3


@dataclass(frozen=True)
class ColumnBounds:
    """Statistics of all columns of all tables, as ranks.

    Shapes:
        indptr (n_tables + 1,), token (n,) ascending within a table, kind (n,), n_nulls (n,), n_rows (n_tables,);
        bounds (n, 4): min_lower, min_upper, max_lower, max_upper, ranks or -1 where unknown;
        range_indptr (n + 1,), ranges (Σ, 2): low and high of each file of a column, none where any is unknown;
        value_indptr (n + 1,), values (Σ,): ascending ranks of a partition column's values, none elsewhere;
        form (n,) of `Form`, or (0,) where all are plain.
    """

    indptr: Int64
    token: Int32
    kind: Int32
    n_nulls: Int64
    n_rows: Int64
    bounds: Int32
    range_indptr: Int64
    ranges: Int32
    value_indptr: Int64
    values: Int32
    form: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    @property
    def n_of_forms(self) -> Int64:
        """Columns of each table that are read as text, and those of text files that are not, (2, n_tables)."""
        table_of_column = np.repeat(np.arange(len(self.n_rows)), np.diff(self.indptr))[: len(self.form)]
        counts = [
            np.bincount(table_of_column[self.form == form], minlength=len(self.n_rows))
            for form in (Form.TEXT, Form.VALUE)
        ]
        return np.stack(counts)

    def trivial_tables(self) -> NDArray[np.bool_]:
        """Tables without rows, or whose cells are all null: contained by definition, (n_tables,)."""
        table_of_column = np.repeat(np.arange(len(self.n_rows)), np.diff(self.indptr))
        is_all_null = self.n_nulls == self.n_rows[table_of_column]
        n_other = np.bincount(table_of_column[~is_all_null], minlength=len(self.n_rows))
        is_trivial: NDArray[np.bool_] = (self.n_rows == 0) | (n_other == 0)
        return is_trivial


@dataclass(frozen=True)
class MinMaxSurvey:
    """What min-max leaves of the schema graph.

    Attributes:
        n_pairs: pairs of tables left.
        children, parents: (n_pairs,) the pairs themselves, or empty where there are more than was asked to list.
        is_listed: whether they are listed.
        roles: (k, 2) distinct (schema of a child, table that takes part in a pair under it), sorted.
    """

    n_pairs: int
    children: Int32
    parents: Int32
    is_listed: bool
    roles: Int32


def survey(
    groups: SchemaGroups, schema_pairs: tuple[Int32, Int32], bounds: ColumnBounds, *, is_bag: bool, max_pairs: int
) -> MinMaxSurvey:
    """Tests every pair of tables that the schema pairs stand for; trivial children are left out.

    Cost: O(pairs) integer comparisons, a column at a time with early exit; no pair is stored beyond `max_pairs`.
    """
    left_out = bounds.trivial_tables()
    n_pairs, children, parents, roles = _survey(
        *schema_pairs, groups.table_indptr, groups.tables, left_out, _arrays(bounds), is_bag, max_pairs
    )
    is_listed = n_pairs <= max_pairs
    return MinMaxSurvey(
        n_pairs=int(n_pairs),
        children=children if is_listed else children[:0],
        parents=parents if is_listed else parents[:0],
        is_listed=is_listed,
        roles=np.unique(roles, axis=0),
    )


def refute_pairs(bounds: ColumnBounds, children: Int32, parents: Int32, *, is_bag: bool) -> tuple[Int32, Int64]:
    """The first refutation of each pair, whose schemas must contain each other, and the child's column it rests on.

    Shapes: children, parents (k,); results (k,) of `Refutation` values and (k,) positions in `bounds.token`
    (-1 where no column is concerned).
    """
    return _refute_pairs(children, parents, _arrays(bounds), is_bag)  # type: ignore[no-any-return]


def _arrays(bounds: ColumnBounds) -> tuple[NDArray[np.generic], ...]:
    return (
        bounds.indptr,
        bounds.token,
        bounds.kind,
        bounds.n_nulls,
        bounds.n_rows,
        bounds.bounds,
        bounds.range_indptr,
        bounds.ranges,
        bounds.value_indptr,
        bounds.values,
        bounds.form,
        bounds.n_of_forms,
    )


@njit(cache=True, nogil=True)
def _survey(child_schemas, parent_schemas, table_indptr, tables, left_out, arrays, is_bag, max_pairs):  # type: ignore[no-untyped-def]
    children = np.empty(1024, np.int32)
    parents = np.empty(1024, np.int32)
    roles = np.empty((1024, 2), np.int32)
    n_pairs, n_roles = 0, 0
    is_child = np.zeros(len(tables), np.bool_)
    for index in range(len(child_schemas)):
        child_schema, parent_schema = child_schemas[index], parent_schemas[index]
        group = tables[table_indptr[child_schema] : table_indptr[child_schema + 1]]
        candidates = tables[table_indptr[parent_schema] : table_indptr[parent_schema + 1]]
        positions = _positions(group[0], candidates[0], arrays[0], arrays[1])
        low, high = _parent_bounds(candidates, positions, arrays)
        identity = np.arange(len(positions))
        plain_children = _are_plain(group, identity, group[0], arrays)
        plain_parents = _are_plain(candidates, positions, group[0], arrays)
        is_parent = np.zeros(len(candidates), np.bool_)
        for row in range(len(group)):
            child = group[row]
            if left_out[child]:
                continue
            minimum, maximum = _child_bounds(child, arrays)
            for place in range(len(candidates)):
                parent = candidates[place]
                if parent == child or _is_outside(minimum, maximum, low[place], high[place]):
                    continue
                is_settled = plain_children[row] and plain_parents[place] and not is_bag
                if not is_settled and _refute(child, parent, positions, arrays, is_bag)[0] != 0:
                    continue
                is_child[child] = True
                is_parent[place] = True
                if n_pairs < max_pairs:
                    if n_pairs == len(children):
                        children, parents = _doubled(children), _doubled(parents)
                    children[n_pairs], parents[n_pairs] = child, parent
                n_pairs += 1
        for place in range(len(candidates)):
            if is_parent[place]:
                roles, n_roles = with_role(roles, n_roles, child_schema, candidates[place])
        if index + 1 == len(child_schemas) or child_schemas[index + 1] != child_schema:
            for child in group:
                if is_child[child]:
                    roles, n_roles = with_role(roles, n_roles, child_schema, child)
    n_listed = min(n_pairs, max_pairs)
    return n_pairs, children[:n_listed].copy(), parents[:n_listed].copy(), roles[:n_roles].copy()


@njit(cache=True, nogil=True)
def _parent_bounds(candidates, positions, arrays):  # type: ignore[no-untyped-def]
    """Lower minima and upper maxima of the parents' columns; an unknown one refutes nothing."""
    indptr, bounds = arrays[0], arrays[5]
    low = np.empty((len(candidates), len(positions)), np.int32)
    high = np.empty((len(candidates), len(positions)), np.int32)
    for place in range(len(candidates)):
        for offset in range(len(positions)):
            row = indptr[candidates[place]] + positions[offset]
            low[place, offset] = bounds[row, 0]
            high[place, offset] = bounds[row, 3] if bounds[row, 3] >= 0 else HIGHEST
    return low, high


@njit(cache=True, nogil=True)
def _are_plain(tables, positions, reference, arrays):  # type: ignore[no-untyped-def]
    """Tables of which bounds tell all: rows, no nulls, ranges of files, value sets or text, the reference's types."""
    indptr, kind, n_nulls, n_rows, range_indptr, value_indptr = (
        arrays[0],
        arrays[2],
        arrays[3],
        arrays[4],
        arrays[6],
        arrays[8],
    )
    are_plain = np.ones(len(tables), np.bool_)
    for place in range(len(tables)):
        are_plain[place] = n_rows[tables[place]] > 0 and arrays[11][0, tables[place]] == 0
        for offset in range(len(positions)):
            row = indptr[tables[place]] + positions[offset]
            has_extras = range_indptr[row] != range_indptr[row + 1] or value_indptr[row] != value_indptr[row + 1]
            has_extras |= len(arrays[10]) > 0 and arrays[10][row] != 0
            if n_nulls[row] != 0 or has_extras or kind[row] != kind[indptr[reference] + offset]:
                are_plain[place] = False
                break
    return are_plain


@njit(cache=True, nogil=True)
def _child_bounds(child, arrays):  # type: ignore[no-untyped-def]
    """Upper minima and lower maxima of the child's columns; an unknown one is never refuted."""
    indptr, n_rows, bounds = arrays[0], arrays[4], arrays[5]
    rows = bounds[indptr[child] : indptr[child + 1]]
    minimum, maximum = rows[:, 1].copy(), rows[:, 2].copy()
    for offset in range(len(rows)):
        has_value = _has_value(indptr[child] + offset, n_rows[child], arrays)
        if minimum[offset] < 0 or not has_value:
            minimum[offset] = HIGHEST
        if not has_value:
            maximum[offset] = UNKNOWN
    return minimum, maximum


@njit(cache=True, nogil=True)
def _is_outside(minimum, maximum, low, high):  # type: ignore[no-untyped-def]
    """The cheap test that almost every pair fails; bounds of other kinds refute too, as their types would."""
    for offset in range(len(minimum)):
        if minimum[offset] < low[offset] or maximum[offset] > high[offset]:
            return True
    return False


@njit(cache=True, nogil=True)
def _refute_pairs(children, parents, arrays, is_bag):  # type: ignore[no-untyped-def]
    reasons = np.empty(len(children), np.int32)
    columns = np.empty(len(children), np.int64)
    for index in range(len(children)):
        positions = _positions(children[index], parents[index], arrays[0], arrays[1])
        reasons[index], columns[index] = _refute(children[index], parents[index], positions, arrays, is_bag)
    return reasons, columns


@njit(cache=True, nogil=True)
def _positions(child, parent, indptr, token):  # type: ignore[no-untyped-def]
    """For each column of the child, the place of the parent's column of the same token in the parent's row."""
    wanted = token[indptr[child] : indptr[child + 1]]
    return np.searchsorted(token[indptr[parent] : indptr[parent + 1]], wanted)


@njit(cache=True, nogil=True)
def _refute(child, parent, positions, arrays, is_bag):  # type: ignore[no-untyped-def]
    indptr, n_rows = arrays[0], arrays[4]
    if len(arrays[10]) > 0 and _is_read_otherwise(child, parent, positions, arrays):
        return Refutation.READING.value, np.int64(-1)
    if n_rows[child] > 0 and (n_rows[parent] == 0 or (is_bag and n_rows[child] > n_rows[parent])):
        return Refutation.ROWS.value, np.int64(-1)
    for offset in range(len(positions)):
        mine = indptr[child] + offset
        theirs = indptr[parent] + positions[offset]
        reason = _refute_column(mine, theirs, n_rows[child], n_rows[parent], arrays)
        if reason != 0:
            return reason, mine
    return 0, np.int64(-1)


@njit(cache=True, nogil=True)
def _is_read_otherwise(child, parent, positions, arrays):  # type: ignore[no-untyped-def]
    """Whether another reading of one of the two is the one that their columns ask for.

    Of the columns that only the parent has, its reading has all as text; a table of which the pair asks nothing as text
    is no reading.
    """
    indptr, form, n_text, n_value = arrays[0], arrays[10], arrays[11][0], arrays[11][1]
    n_read = n_kept = 0  # of the parent's columns that the child has
    for offset in range(len(positions)):
        mine = form[indptr[child] + offset]
        theirs = form[indptr[parent] + positions[offset]]
        for one, other in ((mine, theirs), (theirs, mine)):
            if (one == Form.TEXT.value) != (other == Form.STRING.value) and (
                one in (Form.TEXT.value, Form.VALUE.value)
            ):
                return True
        n_read += theirs == Form.TEXT.value
        n_kept += theirs == Form.VALUE.value
    if n_read == 0:
        return n_text[parent] > 0
    return n_value[parent] != n_kept


@njit(cache=True, nogil=True)
def _refute_column(mine, theirs, n_child_rows, n_parent_rows, arrays):  # type: ignore[no-untyped-def]
    kind, n_nulls, bounds = arrays[2], arrays[3], arrays[5]
    if n_nulls[mine] > 0 and n_nulls[theirs] == 0:
        return Refutation.NULLS.value
    if not _has_value(mine, n_child_rows, arrays):
        return Refutation.NONE.value
    if n_nulls[theirs] == n_parent_rows:
        return Refutation.NO_VALUES.value
    if kind[mine] != kind[theirs]:
        return Refutation.TYPE.value
    if bounds[mine, 1] >= 0 and bounds[theirs, 0] >= 0 and bounds[mine, 1] < bounds[theirs, 0]:
        return Refutation.MINIMUM.value
    if bounds[mine, 2] >= 0 and bounds[theirs, 3] >= 0 and bounds[mine, 2] > bounds[theirs, 3]:
        return Refutation.MAXIMUM.value
    if _in_gap(mine, theirs, arrays):
        return Refutation.GAP.value
    return Refutation.VALUES.value if _lacks_values(mine, theirs, arrays) else 0


@njit(cache=True, nogil=True)
def _has_value(column, n_rows, arrays):  # type: ignore[no-untyped-def]
    """Whether some cell is surely not null.

    Wide bounds alone do not say so: they stem from files with deleted rows, whose live cells may all be null.
    """
    n_nulls, bounds = arrays[3][column], arrays[5][column]
    if n_nulls >= 0:
        return n_nulls < n_rows
    is_wide = bounds[0] == bounds[2] and bounds[1] == bounds[3]
    return bounds[0] >= 0 and not is_wide


@njit(cache=True, nogil=True)
def _in_gap(mine, theirs, arrays):  # type: ignore[no-untyped-def]
    """Whether an attained bound of the child lies in no file of the parent, all of whose files have ranges."""
    bounds, range_indptr, ranges = arrays[5], arrays[6], arrays[7]
    first, last = range_indptr[theirs], range_indptr[theirs + 1]
    if first == last:
        return False
    for side in (0, 2):
        value = bounds[mine, side]
        if value < 0 or value != bounds[mine, side + 1]:
            continue
        is_covered = False
        for entry in range(first, last):
            if ranges[entry, 0] <= value <= ranges[entry, 1]:
                is_covered = True
                break
        if not is_covered:
            return True
    return False


@njit(cache=True, nogil=True)
def _lacks_values(mine, theirs, arrays):  # type: ignore[no-untyped-def]
    """Whether a partition column of the child has a value that the parent's partition column has not."""
    value_indptr, values = arrays[8], arrays[9]
    owned = values[value_indptr[theirs] : value_indptr[theirs + 1]]
    if len(owned) == 0:
        return False
    for entry in range(value_indptr[mine], value_indptr[mine + 1]):
        place = np.searchsorted(owned, values[entry])
        if place == len(owned) or owned[place] != values[entry]:
            return True
    return False


@njit(cache=True, nogil=True)
def with_role(roles, n_roles, schema, table):  # type: ignore[no-untyped-def]
    """Appends (schema, table) to a list that doubles as it fills; returns the list and its new length."""
    if n_roles == len(roles):
        larger = np.empty((2 * len(roles), 2), np.int32)
        larger[:n_roles] = roles
        roles = larger
    roles[n_roles, 0], roles[n_roles, 1] = schema, table
    return roles, n_roles + 1


@njit(cache=True, nogil=True)
def _doubled(values):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * len(values), values.dtype)
    larger[: len(values)] = values
    return larger
