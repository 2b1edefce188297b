"""Names of topics and of the levels above them: the words that their tables share and others lack."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.words import words_of
from lakebed.tasks.topics.kernel.tree import Tree

N_WORDS, COVER_POWER = 3, 4
# of the best words of a node those that are looked at, of which many may be forms of one
N_TRIED = 32
# of the tables below a level above topics, those that have a word of its name: else it says nothing of them
LEAST_COVER = 0.8
# a word that ends so many columns and is a first, unique column so often says that there is a key, and not of what
LEAST_COLUMNS, KEY_SHARE = 3, 0.5
# the same in every language, also where a lake has them in columns that are no keys
IDS = frozenset({"id", "ids", "uid", "uuid", "guid"})
# a word of so many letters that begins another is had where that is: `claim` in `claims`, `kunden` in `kundennummer`
LEAST_STEM = 4
# values of a column whose words are counted, and of how many of them a word must be
N_TEXTS, LEAST_TEXTS, MOST_WORDS = 64, 0.1, 5


@dataclass(frozen=True)
class Words:
    """How often each table has each word, by itself or as another's beginning.

    Shapes: counts (T, W) CSR; words (W,) texts.
    """

    counts: sp.csr_array
    words: Sequence[str]

    def of_copies(self, copy_of: Int64) -> "Words":
        """Of all tables, where these are the distinct ones. Shapes: copy_of (n,)."""
        return Words(self.counts[copy_of], self.words)


def words_of_tables(facts: ColumnFacts, texts: Sequence[Sequence[str] | None]) -> Words:
    """Words of tables' names, of columns' names, and the frequent ones of text columns' values.

    Numbers, single letters and words of key columns are left out. A word that begins another is had with that one, so
    that forms and compounds of a word count for it, in any language that inflects and joins at the end.

    Shapes: texts (C,): some values of each text column, None of others.
    """
    names, lake = facts.names, facts.lake
    known = dict(names.vocabulary.words)
    is_naming = _naming(facts, list(known))
    n_tables = len(lake.tables)
    rows = [np.repeat(np.arange(n_tables), np.diff(names.table_words[0])),
            np.repeat(lake.table_of, np.diff(names.column_words[0]))]  # fmt: skip
    numbers = [names.table_words[1], names.column_words[1]]
    for column, held in enumerate(texts):
        found = [known.setdefault(word, len(known)) for word in _frequent(held or ())]
        rows.append(np.full(len(found), lake.table_of[column]))
        numbers.append(np.array(found, np.int64))
    row, number = np.concatenate(rows), np.concatenate(numbers)
    words = list(known)
    may_name = np.concatenate([is_naming, [_says(word) for word in words[len(is_naming) :]]]).astype(np.bool_)
    is_kept = may_name[number]
    shape = (n_tables, max(len(words), 1))
    counts = sp.csr_array((np.ones(int(is_kept.sum())), (row[is_kept], number[is_kept])), shape=shape)
    counts.sum_duplicates()
    return Words(sp.csr_array(counts + counts @ _beginnings(words, np.unique(counts.indices))), words)


def _beginnings(words: Sequence[str], told: Int64) -> sp.csr_array:
    """Which words begin which, both among those told, (W, W). O(letters)."""
    number = {words[place]: place for place in told.tolist()}
    pairs = [
        (place, number[word[:end]])
        for word, place in number.items()
        for end in range(LEAST_STEM, len(word))
        if word[:end] in number
    ]
    row, column = np.array(pairs, np.int64).reshape(-1, 2).T
    n = max(len(words), 1)
    return sp.csr_array((np.ones(len(row)), (row, column)), shape=(n, n))


def _naming(facts: ColumnFacts, words: Sequence[str]) -> Bool:
    """Which words of the vocabulary may name, (W,)."""
    last = facts.names.last_word
    n_last = np.bincount(last[last >= 0], minlength=len(words))
    is_key = (n_last >= LEAST_COLUMNS) & (facts.names.vocabulary.key_share >= KEY_SHARE)
    return np.array([_says(word) for word in words], np.bool_) & ~is_key


def _says(word: str) -> bool:
    return len(word) > 1 and not word.isdecimal() and word not in IDS


def _frequent(texts: Sequence[str]) -> list[str]:
    """The words that at least a tenth of the texts have, and two of them, the most frequent first."""
    some = texts[:N_TEXTS]
    held = Counter(word for text in some for word in set(words_of(text)))
    least = max(2, LEAST_TEXTS * len(some))
    found = sorted((-n, word) for word, n in held.items() if n >= least)
    return [word for _, word in found[:MOST_WORDS]]


def names_of(tree: Tree, words: Words) -> list[tuple[str, ...]]:
    """At most three words of each topic and each level above one, the best first; none of what is below.

    Class-based TF-IDF over the topics (Grootendorst 2022, "BERTopic") times (share of the node's tables that have the
    word)⁴; a word of a node above is not said again, nor one that begins it or is begun by it, and levels above
    topics have only words that four fifths of their tables have, mostly none. O(levels · words of tables).

    Returns: words of each node, (N,).
    """
    above = tree.level_parent
    below = _covered(tree, above)
    total = np.asarray(words.counts.sum(axis=0)).ravel()
    mean = total.sum() / max(int(tree.topic.max(initial=-1)) + 1, 1)
    rare = np.log1p(mean / np.maximum(total, 1))
    names: list[tuple[str, ...]] = [()] * len(tree.parent)
    depth = _depths(above)
    for level in range(int(depth[below].max(initial=0)) + 1):
        nodes = below[depth[below] == level]
        scores = _scores(tree, above, nodes, words.counts, rare)
        bounds = scores.indptr.tolist()
        for place, node in enumerate(nodes.tolist()):
            start, end, said = bounds[place], bounds[place + 1], _said(names, above, node)
            best = np.lexsort((scores.indices[start:end], -scores.data[start:end]))[:N_TRIED]
            names[node] = _told((words.words[number] for number in scores.indices[start + best].tolist()), said)
    return names


def _told(best: Iterable[str], said: set[str]) -> tuple[str, ...]:
    """The first words of which none was said or is another form of one that was."""
    found: list[str] = []
    for word in best:
        if not any(word.startswith(other) or other.startswith(word) for other in (*found, *said)):
            found.append(word)
        if len(found) == N_WORDS:
            break
    return tuple(found)


def _covered(tree: Tree, above: Int64) -> Int64:
    """Topics and the levels above them; the root only where it is a topic."""
    is_told, at = tree.topic >= 0, np.flatnonzero(tree.topic >= 0)
    while len(at):
        is_told[at] = True
        at = np.unique(above[at])
        at = at[at >= 0]
    return np.flatnonzero(is_told & ((tree.parent >= 0) | (tree.topic >= 0)))


def _depths(above: Int64) -> Int64:
    """Levels above each node, (N,); nodes stand before those above them."""
    depth = np.zeros(len(above), np.int64)
    at = above
    while (at >= 0).any():
        depth += at >= 0
        at = np.where(at >= 0, above[at], -1)
    return depth


def _scores(tree: Tree, above: Int64, nodes: Int64, counts: sp.csr_array, rare: Float64) -> sp.csr_array:
    """(nodes, W) what each word says of each node; nodes of one level, none below another."""
    place = np.full(len(tree.parent), -1, np.int64)
    place[nodes] = np.arange(len(nodes))
    at, of = np.arange(tree.n), np.full(tree.n, -1, np.int64)
    while (at >= 0).any():
        is_new = (at >= 0) & (of < 0)
        of[is_new] = place[at[is_new]]
        at = np.where(at >= 0, above[at], -1)
    held = np.flatnonzero(of >= 0)
    members = sp.csr_array((np.ones(len(held)), (of[held], held)), shape=(len(nodes), tree.n))
    frequency, cover = members @ counts, members @ (counts > 0).astype(np.float64)
    row = np.repeat(np.arange(len(nodes)), np.diff(frequency.indptr))
    frequency.sort_indices()
    cover.sort_indices()
    share = cover.data / tree.size[nodes][row]
    all_words = np.maximum(np.asarray(frequency.sum(axis=1)).ravel(), 1)[row]
    data = frequency.data / all_words * rare[frequency.indices] * share**COVER_POWER
    data[(share < LEAST_COVER) & (tree.topic[nodes][row] < 0)] = 0.0
    found = sp.csr_array((data, frequency.indices, frequency.indptr), shape=frequency.shape)
    found.eliminate_zeros()
    return found


def _said(names: Sequence[tuple[str, ...]], above: Int64, node: int) -> set[str]:
    """The words of the levels above."""
    found: set[str] = set()
    at = int(above[node])
    while at >= 0:
        found.update(names[at])
        at = int(above[at])
    return found
