"""What an answer is."""

from dataclasses import dataclass
from typing import Any, Literal

# below these it would tell nothing
FOLDED_MATTERS, KEY_MATTERS, SHARE_MATTERS = 0.005, 0.3, 0.005
LEAST_NOVEL = 0.005
SHOWN_PAIRS = 3


@dataclass(frozen=True)
class Neighbour:
    """One answer: a table or a column, how far its vector is, and why it is there, said of the answer.

    `distance` is that of the vectors (0 equal, 2 opposite), of the n-grams for a text; None where there is no vector.
    """

    kind: Literal["table", "column"]
    name: str
    distance: float | None
    why: dict[str, Any]

    @property
    def share(self) -> float | None:
        """How much of what was asked about it holds, from 0 to 1; None for a text."""
        share: float | None = self.why.get("shared", self.why.get("share"))
        return share

    def as_dict(self) -> dict[str, Any]:
        """As `--json` and HTTP give it."""
        return {self.kind: self.name, "share": self.share, "distance": self.distance, "why": self.why}

    def why_text(self) -> str:
        """The reasons in one line, of which the answer is the subject."""
        why = self.why
        parts = [str(why["containment"])] if why.get("containment") else []
        if "columns" in why:
            parts += [_pair_text(pair) for pair in why["columns"][:SHOWN_PAIRS]]
            if why["unionable"]:
                parts.append(_union_text(len(why["columns"]), why["novel"]))
        elif "shared_values" in why:
            parts.append(f"holds {why['share']:.0%} of the values, {why['shared_values']:,} in common")
            if why.get("spelled_alike"):
                parts.append(f"spelled {why['spelled_alike']:.0%} alike: a transformation is needed before they join")
            if why.get("folded_share", 0) > why["share"] + FOLDED_MATTERS:
                parts.append(f"{why['folded_share']:.0%} once case, blanks and number texts are folded")
            if (why.get("key_chance") or 0) >= KEY_MATTERS:
                parts.append(f"a key at {why['key_chance']:.0%}")
        else:
            parts.append(f"{why['matched']} {why.get('value', '')}".strip())
        if why.get("predicted_link") is not None:
            parts.append(f"predicted link {why['predicted_link']:.0%}")
        predicted = why.get("predicted_columns", [])[:1]
        parts += [f"predicted {pair['column']} = {pair['in']} {pair['chance']:.0%}" for pair in predicted]
        if why.get("values"):
            parts.append("such as " + ", ".join(str(value) for value in why["values"]))
        return "; ".join(parts) or _nothing_text(why)


def _union_text(n_columns: int, novel: float) -> str:
    """That it could be put under what was asked about, and what that would bring."""
    new = f", at least {novel:.0%} of its rows new" if novel >= LEAST_NOVEL else ""
    return f"unionable on {n_columns} column{'' if n_columns == 1 else 's'}{new}"


def _pair_text(pair: dict[str, Any]) -> str:
    """Two columns of which one lies over the other."""
    if pair["share"] >= SHARE_MATTERS:
        return f"{pair['in']} holds {pair['share']:.0%} of {pair['column']}"
    return f"{pair['in']} is like {pair['column']}"


def _nothing_text(why: dict[str, Any]) -> str:
    return "has words in common" if why.get("words") else "shares no value; near in the graph"
