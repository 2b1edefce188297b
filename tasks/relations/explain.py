"""What the relations artifact says of one table, in words; read from the artifacts alone."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

MAX_NAMES = 4


@dataclass(frozen=True)
class RelationVerdict:
    """How one relation of a table ended.

    Attributes:
        kind: `union`, `partition`, `renamed` or `near`.
        child: name of the table, with its part.
        parents: names.
        verdict: `proven`, `coincidental`, `refuted` or `near miss`.
        reason: in words.
        facts: the row of the artifact behind it.
    """

    kind: str
    child: str
    parents: tuple[str, ...]
    verdict: str
    reason: str
    facts: dict[str, Any] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def explain_relations(store: ArtifactStore, relations: ArtifactRef, name: str) -> list[RelationVerdict]:
    """Every relation of the table, as child or as parent: the proven first, then near misses, then the refuted."""
    found = [*_proven(store.read(relations, "proven"), name), *_near(store.read(relations, "near"), name)]
    found += _refuted(store.read(relations, "refuted"), name)
    order = ("proven", "near miss", "coincidental", "refuted")
    return sorted(found, key=lambda verdict: (order.index(verdict.verdict), verdict.kind, verdict.child))


def renamed_columns(column_map: str) -> str:
    """The columns whose names differ, as `child = parent, …`."""
    pairs = [(_name(child), _name(parent)) for child, parent in json.loads(column_map).items() if child != parent]
    return ", ".join(f"{child} = {parent}" for child, parent in pairs)


def proof_in_words(row: dict[str, Any]) -> str:
    """What a row of PROVEN says."""
    n_rows = f"{row['n_child_distinct']:,} distinct rows"
    match row["kind"]:
        case "union":
            said = f"the {row['n_parents']} tables together hold its {n_rows}"
        case "partition":
            said = f"the table holds the {n_rows} of this part"
        case _:
            said = f"its {n_rows} lie there under other names: {renamed_columns(row['column_map'])}"
    if row["coincidental"]:
        return f"{said}; called coincidental: {row['coincidental_reason']} (heuristic chance {row['chance']:.2g})"
    return said


def _proven(rows: pa.Table, name: str) -> Iterator[RelationVerdict]:
    for row in _of_table(rows, name):
        verdict = "coincidental" if row["coincidental"] else "proven"
        yield RelationVerdict(row["kind"], _child(row), tuple(row["parents"]), verdict, proof_in_words(row), row)


def _refuted(rows: pa.Table, name: str) -> Iterator[RelationVerdict]:
    for row in _of_table(rows, name):
        reason = f"samples proposed it; {row['n_missing']:,} of {row['n_child_distinct']:,} distinct rows are missing"
        if row["kind"] == "renamed":
            reason += f" under {renamed_columns(row['column_map'])}"
        yield RelationVerdict(row["kind"], _child(row), tuple(row["parents"]), "refuted", reason, row)


def _near(rows: pa.Table, name: str) -> Iterator[RelationVerdict]:
    mine = rows.filter(pc.or_(pc.equal(rows["child"], name), pc.equal(rows["parent"], name)))
    for row in mine.to_pylist():
        reason = f"{row['n_missing']:,} of {row['n_compared']:,} distinct rows compared are missing"
        if not row["is_exact"]:
            low, high = 100 * row["fraction_low"], 100 * row["fraction_high"]
            reason += f"; between {low:.2f} and {high:.2f} % of all are there"
        if row["coincidental"]:
            reason += f"; maybe a coincidence (heuristic chance {row['chance']:.2g})"
        yield RelationVerdict("near", row["child"], (row["parent"],), "near miss", reason, row)


def _of_table(rows: pa.Table, name: str) -> list[dict[str, Any]]:
    return [row for row in rows.to_pylist() if name == row["child"] or name in row["parents"]]


def _child(row: dict[str, Any]) -> str:
    return f"{row['child']} [{row['child_part']}]" if row["child_part"] else str(row["child"])


def _name(token: str) -> str:
    return ".".join(str(step) for step in json.loads(token))


def short(names: tuple[str, ...]) -> str:
    """A few of the names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
