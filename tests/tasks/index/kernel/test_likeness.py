import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.index.kernel.likeness import (
    NAME_GRAM,
    NAME_WORD,
    VALUE_WORD,
    is_nameless,
    likeness_of,
    rows_of,
    terms_of,
    worded,
)


def terms(*columns):
    """Of columns given as name and texts."""
    names = [name for name, _ in columns]
    return terms_of(names, list(range(len(names))), pa.array([texts for _, texts in columns], pa.list_(pa.string())))


def dense(rows, n):
    out = np.zeros((len(rows.indptr) - 1, n))
    out[rows.owner, rows.item] = rows.weight
    return out


def test_words_are_what_signs_and_capitals_part():
    texts = ["orderDate", "HTTPServer_id", " Straße-7 ", "", "ÖlPreis", "東京 都"]
    assert worded(pa.array(texts)).to_pylist() == [
        "order date",
        "http server id",
        "straße 7",
        "",
        "öl preis",
        "東京 都",
    ]


def test_terms_are_counted_by_column_and_kind():
    found = terms(("town", ["new york", "York"]), ("", ["", "york"]))
    of_values = found.kind == VALUE_WORD
    assert found.column[of_values].tolist() == [0, 0, 1]
    assert sorted(found.count[of_values & (found.column == 0)].tolist()) == [1, 2]
    assert (found.kind == NAME_WORD).sum() == 2 and (found.kind == NAME_GRAM).sum() == 4
    assert not (found.column[~of_values] == 1).any()


def test_rows_have_length_one_and_the_weights_of_tf_idf():
    found = terms(("town", ["york", "york bath"]), ("town", ["bath"]), ("x y", []))
    known = likeness_of(found, np.array([0, 1, 1]), 2)
    rows, n = dense(known.columns, len(known.term)), len(known.term)
    assert np.linalg.norm(rows[:2], axis=1) == pytest.approx([1, 1])
    assert np.linalg.norm(dense(known.tables, n), axis=1) == pytest.approx([1, 1])
    assert rows[0] @ rows[1] == pytest.approx(0.6 + 0.4 * _cosine())
    assert (dense(known.holders, 2) == dense(known.tables, n).T).all()


def _cosine():
    """Of `york` twice and `bath` once with `bath` once, in three columns."""
    york, bath = (1 + np.log(2)) * (np.log(4 / 2) + 1), np.log(4 / 3) + 1
    return bath / np.hypot(york, bath)


def test_a_table_from_elsewhere_has_the_rows_it_would_have_in_the_lake():
    columns = (("town", ["york", "york bath"]), ("size", ["big", "small"]))
    found = terms(*columns, ("other", ["york"]))
    known = likeness_of(found, np.array([0, 0, 1]), 2)
    rows, row = rows_of(known, terms(*columns, ("unheard", ["of"])))
    n = len(known.term)
    assert dense(rows, n)[:2] == pytest.approx(dense(known.columns, n)[:2], abs=1e-6)
    assert dense(row, n)[0] == pytest.approx(dense(known.tables, n)[0], abs=1e-6)
    # of a name that the lake lacks only its 3-grams may be known
    assert not dense(rows, n)[2].any()


def test_names_that_nobody_gave():
    assert is_nameless(" ", 0) and is_nameless("Unnamed: 0", 0) and is_nameless("c1", 0)
    assert not is_nameless("c1", 1) and not is_nameless("c", 0)


def test_nothing_has_no_terms():
    known = likeness_of(terms(), np.empty(0, np.int64), 0)
    rows, row = rows_of(known, terms(("a", ["b"])))
    assert len(known.term) == len(rows.item) == len(row.item) == 0
