"""The fixed rule: a score of names and inclusion that was set by hand and learnt from nothing."""

import numpy as np

from lakebed.tasks.keys.kernel.columns import Float64
from lakebed.tasks.keys.kernel.features import PairFacts

LEAST_SHARE = 0.8
FIRST_UNIQUE, TABLE_NAMED, FEWER_VALUES, UNIQUE_SOURCE = 0.2, 0.2, 0.1, 0.25
# the score from which a pair counts, and the chance that it is then given
LEAST_SCORE, LEAST_CHANCE = 0.65, 0.32


def rule_chances(facts: PairFacts) -> Float64:
    """A chance for each pair, (p,), which is a score and not calibrated.

    Likeness of names times inclusion, more where the target is the first unique column of its table, where the source
    names the target's table, and where the source has fewer values; less where the source is unique under another name.
    Targets that are not unique, and inclusions below four fifths, have none.
    """
    share, is_source_unique = facts.figure("forth"), facts.figure("unique_a") > 0
    score = facts.figure("n_max") * share
    score += FIRST_UNIQUE * facts.figure("first_unique_b") + TABLE_NAMED * facts.figure("c_tab_in_a")
    score += FEWER_VALUES * np.exp(np.minimum(facts.figure("log_ratio"), 0))
    score -= UNIQUE_SOURCE * (is_source_unique & (facts.figure("n_equal") == 0))
    chance = np.clip(LEAST_CHANCE + (score - LEAST_SCORE) * (1 - LEAST_CHANCE), 0, 1)
    return np.where((facts.figure("unique_b") > 0) & (share >= LEAST_SHARE), chance, 0.0)
