"""How like two tables are: cosines of their words and of their values, the rare ones counting more."""

import numba as nb
import numpy as np

from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.keys.kernel.columns import Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts

# values of a column that are compared; they stand in the order of their hashes, so these are a random sample
N_VALUES = 512

Rows = tuple[Int64, Int64]


def table_cosines(facts: ColumnFacts, left: Int64, right: Int64) -> Float64:
    """The mean of both cosines for each pair of tables. Shapes: left, right, result (p,). O(p · words and values)."""
    key, back = np.unique(left * (len(facts.lake.tables) + 1) + right, return_inverse=True)
    one, other = np.divmod(key, len(facts.lake.tables) + 1)
    both = [_cosines(*rows, _rarity(rows), one, other) for rows in (table_words(facts), _table_values(facts))]
    found: Float64 = (0.5 * (both[0] + both[1]))[back]
    return found


def table_words(facts: ColumnFacts) -> Rows:
    """The words of each table's name and of those of its columns, once each, ascending: (indptr (T + 1,), words)."""
    names, lake = facts.names, facts.lake
    n_tables = len(lake.tables)
    of_tables = np.repeat(np.arange(n_tables), np.diff(names.table_words[0]))
    of_columns = np.repeat(lake.table_of, np.diff(names.column_words[0]))
    return rows_of(
        np.concatenate([of_tables, of_columns]),
        np.concatenate([names.table_words[1], names.column_words[1]]),
        n_tables,
    )


def _table_values(facts: ColumnFacts) -> Rows:
    """The first values of each column, by table."""
    lake = facts.lake
    sizes = np.minimum(np.diff(lake.indptr), N_VALUES)
    place = np.repeat(lake.indptr[:-1] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
    return rows_of(np.repeat(lake.table_of, sizes), lake.values[place].astype(np.int64), len(lake.tables))


def rows_of(row: Int64, number: Int64, n_rows: int) -> Rows:
    """Numbers by row, each once a row, ascending: (indptr (n_rows + 1,), numbers)."""
    width = int(number.max(initial=0)) + 1
    key = distinct(row * width + number)
    indptr = np.searchsorted(key, np.arange(n_rows + 1) * width)
    return indptr.astype(np.int64), key % width


def _rarity(rows: Rows) -> Float64:
    """log((T + 1) / (rows with the number + .5)), by number; above 0."""
    held = np.bincount(rows[1]) if len(rows[1]) else np.zeros(1)
    found: Float64 = np.log(len(rows[0]) / (held + 0.5))
    return found


@nb.njit(cache=True)
def _cosines(indptr: Int64, numbers: Int64, weight: Float64, left: Int64, right: Int64) -> Float64:
    norm = np.zeros(len(indptr) - 1)
    for row in range(len(norm)):
        for at in range(indptr[row], indptr[row + 1]):
            norm[row] += weight[numbers[at]] ** 2
    found = np.zeros(len(left))
    for pair in range(len(left)):
        at, stop = indptr[left[pair]], indptr[left[pair] + 1]
        other, end = indptr[right[pair]], indptr[right[pair] + 1]
        total = 0.0
        while at < stop and other < end:
            x, y = numbers[at], numbers[other]
            if x == y:
                total += weight[x] ** 2
            at += x <= y
            other += y <= x
        if total > 0:
            found[pair] = total / np.sqrt(norm[left[pair]] * norm[right[pair]])
    return found
