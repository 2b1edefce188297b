"""Certificates and chance of relations, as rows of the artifact."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.version import ENGINE
from lakebed.tasks.containment.evidence import TableFacts
from lakebed.tasks.containment.kernel.chance import Chance, edge_chance
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.relations.kernel.columns import mapped_chances
from lakebed.tasks.relations.search import RelationView, Sampled, Setting

_NO_MAP = "each column of the child to the parents' of the same name"


@dataclass(frozen=True)
class Proof:
    """What was compared of one relation, and what came of it.

    Attributes:
        kind: of the relation.
        child: its table_id.
        part: label of the part; empty for the whole table.
        parents: table_ids.
        targets: (k,) entries of the parents' columns, one for each of the child's; for a union those of one
            of the candidates, whose names are the child's.
        n_child_rows, n_child_distinct: counts.
        n_parent_distinct: distinct rows on the compared columns, of each parent.
        n_added: distinct rows of the child that each parent adds to those before it.
        n_missing: rows of the child that no parent has.
        hashes: keyed digests of the child's distinct rows, and of the parents' rows equal to them, in hex.
        child_bytes: size of the child's files.
        n_choices: in how many ways the parents could have been chosen among the candidates.
    """

    kind: str
    child: int
    part: str
    parents: tuple[int, ...]
    targets: tuple[int, ...]
    n_child_rows: int
    n_child_distinct: int
    n_parent_distinct: tuple[int, ...]
    n_added: tuple[int, ...]
    n_missing: int
    hashes: tuple[str, str]
    child_bytes: int
    n_choices: float = 1.0


@dataclass(frozen=True)
class Judge:
    """What rows of the artifact are made from."""

    view: RelationView
    sampled: Sampled
    setting: Setting
    facts: TableFacts

    def proven_rows(self, proofs: Sequence[Proof]) -> list[dict[str, Any]]:
        """Rows of PROVEN, numbered."""
        chances = self.chances([(proof.child, proof.targets) for proof in proofs])
        rows = []
        for number, (proof, columns) in enumerate(zip(proofs, chances, strict=True)):
            chance = self._chance(proof, columns)
            reason = self._coincidence(proof, chance)
            rows.append(
                {
                    **self._names(number, proof),
                    "semantics": self.setting.containment.semantics,
                    "n_child_rows": proof.n_child_rows,
                    "n_child_distinct": proof.n_child_distinct,
                    "n_parents": len(proof.parents),
                    "chance": chance.chance,
                    "coincidental": reason is not None,
                    "coincidental_reason": reason,
                    "chance_parts": self._chance_parts(proof, chance),
                    "child_bytes": proof.child_bytes,
                    "certificate": self._certificate(proof),
                }
            )
        return rows

    def refuted_rows(self, proofs: Sequence[Proof]) -> list[dict[str, Any]]:
        """Rows of REFUTED, numbered."""
        return [
            {
                **self._names(number, proof),
                "n_child_distinct": proof.n_child_distinct,
                "n_missing": proof.n_missing,
            }
            for number, proof in enumerate(proofs)
        ]

    def chances(self, maps: Sequence[tuple[int, tuple[int, ...]]], share: float = 1.0) -> list[NDArray[np.float64]]:
        """Chance of each column of (child, targets); each map is scored once."""
        distinct = list(dict.fromkeys(maps))
        lake = self.view.lake
        mine = [np.arange(len(lake.bounds.token))[lake.columns_of(child)] for child, _ in distinct]
        columns = np.concatenate([np.empty(0, np.int64), *mine])
        targets = np.array([target for _, entries in distinct for target in entries], np.int64)
        scores = mapped_chances(lake.bounds, self.sampled.columns, columns, targets, share)
        ends = np.cumsum([len(entries) for entries in mine])[:-1]
        of_map = dict(zip(distinct, np.split(scores, ends), strict=True)) if distinct else {}
        return [of_map[key] for key in maps]

    def same_columns(self, child: int, parent: int) -> tuple[int, ...]:
        """The parent's entries of the same names as the child's columns."""
        lake = self.view.lake
        tokens = lake.bounds.token[lake.columns_of(child)].astype(np.int64)
        return tuple(lake.entries(np.full(len(tokens), parent, np.int64), tokens).tolist())

    def _chance(self, proof: Proof, columns: NDArray[np.float64]) -> Chance:
        n_values = self.sampled.columns.n_distinct()
        held = [n_values[list(proof.targets)]]
        if proof.kind == "union":
            held = [n_values[list(self.same_columns(proof.child, parent))] for parent in proof.parents]
        found = edge_chance(columns, sum(proof.n_parent_distinct), np.max(held, axis=0), proof.n_child_distinct)
        return replace(found, chance=min(1.0, found.chance * proof.n_choices))

    def _coincidence(self, proof: Proof, chance: Chance) -> str | None:
        config = self.setting.relations
        if proof.kind in ("renamed", "union") and len(proof.targets) == 1:
            return "single-column"
        if proof.kind == "renamed" and proof.n_child_distinct < config.min_distinct:
            return "low-cardinality"
        if proof.kind == "union" and proof.n_child_distinct < config.min_rows_per_parent * len(proof.parents):
            return "fragmented"
        return "chance" if chance.chance > self.setting.containment.chance_threshold else None

    def _names(self, number: int, proof: Proof) -> dict[str, Any]:
        names = self.view.lake.names
        return {
            "relation_id": number,
            "kind": proof.kind,
            "child": names[proof.child],
            "child_id": proof.child,
            "child_part": proof.part,
            "parents": [names[parent] for parent in proof.parents],
            "parent_ids": list(proof.parents),
            "column_map": _json(self._column_map(proof)),
        }

    def _column_map(self, proof: Proof) -> dict[str, str]:
        lake = self.view.lake
        mine = [lake.tokens[token] for token in lake.bounds.token[lake.columns_of(proof.child)]]
        theirs = [lake.tokens[token] for token in lake.bounds.token[list(proof.targets)]]
        return dict(zip(mine, theirs, strict=True))

    def _chance_parts(self, proof: Proof, chance: Chance) -> str:
        columns = dict(zip(self._column_map(proof), (round(value, 9) for value in chance.columns), strict=True))
        facts = {"columns": columns, "parent_row_density": chance.density, "n_choices": proof.n_choices}
        return _json({**facts, "is_heuristic": True})

    def _certificate(self, proof: Proof) -> str:
        containment, lake = self.setting.containment, self.view.lake
        sizes = max(1, proof.n_child_distinct) * max(1, sum(proof.n_parent_distinct))
        tokens = [json.loads(lake.tokens[token]) for token in lake.bounds.token[lake.columns_of(proof.child)]]
        renamed = {child: parent for child, parent in self._column_map(proof).items() if child != parent}
        part = {"child_part": {"label": proof.part, "files": self._part_files(proof)}} if proof.part else {}
        return _json(
            {
                "kind": proof.kind,
                "child": self.facts.identity[proof.child],
                **part,
                "parents": [self.facts.identity[parent] for parent in proof.parents],
                "semantics": containment.semantics,
                "strict_types": containment.strict_types,
                "encoding": ENCODING_ID,
                "key_id": self.facts.key_id,
                "engine": ENGINE,
                "columns": tokens,
                "column_map": self._column_map(proof) if renamed else _NO_MAP,
                "n_child_rows": proof.n_child_rows,
                "n_child_distinct": proof.n_child_distinct,
                "n_parent_distinct": list(proof.n_parent_distinct),
                "n_rows_added_by_parent": list(proof.n_added),
                "child_rows_hash": proof.hashes[0],
                "matched_rows_hash": proof.hashes[1],
                "anti_join_count": proof.n_missing,
                "false_proof_bound_log2": round(math.log2(sizes) - 128, 3),
            }
        )

    def _part_files(self, proof: Proof) -> list[str]:
        parts = self.view.parts.values()
        return [
            path for part in parts if (part.table_id, part.label) == (proof.child, proof.part) for path in part.files
        ]


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
