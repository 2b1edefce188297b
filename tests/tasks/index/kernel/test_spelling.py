import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.index.kernel.spelling import spelled_like, spelled_rows, spelling_of


def lists(*columns):
    return pa.array(columns, pa.list_(pa.string()))


def test_the_order_of_words_signs_and_noughts_change_nothing():
    known = spelling_of(lists(["2021-03-04"], ["4.3.2021"], ["King, Anna"], ["anna KING"], ["1999-01-02"]))
    likeness = [spelled_like(known, known.rows.take(np.array([column]))) for column in range(5)]
    assert [likeness[0][1], likeness[2][3]] == pytest.approx([1, 1], abs=1e-6)
    assert likeness[0][4] < 0.2 and likeness[0][2] == 0


def test_a_prefix_leaves_what_follows():
    known = spelling_of(lists(["CUST-0012", "CUST-0034"], ["12", "34"], ["56", "78"]))
    likeness = spelled_like(known, known.rows.take(np.array([0])))
    assert likeness[1] > likeness[2] == 0


def test_columns_from_elsewhere_have_the_rows_they_would_have():
    columns = (["King, Anna", "Koch, Ivo"], ["a-7", "b-9", "b-9"], [])
    known = spelling_of(lists(*columns, ["other"]))
    rows = spelled_rows(known, lists(*columns, ["unheard of"]))
    for column in range(3):
        mine, theirs = rows.take(np.array([column])), known.rows.take(np.array([column]))
        assert mine.item.tolist() == theirs.item.tolist()
        assert mine.weight == pytest.approx(theirs.weight)
    assert spelled_like(known, rows.take(np.array([0])))[0] == pytest.approx(1, abs=1e-6)


def test_nothing_is_spelled_like_nothing():
    known = spelling_of(lists([], []))
    assert spelled_like(known, spelled_rows(known, lists(["a"]))).tolist() == [0, 0]
