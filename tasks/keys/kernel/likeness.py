"""How like the names of two columns, and of their tables, are: 18 figures a pair."""

import numba as nb
import numpy as np

from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Float64, Int64, Lake
from lakebed.tasks.keys.kernel.words import Csr, Names

NAME_FEATURES = (
    "n_col", "n_tab", "n_tabcol", "n_max", "n_equal", "c_a_in_b", "c_b_in_a", "c_tab_in_a", "c_a_col", "c_b_col",
    "n_tables", "n_full", "last_word", "starts_tab", "holds_tab", "ends_with", "prefix", "c_short",
)  # fmt: skip
MIN_PREFIX, MIN_SHORT = 3, 3
PREFIX_WORTH, SHORT_WORTH = 0.9, 0.8


def name_features(lake: Lake, names: Names, pairs: Pairs) -> Float64:
    """(p, 18) figures of each pair, named in NAME_FEATURES.

    `n_*` are Jaccard likenesses of 3-grams: of the columns, of a's column and b's table, of a's column and b's table
    and column, the greatest of these, … of the tables, of tables and columns. `c_*` are shares of words, by weight,
    that the other side has too; a common beginning of three letters counts by its length. `c_short` is the share of
    the words of a's column that can be short for b's table: `cdemo` for `customer_demographics`, `addr` for `address`.
    """
    out = np.zeros((len(pairs.a), len(NAME_FEATURES)))
    table_a, table_b = lake.table_of[pairs.a], lake.table_of[pairs.b]
    grams = (names.column_grams, names.table_grams, names.full_grams)
    _jaccards(pairs.a, pairs.b, table_a, table_b, *grams, out)
    words = (names.column_words, names.table_words, names.word_letters, names.weight)
    _covers(pairs.a, pairs.b, table_a, table_b, *words, out)
    _shorts(pairs.a, table_b, *words, out)
    _spellings(pairs.a, pairs.b, table_b, names.column_letters, names.table_letters, out)
    out[:, 3] = out[:, :3].max(axis=1, initial=0)
    last = names.last_word
    out[:, 12] = (last[pairs.a] == last[pairs.b]) & (last[pairs.a] >= 0)
    return out


def name_likeness(lake: Lake, names: Names, pairs: Pairs) -> Float64:
    """The figure `n_max` alone, (p,), at a fraction of the cost of all."""
    grams = (names.column_grams, names.table_grams, names.full_grams)
    found: Float64 = _greatest_jaccards(pairs.a, pairs.b, lake.table_of[pairs.b], *grams)
    return found


@nb.njit(cache=True, nogil=True)
def _jaccard(left: Csr, a: int, right: Csr, b: int) -> float:
    at, stop = left[0][a], left[0][a + 1]
    other, end = right[0][b], right[0][b + 1]
    n = (stop - at) + (end - other)
    common = 0
    while at < stop and other < end:
        x, y = left[1][at], right[1][other]
        common += x == y
        at += x <= y
        other += y <= x
    return common / (n - common) if common else 0.0


@nb.njit(cache=True, nogil=True)
def _jaccards(
    a: Int64, b: Int64, table_a: Int64, table_b: Int64, column: Csr, table: Csr, full: Csr, out: Float64
) -> None:
    for p in range(len(a)):
        out[p, 0] = _jaccard(column, a[p], column, b[p])
        out[p, 1] = _jaccard(column, a[p], table, table_b[p])
        out[p, 2] = _jaccard(column, a[p], full, b[p])
        out[p, 10] = _jaccard(table, table_a[p], table, table_b[p])
        out[p, 11] = _jaccard(full, a[p], full, b[p])


@nb.njit(cache=True, nogil=True)
def _greatest_jaccards(a: Int64, b: Int64, table_b: Int64, column: Csr, table: Csr, full: Csr) -> Float64:
    out = np.empty(len(a))
    for p in range(len(a)):
        one, two = _jaccard(column, a[p], column, b[p]), _jaccard(column, a[p], table, table_b[p])
        out[p] = max(one, two, _jaccard(column, a[p], full, b[p]))
    return out


@nb.njit(cache=True, nogil=True)
def _common_start(letters: Csr, x: int, y: int) -> int:
    first, second = letters[0][x], letters[0][y]
    most = min(letters[0][x + 1] - first, letters[0][y + 1] - second)
    n = 0
    while n < most and letters[1][first + n] == letters[1][second + n]:
        n += 1
    return n


@nb.njit(cache=True, nogil=True)
def _best(letters: Csr, x: int, words: Csr, owner: int) -> float:
    """How well a word is met by those of a name."""
    best = 0.0
    for at in range(words[0][owner], words[0][owner + 1]):
        y = words[1][at]
        if x == y:
            return 1.0
        n = _common_start(letters, x, y)
        if n >= MIN_PREFIX:
            longer = max(letters[0][x + 1] - letters[0][x], letters[0][y + 1] - letters[0][y])
            best = max(best, n / longer * PREFIX_WORTH)
    return best


@nb.njit(cache=True, nogil=True)
def _is_short(letters: Csr, x: int, words: Csr, owner: int) -> bool:
    """Whether a word's letters stand in this order in a name, from the beginning of one of its words on."""
    for first in range(words[0][owner], words[0][owner + 1]):
        at, stop = letters[0][x], letters[0][x + 1]
        for place in range(first, words[0][owner + 1]):
            y = words[1][place]
            for letter in range(letters[0][y], letters[0][y + 1]):
                if at < stop and letters[1][at] == letters[1][letter]:
                    at += 1
                elif place == first and letter == letters[0][y]:
                    at = stop + 1
        if at == stop:
            return True
    return False


@nb.njit(cache=True, nogil=True)
def _cover(
    asked: Csr, a: int, names: tuple[Csr, Csr], owners: tuple[int, int], letters: Csr, weight: Float64, short: int
) -> float:
    """Share of a name's words, by weight, that two names have; one of -1 has none, one of `short` may be shortened."""
    got, total = 0.0, 0.0
    for at in range(asked[0][a], asked[0][a + 1]):
        x = asked[1][at]
        is_repeated = False
        for before in range(asked[0][a], at):
            is_repeated |= asked[1][before] == x
        if is_repeated:
            continue
        best = _best(letters, x, names[0], owners[0])
        if owners[1] >= 0:
            best = max(best, _best(letters, x, names[1], owners[1]))
        if short >= 0 and best < SHORT_WORTH and letters[0][x + 1] - letters[0][x] >= MIN_SHORT:
            best = max(best, SHORT_WORTH * _is_short(letters, x, names[1], short))
        got += best * weight[x]
        total += weight[x]
    return got / max(total, 1e-9)


@nb.njit(cache=True, nogil=True)
def _covers(
    a: Int64,
    b: Int64,
    table_a: Int64,
    table_b: Int64,
    column: Csr,
    table: Csr,
    letters: Csr,
    weight: Float64,
    out: Float64,
) -> None:
    both, none = (column, table), -1
    for p in range(len(a)):
        x, y = a[p], b[p]
        out[p, 5] = _cover(column, x, both, (y, table_b[p]), letters, weight, table_b[p])
        out[p, 6] = _cover(column, y, both, (x, table_a[p]), letters, weight, none)
        out[p, 7] = _cover(table, table_b[p], both, (x, none), letters, weight, none)
        out[p, 8] = _cover(column, x, both, (y, none), letters, weight, none)
        out[p, 9] = _cover(column, y, both, (x, none), letters, weight, none)


@nb.njit(cache=True, nogil=True)
def _shorts(a: Int64, table_b: Int64, column: Csr, table: Csr, letters: Csr, weight: Float64, out: Float64) -> None:
    for p in range(len(a)):
        got, total = 0.0, 0.0
        for at in range(column[0][a[p]], column[0][a[p] + 1]):
            x = column[1][at]
            total += weight[x]
            if letters[0][x + 1] - letters[0][x] >= MIN_SHORT and _is_short(letters, x, table, table_b[p]):
                got += weight[x]
        out[p, 17] = got / max(total, 1e-9)


@nb.njit(cache=True, nogil=True)
def _holds(letters: Csr, a: int, others: Csr, b: int, n: int) -> bool:
    """Whether a's letters hold the first n of b's somewhere."""
    first, stop, start = letters[0][a], letters[0][a + 1], others[0][b]
    for at in range(first, stop - n + 1):
        k = 0
        while k < n and letters[1][at + k] == others[1][start + k]:
            k += 1
        if k == n:
            return True
    return False


@nb.njit(cache=True, nogil=True)
def _begins(letters: Csr, a: int, others: Csr, b: int, n: int) -> bool:
    first, start = letters[0][a], others[0][b]
    if letters[0][a + 1] - first < n:
        return False
    for k in range(n):
        if letters[1][first + k] != others[1][start + k]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def _ends(letters: Csr, a: int, b: int) -> bool:
    n_a, n_b = letters[0][a + 1] - letters[0][a], letters[0][b + 1] - letters[0][b]
    if n_b > n_a:
        return False
    for k in range(1, n_b + 1):
        if letters[1][letters[0][a + 1] - k] != letters[1][letters[0][b + 1] - k]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def _spellings(a: Int64, b: Int64, table_b: Int64, column: Csr, table: Csr, out: Float64) -> None:
    for p in range(len(a)):
        x, y, owner = a[p], b[p], table_b[p]
        n_x, n_y = column[0][x + 1] - column[0][x], column[0][y + 1] - column[0][y]
        n_table = table[0][owner + 1] - table[0][owner]
        n = _common_start(column, x, y)
        is_equal = n == n_x and n == n_y
        out[p, 4] = is_equal
        if n_table > 2:
            out[p, 13] = _begins(column, x, table, owner, min(n_table, 4))
            out[p, 14] = _holds(column, x, table, owner, n_table)
        out[p, 15] = _ends(column, x, y) and not is_equal
        out[p, 16] = n / max(1, min(n_x, n_y))
