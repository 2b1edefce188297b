import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.index.kernel.ngrams import buckets, has_words, index_texts, match, whole_words


@given(st.lists(st.text(max_size=12), min_size=1, max_size=12), st.integers(0, 11))
def test_a_text_is_nearest_to_itself(texts, place):
    text = texts[place % len(texts)]
    distance = match(index_texts(texts), text)
    assert ((distance >= 0) & (distance <= 1)).all()
    if len(buckets([text])[0]):
        assert distance[place % len(texts)] <= 1e-5
        assert distance.min() == distance[place % len(texts)] or np.isclose(distance.min(), 0, atol=1e-5)


def test_case_and_punctuation_do_not_count_and_parts_do():
    index = index_texts(["Customer_Orders", "customer address", "weather", ""])
    assert match(index, "customer orders")[0] < 1e-5
    distance = match(index, "customr")
    assert distance[0] < 1 and distance[1] < 1
    assert distance[2] == distance[3] == 1


def test_rare_parts_count_more():
    index = index_texts(["table a", "table b", "table c", "zebra c"])
    assert int(np.argmin(match(index, "zebra table"))) == 3


def test_nothing_to_compare():
    assert match(index_texts([]), "x").shape == (0,)
    assert match(index_texts(["abc"]), "").tolist() == [1.0]
    assert match(index_texts(["\ud800 lone"]), "lone")[0] < 1


def test_words_of_a_name_are_whole_or_not():
    names = ["sales/Orders_2024", "borders", "a\nb", '["id",0]', ""]
    words = whole_words(names)
    assert words[:4] == [" sales orders 2024 ", " borders ", " a b ", " id 0 "]
    assert has_words(words, "orders 2024").tolist() == [True, False, False, False, False]
    assert has_words(words, "ID").tolist() == [False, False, False, True, False]
    assert not has_words(words, "order").any() and not has_words(words, "-").any()
    assert whole_words([]) == [] and has_words([], "x").tolist() == []
