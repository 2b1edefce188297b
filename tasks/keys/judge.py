"""Who says how likely a pair of columns is a key."""

from dataclasses import dataclass

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.kernel.columns import Float64
from lakebed.tasks.keys.kernel.features import PairFacts
from lakebed.tasks.keys.kernel.rule import rule_chances
from lakebed.tasks.keys.kernel.trees import Trees, tree_chances
from lakebed.tasks.keys.model import read_trees


@dataclass(frozen=True)
class Judge:
    """The trees, or the fixed rule where there are none.

    Attributes:
        name: `trees` or `rule`.
        why: why the rule decides; empty where the trees do.
    """

    name: str
    why: str
    trees: Trees | None

    def __call__(self, facts: PairFacts) -> Float64:
        """The chance of each pair, (p,)."""
        return rule_chances(facts) if self.trees is None else tree_chances(self.trees, facts.features)


def judge_of(config: KeysConfig) -> Judge:
    """Who decides under these settings.

    Raises:
        ArtifactError: if the trees' file is damaged.
    """
    if config.model == "rule":
        return Judge("rule", 'keys.model = "rule"', None)
    trees = read_trees()
    return Judge("rule", "this installation has no file of trees", None) if trees is None else Judge("trees", "", trees)
