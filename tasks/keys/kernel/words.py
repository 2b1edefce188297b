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
LEAST_WEIGHT = 0.1
# of columns of a word that no other has, and of those without one
UNKNOWN_KEY_SHARE, NO_WORD_KEY_SHARE = 0.25, 0.1

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
        vocabulary: what a table that is not among these is read by.
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
    vocabulary: "Vocabulary"


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of words and of 3-grams, how many columns have a name, and how often those of a last word are keys.

    Shapes: key_share (W,).
    """

    words: dict[str, int]
    grams: dict[str, int]
    n_named: Counter[str]
    key_share: Float64


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
    read = _Read.of(lake, {}, {})
    held = Counter(word for words in read.columns for word in set(words))
    weight = [math.log((lake.n + 1) / (held[word] + 1)) + LEAST_WEIGHT for word in read.words]
    n_named, last = Counter(read.flat), read.last_word
    share = _key_shares(lake, last, len(read.words))
    return Names(
        **read.csrs,
        word_letters=_letters(read.words),
        weight=np.array(weight, np.float64),
        frequency=np.array([n_named[name] for name in read.flat], np.float64),
        last_word=last,
        keyness=_keyness(share, last),
        vocabulary=Vocabulary(read.words, read.grams, n_named, share),
    )


def with_names(known: Names, table: Lake) -> Names:
    """The names with those of one table more, its columns the last; what a word tells is what it tells of the others.

    O(letters of the table's names, words and columns of the others).
    """
    old = known.vocabulary
    read = _Read.of(table, dict(old.words), dict(old.grams))
    n_new = len(read.words) - len(old.words)
    share = np.concatenate([old.key_share, np.full(n_new, UNKNOWN_KEY_SHARE)])
    n_named = Counter(read.flat)
    joined = {name: _joined(getattr(known, name), csr) for name, csr in read.csrs.items()}
    letters = _joined(known.word_letters, _letters(itertools.islice(read.words, len(old.words), None)))
    rare = math.log(len(known.last_word) + 1) + LEAST_WEIGHT
    own = np.array([old.n_named[name] + n_named[name] for name in read.flat], np.float64)
    return Names(
        **joined,
        word_letters=letters,
        weight=np.concatenate([known.weight, np.full(n_new, rare)]),
        frequency=np.concatenate([known.frequency, own]),
        last_word=np.concatenate([known.last_word, read.last_word]),
        keyness=np.concatenate([known.keyness, _keyness(share, read.last_word)]),
        vocabulary=Vocabulary(read.words, read.grams, old.n_named, share),
    )


@dataclass(frozen=True)
class _Read:
    """Names of columns and tables by numbers that were given before, and new ones.

    Attributes:
        columns: words of each column's name.
        flat: the same in one text.
        csrs: the fields of `Names` that are rows of numbers, those of whole words aside.
    """

    columns: list[list[str]]
    flat: list[str]
    words: dict[str, int]
    grams: dict[str, int]
    csrs: dict[str, Csr]

    @staticmethod
    def of(lake: Lake, words: dict[str, int], grams: dict[str, int]) -> "_Read":
        """Adds what is new to words and grams."""
        columns = without_prefixes([words_of(name) for name in lake.names], lake.table_of)
        tables = [words_of(name.rpartition("/")[2]) for name in lake.tables]
        flat, table_flat = ["_".join(held) for held in columns], ["_".join(held) for held in tables]
        full = [f"{table_flat[table]}_{name}" for table, name in zip(lake.table_of.tolist(), flat, strict=True)]
        csrs = {
            "column_words": _numbered(columns, words),
            "table_words": _numbered(tables, words),
            "column_grams": _grams(flat, grams),
            "table_grams": _grams(table_flat, grams),
            "full_grams": _grams(full, grams),
            "column_letters": _letters(name.replace("_", "") for name in flat),
            "table_letters": _letters(name.replace("_", "") for name in table_flat),
        }
        return _Read(columns, flat, words, grams, csrs)

    @property
    def last_word(self) -> Int64:
        """The number of each column's last word; -1 where it has none."""
        held = self.csrs["column_words"]
        return np.array([held[1][end - 1] if end > start else -1 for start, end in _spans(held)], np.int64)


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


def _key_shares(lake: Lake, last: Int64, n_words: int) -> Float64:
    """Of the columns of each last word, how many are first in their table and unique, towards a quarter, (W,)."""
    is_key = lake.is_unique & (lake.position == 0) & (last >= 0)
    n = np.bincount(last[last >= 0], minlength=n_words)
    found: Float64 = (np.bincount(last[is_key], minlength=n_words) + 2 * UNKNOWN_KEY_SHARE) / (n + 2)
    return found


def _keyness(share: Float64, last: Int64) -> Float64:
    found = np.full(len(last), NO_WORD_KEY_SHARE)
    found[last >= 0] = share[last[last >= 0]]
    return found


def _joined(one: Csr, more: Csr) -> Csr:
    """The rows of both."""
    return np.concatenate([one[0], one[0][-1] + more[0][1:]]), np.concatenate([one[1], more[1]])


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
