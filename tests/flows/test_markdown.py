from hypothesis import given
from hypothesis import strategies as st

from lakebed.flows.markdown import code, code_cell, plain


def test_a_name_stays_one_piece_of_code():
    assert code("sales/orders") == "`sales/orders`"
    assert code("a|b`c\n[x](javascript:y)") == "`a|b'c [x](javascript:y)`"
    assert code_cell("a|b`c\n# d") == "`a\\|b'c # d`"
    assert code("") == ""


@given(st.text())
def test_nothing_in_a_name_ends_it(text):
    assert not {"`", "\n", "\r", "\x1b"} & set(plain(text))
    assert len(plain(text)) == len(text)
