import numpy as np
import pytest

from lakebed.tasks.keys.kernel.words import without_prefixes, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customer_id", ["customer", "id"]),
        ("CustomerID", ["customer", "id"]),
        ("HTMLPage2", ["html", "page", "2"]),
        ("ADDRESS", ["address"]),
        ("StraßeÄnderung", ["straße", "änderung"]),
        ("客户编号", ["客户编号"]),
        ("", []),
        ("__", []),
    ],
)
def test_words_of_names(name, words):
    assert words_of(name) == words


def test_a_first_word_that_nearly_all_columns_share_goes():
    table = [["ss", "item"], ["ss", "date"], ["ss", "sk"], ["ss"]]
    assert without_prefixes(table, np.zeros(4, np.int64)) == [["ss", "item"], ["ss", "date"], ["ss", "sk"], ["ss"]]
    named = [["l", "tax"], ["l", "key"], ["l", "date"], ["other", "x"], ["l", "y"]]
    assert without_prefixes(named, np.zeros(5, np.int64)) == [["tax"], ["key"], ["date"], ["other", "x"], ["y"]]
    assert without_prefixes(named[:2], np.zeros(2, np.int64)) == named[:2]
