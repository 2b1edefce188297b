"""The search for foreign keys: pairs, their figures, their chances, and of each column the best."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from lakebed.tasks.keys.kernel.candidates import Pairs, find_pairs
from lakebed.tasks.keys.kernel.choice import best_targets
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts, PairFacts, pair_facts

LEAST_SHARE = 0.5
# between folders chance meetings are many: nearly all values must be there, and the names alike
LEAST_SHARE_ACROSS, LEAST_LIKENESS_ACROSS = 0.95, 0.6

Judge = Callable[[PairFacts], Float64]


@dataclass(frozen=True)
class Found:
    """Foreign keys, ascending by the referring column. Shapes: all (k,), features (k, f).

    Attributes:
        a, b: the referring column and the one referred to.
        is_across: whether their tables lie in two folders.
        n_pairs: pairs that were judged.
    """

    a: Int64
    b: Int64
    chance: Float64
    share: Float64
    is_across: Bool
    features: Float64
    n_pairs: int = 0

    def with_others(self, others: "Found") -> "Found":
        """These, and those of the others whose column refers to nothing yet and that turn none of these round."""
        mine = set(zip(self.b.tolist(), self.a.tolist(), strict=True))
        is_new = ~np.isin(others.a, self.a)
        is_new &= np.array([pair not in mine for pair in zip(others.a.tolist(), others.b.tolist(), strict=True)], bool)
        both = {
            name: np.concatenate([getattr(self, name), getattr(others, name)[is_new]])
            for name in (field.name for field in fields(self) if field.name != "n_pairs")
        }
        order = np.argsort(both["a"], kind="stable")
        return Found(**{name: array[order] for name, array in both.items()}, n_pairs=self.n_pairs + others.n_pairs)


def within_folders(facts: ColumnFacts, judge: Judge, least: float) -> Found:
    """The keys between tables of one folder, from a chance of `least` on."""
    return _found(judge, pair_facts(facts, folder_pairs(facts)), least, is_across=False)


def folder_pairs(facts: ColumnFacts) -> Pairs:
    """The pairs that are judged: half of the values in a unique column of another table of the folder."""
    lake = facts.lake
    return find_pairs(lake, lake.folder_of, LEAST_SHARE, facts.is_nearly_unique)


def across_folders(facts: ColumnFacts, judge: Judge, least: float) -> Found:
    """The keys between tables of two folders, where inclusion and names speak for them."""
    lake, folder = facts.lake, facts.lake.folder_of
    pairs = find_pairs(lake, np.zeros(lake.n, np.int64), LEAST_SHARE_ACROSS, facts.is_unique)
    held = pair_facts(facts, _chosen(pairs, folder[pairs.a] != folder[pairs.b]))
    is_like = held.figure("n_max") >= LEAST_LIKENESS_ACROSS
    return _found(judge, PairFacts(_chosen(held.pairs, is_like), held.features[is_like]), least, is_across=True)


def _chosen(pairs: Pairs, mask: Bool) -> Pairs:
    return Pairs(pairs.a[mask], pairs.b[mask], pairs.overlap[mask])


def _found(judge: Judge, held: PairFacts, least: float, *, is_across: bool) -> Found:
    chance = judge(held)
    best = best_targets(held.pairs, chance, least)
    best = best[np.argsort(held.pairs.a[best], kind="stable")]
    across = np.full(len(best), is_across)
    share = np.minimum(held.figure("forth")[best], 1.0)
    return Found(held.pairs.a[best], held.pairs.b[best], chance[best], share, across, held.features[best], len(chance))
