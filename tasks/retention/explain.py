"""Why a table is kept or not, and what came of each way to rebuild it: from the artifact alone."""

from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from lakebed.tasks.retention.plan import EqualCopies, read_copies
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore


@dataclass(frozen=True)
class DecisionFacts:
    """The row of the decision, the ways to rebuild the table, the recipe's texts where it is deleted, its copies."""

    decision: dict[str, Any]
    options: tuple[dict[str, Any], ...]
    rebuild: dict[str, Any] | None
    currency: str
    copies: EqualCopies | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        copies = self.copies.model_dump(mode="json") if self.copies else None
        ways = {"options": list(self.options), "rebuild": self.rebuild}
        return {**self.decision, "currency": self.currency, **ways, "copies": copies}


def explain_decision(store: ArtifactStore, retention: ArtifactRef, name: str) -> DecisionFacts | None:
    """What was decided of a table; None where the artifact does not know it."""
    decisions = store.read(retention, "decisions").filter(pc.field("name") == name).to_pylist()
    if not decisions:
        return None
    options = store.read(retention, "options").filter(pc.field("child") == name).sort_by("rebuild_cost")
    rebuilds = store.read(retention, "rebuilds").filter(pc.field("child") == name).to_pylist()
    currency = str(store.manifest(retention).summary["currency"])
    copies = next((group for group in read_copies(store, retention) if name in group.tables), None)
    return DecisionFacts(decisions[0], tuple(options.to_pylist()), rebuilds[0] if rebuilds else None, currency, copies)
