"""What an answer is."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Neighbour:
    """One answer: a table or a column, how far its vector is, and why it is there.

    `distance` is that of the vectors (0 equal, 2 opposite), of the n-grams for a text; None where there is no vector.
    """

    kind: Literal["table", "column"]
    name: str
    distance: float | None
    why: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As `--json` and HTTP give it."""
        return {self.kind: self.name, "distance": self.distance, "why": self.why}
