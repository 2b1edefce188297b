"""Folding in the kernel against Python's own string methods."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.ascii_text import EMPTY, NUMBER_LIKE, OTHER, WORD, folded_ascii

TEXTS = st.text(st.sampled_from(" aZ~@[`{09-./\t\x7f\u00e9\u00a0"), max_size=6)


def kind_of(text: str) -> int:
    if any(not " " <= letter <= "~" for letter in text):
        return OTHER
    return EMPTY if not text.strip() else NUMBER_LIKE if set(text.strip()) <= set("0123456789-.") else WORD


@given(st.lists(TEXTS, max_size=20), st.integers(0, 5), st.integers(0, 5))
def test_texts_are_folded_as_python_would(texts, before, after):
    whole = pa.array([*("x" * before), *texts, *("y" * after)], pa.large_string())
    folded, kinds = folded_ascii(whole.slice(before, len(texts)))
    assert kinds.tolist() == [kind_of(text) for text in texts]
    assert folded.to_pylist() == ["" if kind_of(text) == OTHER else " ".join(text.lower().split()) for text in texts]


def test_of_no_texts_and_of_texts_without_bytes():
    for texts in ([], [""], ["", ""]):
        folded, kinds = folded_ascii(pa.array(texts, pa.large_string()))
        assert (folded.to_pylist(), kinds.tolist()) == (texts, [EMPTY] * len(texts))
