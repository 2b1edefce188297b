"""The search for foreign keys: pairs, their figures, their chances, and of each column the best."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from lakebed.tasks.keys.kernel.candidates import KnownLists, PairLists, Pairs, best_pairs, find_lists
from lakebed.tasks.keys.kernel.choice import best_targets
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64
from lakebed.tasks.keys.kernel.features import ColumnFacts, PairFacts, containers_of, pair_facts
from lakebed.tasks.keys.kernel.likeness import name_likeness

LEAST_SHARE = 0.5
# between folders chance meetings are many: nearly all values must be there, and the names alike
LEAST_SHARE_ACROSS, LEAST_LIKENESS_ACROSS = 0.95, 0.6
BLOCK = 100_000

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


def within_folders(facts: ColumnFacts, judge: Judge, least: float, lists: PairLists | None = None) -> Found:
    """The keys between tables of one folder, from a chance of `least` on; `lists` are those of `folder_lists`."""
    pairs = best_pairs(facts.lake, lists or folder_lists(facts))
    return _found(facts, pairs, judge, least, is_across=False)


def folder_pairs(facts: ColumnFacts) -> Pairs:
    """The pairs that are judged."""
    return best_pairs(facts.lake, folder_lists(facts))


def folder_lists(facts: ColumnFacts, known: KnownLists | None = None) -> PairLists:
    """Pairs inside a folder: half of the values in a nearly unique column of another table."""
    lake = facts.lake
    return find_lists(lake, lake.folder_of, LEAST_SHARE, facts.is_nearly_unique, known)


def across_lists(facts: ColumnFacts, known: KnownLists | None = None) -> PairLists:
    """Pairs in any folders: nearly all values in a unique column of another table."""
    lake = facts.lake
    return find_lists(lake, np.zeros(lake.n, np.int64), LEAST_SHARE_ACROSS, facts.is_unique, known)


def across_folders(facts: ColumnFacts, judge: Judge, least: float, lists: PairLists | None = None) -> Found:
    """The keys between tables of two folders, where inclusion, as `across_lists` has it, and names speak for them."""
    lake, folder = facts.lake, facts.lake.folder_of
    pairs = best_pairs(lake, lists or across_lists(facts))
    pairs = pairs.take(folder[pairs.a] != folder[pairs.b])
    is_like = name_likeness(lake, facts.names, pairs) >= LEAST_LIKENESS_ACROSS
    return _found(facts, pairs.take(is_like), judge, least, is_across=True)


def _found(facts: ColumnFacts, pairs: Pairs, judge: Judge, least: float, *, is_across: bool) -> Found:
    """Judges the pairs block by block, so that memory stays bounded, and looks again at those that are chosen."""
    containers = containers_of(facts, pairs)
    blocks = (pairs.take(slice(start, start + BLOCK)) for start in range(0, len(pairs.a), BLOCK))
    chances = [judge(pair_facts(facts, block, containers)) for block in blocks]
    chance = np.concatenate([np.empty(0), *chances])
    best = best_targets(pairs, chance, least)
    held = pair_facts(facts, pairs.take(best), containers)
    share = np.minimum(held.figure("forth"), 1.0)
    across = np.full(len(best), is_across)
    return Found(held.pairs.a, held.pairs.b, chance[best], share, across, held.features, len(chance))
