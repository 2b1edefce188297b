import numpy as np

from lakebed.tasks.index.kernel.postings import FULL, ColumnSizes, make_postings
from lakebed.tasks.search.kernel.ranking import AskedColumn, column_shares, score_tables

# columns 0-1 of table 0, 2 of table 1, 3-4 of table 2
COLUMNS = [{0, 1, 2, 3}, {8, 9}, {0, 1, 2}, {0, 1, 2, 3, 4, 5}, {9}]
STARTS = np.array([0, 2, 3])


def setting():
    pairs = sorted((c, v) for c, values in enumerate(COLUMNS) for v in values)
    source, target = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    n = np.array([len(values) for values in COLUMNS])
    return make_postings(source, target, 5, 10), ColumnSizes(n, n, np.full(5, FULL))


def asked(column, names=()):
    values = np.array(sorted(COLUMNS[column]))
    is_same_name = np.isin(np.arange(5), [column, *names])
    return AskedColumn(values, len(values), len(values), FULL, is_same_name)


def test_shares_forth_and_back():
    postings, sizes = setting()
    found = column_shares(postings, sizes, asked(2))
    assert found.overlap.tolist() == [3, 0, 3, 3, 0]
    assert found.forth.tolist() == [1, 0, 1, 1, 0]
    assert found.back.tolist() == [0.75, 0, 1, 0.5, 0]


def test_a_table_that_holds_all_comes_first_and_says_by_which_columns():
    postings, sizes = setting()
    scores = score_tables(postings, sizes, STARTS, [asked(0), asked(1)])
    assert scores.forth[2] < scores.forth[0] == 1
    assert scores.best[0].tolist() == [0, 2, 3]
    assert scores.share[0].tolist() == [1, 0.75, 1]
    assert scores.share[1].tolist() == [1, 0, 0.5]
    named = score_tables(postings, sizes, STARTS, [asked(0, names=(3,))])
    assert named.score[2] > score_tables(postings, sizes, STARTS, [asked(0)]).score[2]
    assert named.forth[2] == 1
