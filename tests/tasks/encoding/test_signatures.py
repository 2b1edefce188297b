import numpy as np
from numba.core.types import Tuple, UniTuple

from lakebed.tasks.encoding.signatures import INTEGERS, READ_WORDS, WORDS, int64, kernel, tuple_of


def test_tuples_of_one_type_and_of_several():
    assert tuple_of(WORDS, WORDS) == UniTuple(WORDS, 2)
    assert tuple_of(WORDS, INTEGERS) == Tuple((WORDS, INTEGERS))


@kernel(int64(READ_WORDS))
def n_words(words):
    return words.size


def test_read_only_signatures_take_writable_arrays_too():
    words = np.zeros(3, np.uint64)
    assert n_words(words) == 3
    words.setflags(write=False)
    assert n_words(words) == 3
    assert n_words.signatures == [(READ_WORDS,)]
