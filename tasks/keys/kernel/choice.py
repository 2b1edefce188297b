"""Which pairs are said to be keys: of each column the best target, and of two columns one direction."""

import numpy as np

from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64, Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts


def best_targets(pairs: Pairs, chance: Float64, least: float) -> Int64:
    """Places of the chosen pairs, ascending; of equal chances the first pair stays. Shapes: chance (p,)."""
    at = np.flatnonzero(chance >= least)
    order = at[np.lexsort((at, -chance[at], pairs.a[at]))]
    best = order[np.diff(pairs.a[order], prepend=-1) != 0]
    target = np.full(int(max(pairs.a.max(initial=-1), pairs.b.max(initial=-1))) + 1, -1)
    strength = np.full(len(target), -1.0)
    target[pairs.a[best]], strength[pairs.a[best]] = pairs.b[best], chance[best]
    a, b = pairs.a[best], pairs.b[best]
    is_mutual = target[b] == a
    loses = is_mutual & ((strength[b] > chance[best]) | ((strength[b] == chance[best]) & (b < a)))
    chosen: Int64 = best[~loses]
    return chosen


def primary_keys(facts: ColumnFacts) -> Int64:
    """The first unique column without nulls of each table that has one, ascending; needs two rows."""
    lake: Lake = facts.lake
    is_key: Bool = facts.is_unique & (lake.n_filled >= lake.n_rows)
    at = np.flatnonzero(is_key)
    order = at[np.lexsort((lake.position[at], lake.table_of[at]))]
    found: Int64 = np.sort(order[np.diff(lake.table_of[order], prepend=-1) != 0])
    return found
