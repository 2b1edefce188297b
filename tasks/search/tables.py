"""Which tables answer a question for similar ones, and in which order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Float64, Int64
from lakebed.tasks.search.distances import TableVectors
from lakebed.tasks.search.kernel.unions import (
    N_ALIGNED,
    AskedTable,
    ColumnMapping,
    UnionLake,
    Unions,
    map_columns,
    may_be_unionable,
    rank_unions,
)

N_AVERAGED = 5
# of so many tables, those that are most alike, the order is that of new rows
N_NOVEL = 100
BLOCK = 1_000


@dataclass(frozen=True)
class Wanted:
    """How many answers, and of which kind; see `LakeSearch.similar`."""

    k: int
    near: bool = False
    union: bool = False
    novel: bool = False


@dataclass(frozen=True)
class Answer:
    """A table, how much of the asked values it has, the cosine of words, and the columns that lie over each other."""

    table: int
    share: float
    words: float
    mapping: ColumnMapping


def answers(
    known: UnionLake, vectors: TableVectors, asked: AskedTable, wanted: Wanted, proven: Sequence[int]
) -> tuple[list[Answer], list[float | None]]:
    """The answers, the best first, and how far their vectors are.

    Args:
        known: the lake.
        vectors: of its tables.
        asked: the table.
        wanted: how many, of which kind.
        proven: tables that contain it or lie in it, which are answers whatever they share.
    """
    unions = rank_unions(known, asked)
    vector = _vector(vectors, asked, unions)
    away = None if vector is None else vectors.away(vector)
    found = _ranked(known, asked, unions, wanted)
    if not (wanted.union or wanted.novel):
        held = [answer.table for answer in found]
        others = _others(held, proven, away if wanted.near else None, asked.number)
        found += [_answer(known, asked, unions, table) for table in others[: wanted.k - len(found)].tolist()]
    if away is None:
        return found, [None] * len(found)
    return found, [float(away[answer.table]) for answer in found]


def _ranked(known: UnionLake, asked: AskedTable, unions: Unions, wanted: Wanted) -> list[Answer]:
    """The tables that share a value or have a column that could lie under an asked one; or those that are unionable."""
    found: list[Answer] = []
    only_unions = wanted.union or wanted.novel
    # a word in common is little; beyond those that were aligned it is nothing
    tables = unions.table[(np.arange(len(unions.table)) < N_ALIGNED) | (unions.share > 0)]
    n_wanted = max(wanted.k, N_NOVEL) if wanted.novel else wanted.k
    for table in _likely_unions(known, unions, tables) if only_unions else tables.tolist():
        answer = _answer(known, asked, unions, table)
        is_union = answer.mapping.is_unionable or not only_unions
        if is_union and (answer.share > 0 or len(answer.mapping.asked)):
            found.append(answer)
        if len(found) == n_wanted:
            break
    if wanted.novel:
        found[:N_NOVEL] = sorted(found[:N_NOVEL], key=lambda answer: -round(answer.mapping.novel, 9))
    return found[: wanted.k]


def _likely_unions(known: UnionLake, unions: Unions, tables: Int64) -> Iterator[int]:
    """Those of some tables that an assignment could put under the asked one; so many are looked at as are wanted."""
    for start in range(0, len(tables), BLOCK):
        block = tables[start : start + BLOCK]
        yield from block[may_be_unionable(known, unions, block)].tolist()


def _answer(known: UnionLake, asked: AskedTable, unions: Unions, table: int) -> Answer:
    place = np.flatnonzero(unions.table == table)
    share, words = (float(figure[place].sum()) for figure in (unions.share, unions.words))
    return Answer(table, share, words, map_columns(known, asked, unions, table))


def _others(held: Sequence[int], proven: Sequence[int], away: Float64 | None, asked: int) -> Int64:
    """Behind what has something in common what was proven of, and then the others by their distance, if so wanted."""
    tables = np.setdiff1d(np.array(proven, np.int64), np.array(held, np.int64))
    if away is None:
        return tables
    order = np.lexsort((np.arange(len(away)), away))
    is_known = np.isin(order, [*tables.tolist(), *held, asked])
    return np.concatenate([tables, order[~is_known & np.isfinite(away[order])]])


def _vector(vectors: TableVectors, asked: AskedTable, unions: Unions) -> NDArray[Any] | None:
    """The table's own, or the mean of the best ones', by how much of it they hold; None where they hold nothing."""
    if asked.number >= 0:
        return vectors.of(asked.number)
    best = [at for at in range(min(N_AVERAGED, len(unions.table))) if unions.share[at] > 0]
    if not best:
        return None
    found: NDArray[Any] = unions.share[best].astype(np.float32) @ np.stack(
        [vectors.of(int(unions.table[at])) for at in best]
    )
    return found
