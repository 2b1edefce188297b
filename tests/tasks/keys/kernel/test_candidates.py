"""Pairs that are taken over from an earlier lake are those that are found anew."""

import numpy as np
import pytest

from lakebed.tasks.keys.kernel import candidates
from lakebed.tasks.keys.kernel.candidates import KnownLists, PairLists, best_pairs, find_lists, find_pairs
from lakebed.tasks.keys.kernel.columns import Lake, numbered


def lake_of(tables):
    """From lists of columns, each a set of small numbers."""
    held = [column for table in tables.values() for column in table]
    hashes = [np.array(sorted(column), np.uint64) * np.uint64(1 << 50) for column in held]
    n = np.array([len(column) for column in held], np.float64)
    table_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables.values()])
    none = np.full(len(held), np.nan)
    names = [str(number) for number in range(len(held))]
    places = np.zeros(len(held), np.int64)
    return Lake(
        list(tables), names, table_of, places, n, n, n, places, none, none, n, *numbered(hashes, [None] * len(held))
    )


def drawn_table(rng):
    """Columns that begin alike, so that lists are long and shares equal."""
    columns = [set(range(int(rng.integers(2, 12)))) for _ in range(rng.integers(1, 4))]
    return [column | {int(one) for one in rng.integers(0, 30, rng.integers(0, 4))} for column in columns]


def known_of(lists, old, new):
    """The lists in the numbers of another lake, by the tables that both have as they are."""
    keys = [
        [(name, n, tuple(sorted(c))) for name, t in tables.items() for n, c in enumerate(t)] for tables in (old, new)
    ]
    place = {key: number for number, key in enumerate(keys[1])}
    to = np.array([place.get(key, -1) for key in keys[0]])
    kept = (to[lists.a] >= 0) & (to[lists.b] >= 0)
    is_cut, is_old = np.zeros(len(keys[1]), bool), np.zeros(len(keys[1]), bool)
    is_old[to[to >= 0]] = True
    is_cut[to[to >= 0]] = lists.is_cut[to >= 0]
    held = PairLists(to[lists.a[kept]], to[lists.b[kept]], lists.share[kept], is_cut, lists.n_probed)
    return KnownLists(held, is_old)


@pytest.mark.parametrize("most", [2, 5, 64])
@pytest.mark.parametrize("seed", range(6))
def test_lists_of_an_edited_lake_are_those_found_anew(monkeypatch, seed, most):
    monkeypatch.setattr(candidates, "_most", lambda lake: most)
    monkeypatch.setattr(candidates, "SPARE", 2)
    rng = np.random.default_rng(seed)
    tables = {f"t{number:03d}": drawn_table(rng) for number in range(30)}
    lists, before, n_short = None, tables, 0
    for night in range(8):
        lake = lake_of(tables)
        groups, is_target = np.zeros(lake.n, np.int64), np.ones(lake.n, bool)
        known = known_of(lists, before, tables) if lists else None
        lists = find_lists(lake, groups, 0.5, is_target, known)
        anew = find_pairs(lake, groups, 0.5, is_target)
        for mine, wanted in zip(vars(best_pairs(lake, lists)).values(), vars(anew).values(), strict=True):
            assert np.array_equal(mine, wanted)
        whole = find_lists(lake, groups, 0.5, is_target)
        # what is taken over may know fewer of the spare ones, but no other ones
        assert (np.bincount(lists.a, minlength=lake.n) <= np.bincount(whole.a, minlength=lake.n)).all()
        n_short += int((np.bincount(lists.a, minlength=lake.n) < np.bincount(whole.a, minlength=lake.n)).sum())
        before, tables = tables, dict(tables)
        for _ in range(rng.integers(1, 4)):
            del tables[list(tables)[rng.integers(len(tables))]]
        tables[f"t{100 + night}"] = drawn_table(rng)
        tables[list(tables)[rng.integers(len(tables))]] = drawn_table(rng)
        tables = dict(sorted(tables.items()))
    assert most > 5 or n_short
