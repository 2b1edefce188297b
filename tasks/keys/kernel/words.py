"""Names as numbers: words, 3-grams and letters of columns and tables, for any language.

Nothing here knows a word of any language: how much a word tells is taken from how many columns of the lake have it, and
a first word that nearly every column of a table has (`ss_`, `l_`) is left out.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lakebed.tasks.keys.kernel.columns import Float64, Int64, Lake

_PARTS = re.compile(r"[^\W\d_]+|\d+")
MAX_CHARS = 200
SHARED_PREFIX = 0.8
MIN_COLUMNS = 3

Csr = tuple[Int64, Int64]


@dataclass(frozen=True)
class Names:
    """Names of C columns and T tables.

    Shapes: each `Csr` is (indptr, numbers), the numbers of words in order, those of 3-grams and letters as said.

    Attributes:
        column_words, table_words: words of each name, the shared prefix left out.
        column_grams, table_grams, full_grams: sets of 3-grams, ascending: of the column's name, the table's, and both.
        column_letters, table_letters: code points of the joined words.
        word_letters: code points of each word.
        weight: of each word, by its rarity among the columns' names.
        frequency: (C,) columns of the same name.
        last_word: (C,) number of the last word, -1 where there is none.
        keyness: (C,) how often columns of this last word are first in their table and unique.
    """

    column_words: Csr
    table_words: Csr
    column_grams: Csr
    table_grams: Csr
    full_grams: Csr
    column_letters: Csr
    table_letters: Csr
    word_letters: Csr
    weight: Float64
    frequency: Float64
    last_word: Int64
    keyness: Float64


def words_of(text: str) -> list[str]:
    """The words of a name in lower case: what blanks, signs and digits part, and capitals after small letters."""
    text = text[:MAX_CHARS]
    if not (text.islower() or text.isupper()):
        text = "".join(_with_breaks(text))
    return _PARTS.findall(text.lower())


def _with_breaks(text: str) -> Iterable[str]:
    for place, letter in enumerate(text):
        if place and letter.isupper():
            before, after = text[place - 1], text[place + 1 : place + 2]
            if before.islower() or (before.isupper() and after.islower()):
                yield " "
        yield letter


def read_names(lake: Lake) -> Names:
    """The names of a lake's columns and tables. O(letters)."""
    column_words = without_prefixes([words_of(name) for name in lake.names], lake.table_of)
    table_words = [words_of(name.rpartition("/")[2]) for name in lake.tables]
    number: dict[str, int] = {}
    columns, tables = _numbered(column_words, number), _numbered(table_words, number)
    held = Counter(word for words in column_words for word in set(words))
    weight = [math.log((lake.n + 1) / (held[word] + 1)) + 0.1 for word in number]
    flat, table_flat = ["_".join(words) for words in column_words], ["_".join(words) for words in table_words]
    full = [f"{table_flat[table]}_{name}" for table, name in zip(lake.table_of.tolist(), flat, strict=True)]
    grams: dict[str, int] = {}
    frequency = Counter(flat)
    last = np.array([columns[1][end - 1] if end > start else -1 for start, end in _spans(columns)], np.int64)
    return Names(
        column_words=columns,
        table_words=tables,
        column_grams=_grams(flat, grams),
        table_grams=_grams(table_flat, grams),
        full_grams=_grams(full, grams),
        column_letters=_letters(name.replace("_", "") for name in flat),
        table_letters=_letters(name.replace("_", "") for name in table_flat),
        word_letters=_letters(number),
        weight=np.array(weight, np.float64),
        frequency=np.array([frequency[name] for name in flat], np.float64),
        last_word=last,
        keyness=_keyness(lake, last, len(number)),
    )


def without_prefixes(words: list[list[str]], table_of: Int64) -> list[list[str]]:
    """The words without a first one that four fifths of a table's columns share; columns of one word keep it."""
    starts = np.flatnonzero(np.diff(table_of, prepend=-1)).tolist()
    out = list(words)
    for start, end in zip(starts, [*starts, len(words)][1:], strict=True):
        first = Counter(held[0] for held in words[start:end] if len(held) > 1)
        word, n = first.most_common(1)[0] if first else ("", 0)
        if end - start >= MIN_COLUMNS and n >= SHARED_PREFIX * (end - start):
            out[start:end] = [held[1:] if len(held) > 1 and held[0] == word else held for held in words[start:end]]
    return out


def _keyness(lake: Lake, last: Int64, n_words: int) -> Float64:
    n = np.bincount(last + 1, minlength=n_words + 1)
    is_key = lake.is_unique & (lake.position == 0)
    keys = np.bincount(last[is_key] + 1, minlength=n_words + 1)
    share = (keys + 0.5) / (n + 2)
    found: Float64 = np.where(last >= 0, share[last + 1], 0.1)
    return found


def _numbered(texts: Sequence[Sequence[str]], number: dict[str, int]) -> Csr:
    indptr = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return indptr, np.array([number.setdefault(word, len(number)) for text in texts for word in text], np.int64)


def _grams(texts: Sequence[str], number: dict[str, int]) -> Csr:
    held = [sorted({number.setdefault(gram, len(number)) for gram in _three(text)}) for text in texts]
    indptr = np.cumsum([0, *map(len, held)]).astype(np.int64)
    return indptr, np.array([gram for grams in held for gram in grams], np.int64)


def _three(text: str) -> set[str]:
    return {text[at : at + 3] for at in range(len(text) - 2)} or {text}


def _letters(texts: Iterable[str]) -> Csr:
    held = [text.encode("utf-32-le", "surrogatepass") for text in texts]
    indptr = np.cumsum([0, *(len(text) // 4 for text in held)]).astype(np.int64)
    return indptr, np.frombuffer(b"".join(held), np.uint32).astype(np.int64)


def _spans(csr: Csr) -> list[tuple[int, int]]:
    bounds = csr[0].tolist()
    return list(itertools.pairwise(bounds))
