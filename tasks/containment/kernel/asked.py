"""Which sets of a text file's columns the tables around it ask as text: each distinct set once, with who asks it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64, group_schemas, schema_edges


@dataclass(frozen=True)
class Columns:
    """Columns of tables that have the same ones, as numbers of tokens.

    Attributes:
        tokens: all of them, ascending.
        chosen: of a text file those with a type and a text, of a table that asks its strings; ascending.
        typed: of a table that asks those that are no strings, ascending.
        n_tables: how many tables have them.
    """

    tokens: Int32
    chosen: Int32
    typed: Int32
    n_tables: int


def asked_sets(
    texts: Sequence[Columns], others: Sequence[Columns], n_at_most: int
) -> tuple[list[list[frozenset[int]]], Int64]:
    """The sets of columns of each text file that are asked as text, most asked first, and how many more there are.

    A table asks where one's columns are all among the other's, and it has a string where the text file has a type. It
    asks all but what it has a type for itself: what it lacks is text too, so one set serves all tables of text alone.

    Shapes: result, for each of `texts` at most `n_at_most` sets, and (len(texts),).
    Cost: O(pairs of schemas that contain each other, times their columns).
    """
    rows = [*texts, *others]
    groups = group_schemas(_indptr([one.tokens for one in rows]), _joined([one.tokens for one in rows]))
    children, parents = schema_edges(groups)
    is_twofold = children != parents
    pairs = np.concatenate([np.stack([children, parents]), np.stack([parents, children])[:, is_twofold]], axis=1)
    order = np.argsort(pairs[0], kind="stable")
    # a row of what numpy picks from both is not contiguous, for which the kernel would be compiled anew
    schema, partner = pairs[0][order], pairs[1][order]
    others_of, place = _grouped(groups.schema_of_table[len(texts) :], groups.n_schemas)
    digests = _digests(int(groups.tokens.max(initial=-1)) + 1)
    found = _distinct(
        (groups.schema_of_table[: len(texts)], np.searchsorted(schema, np.arange(groups.n_schemas + 1)), partner),
        (others_of, place),
        tuple(_flat([one.chosen for one in side]) for side in (texts, others)),
        _flat([one.typed for one in others]),
        (np.array([one.n_tables for one in others], np.int64), digests),
    )
    return _chosen(texts, others, found, n_at_most)


def _chosen(
    texts: Sequence[Columns], others: Sequence[Columns], found: tuple[Int64, Int64, Int64], n_at_most: int
) -> tuple[list[list[frozenset[int]]], Int64]:
    text, other, n_asking = found
    order = np.lexsort((other, -n_asking, text))
    starts = np.searchsorted(text[order], np.arange(len(texts) + 1))
    typed = [frozenset(one.typed.tolist()) for one in others]
    sets = [
        [mine - typed[number] for number in other[order[low:high][:n_at_most]].tolist()]
        for mine, low, high in zip(
            (frozenset(one.chosen.tolist()) for one in texts), starts[:-1].tolist(), starts[1:].tolist(), strict=True
        )
    ]
    return sets, np.maximum(np.diff(starts) - n_at_most, 0).astype(np.int64)


def _indptr(rows: Sequence[Int32]) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in rows], dtype=np.int64)])


def _joined(rows: Sequence[Int32]) -> Int32:
    return np.concatenate([np.empty(0, np.int32), *rows]).astype(np.int32)


def _flat(rows: Sequence[Int32]) -> tuple[Int64, Int32]:
    return _indptr(rows), _joined(rows)


def _grouped(group: Int32, n_groups: int) -> tuple[Int64, Int64]:
    """The places of each group's members: where they start, (n_groups + 1,), and the places, (n,)."""
    order: Int64 = np.argsort(group, kind="stable")
    return np.searchsorted(group[order], np.arange(n_groups + 1)), order


def _digests(n_tokens: int) -> NDArray[np.uint64]:
    """128 random bits for each token, of which sets have the sums for a digest: (n_tokens, 2)."""
    return np.random.default_rng(0).integers(0, 1 << 64, (n_tokens, 2), np.uint64)


@njit(cache=True, nogil=True)
def _distinct(pairs, others_of, chosen, typed, weights):  # type: ignore[no-untyped-def]
    """(text, one table that asks for a set, tables that ask for it) for each distinct set of each text."""
    schema_of_text, starts, partners = pairs
    texts = np.empty(1024, np.int64)
    askers, counts = texts.copy(), texts.copy()
    n_found = 0
    for text in range(len(schema_of_text)):
        known = {(np.uint64(0), np.uint64(0)): np.int64(-1)}
        schema = schema_of_text[text]
        for index in range(starts[schema], starts[schema + 1]):
            partner = partners[index]
            for place in range(others_of[0][partner], others_of[0][partner + 1]):
                other = others_of[1][place]
                asked = _digest(_row(chosen[0], text), _row(chosen[1], other), _row(typed, other), weights[1])
                if asked == (0, 0):
                    continue
                if asked in known:
                    counts[known[asked]] += weights[0][other]
                    continue
                if n_found == len(texts):
                    texts, askers, counts = _doubled(texts), _doubled(askers), _doubled(counts)
                texts[n_found], askers[n_found], counts[n_found] = text, other, weights[0][other]
                known[asked] = np.int64(n_found)
                n_found += 1
    return texts[:n_found], askers[:n_found], counts[:n_found]


@njit(cache=True, nogil=True)
def _row(flat, place):  # type: ignore[no-untyped-def]
    return flat[1][flat[0][place] : flat[0][place + 1]]


@njit(cache=True, nogil=True)
def _digest(mine, strings, typed, digests):  # type: ignore[no-untyped-def]
    """Of the columns that are left to be asked; zeros where the other has none of them as a string."""
    first, second = np.uint64(0), np.uint64(0)
    has_string = False
    a = b = 0
    for token in mine:
        while a < len(strings) and strings[a] < token:
            a += 1
        while b < len(typed) and typed[b] < token:
            b += 1
        has_string |= a < len(strings) and strings[a] == token
        if b == len(typed) or typed[b] != token:
            first += digests[token, 0]
            second += digests[token, 1]
    return (first, second) if has_string else (np.uint64(0), np.uint64(0))


@njit(cache=True, nogil=True)
def _doubled(values):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * len(values), values.dtype)
    larger[: len(values)] = values
    return larger
