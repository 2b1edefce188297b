"""What the search found, as the tables that are published."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.chance import edge_chance
from lakebed.tasks.relations.candidates import NearPairs
from lakebed.tasks.relations.config import KINDS
from lakebed.tasks.relations.contract import FUNNEL, NEAR, PROVEN, REFUTED, UNSTABLE
from lakebed.tasks.relations.evidence import Judge, Proof
from lakebed.tasks.relations.kernel.cover import choose_cover
from lakebed.tasks.relations.search import Verified


def tables(judge: Judge, verified: Verified) -> dict[str, pa.Table]:
    """Every table but the row hashes."""
    proofs = [proof for proof in _proofs(judge, verified) if not _is_lost(proof, verified.unstable)]
    proofs.sort(key=lambda proof: (proof.kind, proof.child, proof.part, proof.parents, proof.targets))
    proven = judge.proven_rows([proof for proof in proofs if proof.n_missing == 0])
    refuted = judge.refuted_rows([proof for proof in proofs if proof.n_missing])
    near = _near_table(judge, verified.candidates.near)
    return {
        "proven": pa.Table.from_pylist(proven, schema=PROVEN.arrow_schema()),
        "refuted": pa.Table.from_pylist(refuted, schema=REFUTED.arrow_schema()),
        "near": near,
        "funnel": _funnel(judge, verified, proven, near),
        "unstable": _unstable(judge, verified.unstable),
    }


def summary(found: Mapping[str, pa.Table], kinds: Sequence[str]) -> dict[str, Any]:
    """Counts for the manifest; coincidental ones are in them, and counted once more by themselves."""
    kind = found["proven"]["kind"].to_pylist()
    return {
        "relation_kinds": sorted(kinds),
        "unions": kind.count("union"),
        "contained_parts": kind.count("partition"),
        "renamed_containments": kind.count("renamed"),
        "near_misses": found["near"].num_rows,
        "coincidental_relations": sum(found["proven"]["coincidental"].to_pylist()),
    }


def _proofs(judge: Judge, verified: Verified) -> Iterator[Proof]:
    yield from _pair_proofs(judge, verified)
    for union, counts in zip(verified.candidates.unions, verified.unions, strict=True):
        cover = choose_cover(counts.signatures, len(union.parents))
        if cover.n_missing == 0 and len(cover.parents) < 2:
            continue  # one table holds it all: that is plain containment
        chosen = list(cover.parents)
        parents = tuple(union.parents[place] for place in chosen)
        yield Proof(
            kind="union",
            child=union.child,
            part="",
            parents=parents,
            targets=judge.same_columns(union.child, union.parents[0]),
            n_child_rows=counts.n_child_rows,
            n_child_distinct=counts.n_child_distinct,
            n_parent_distinct=tuple(counts.n_parent_distinct[chosen].tolist()),
            n_added=cover.n_added,
            n_missing=cover.n_missing,
            hashes=(counts.hashes[0].hex(), counts.hashes[1].hex()),
            child_bytes=judge.facts.n_bytes[union.child],
            n_choices=_n_choices(len(union.parents), len(parents)),
        )


def _pair_proofs(judge: Judge, verified: Verified) -> Iterator[Proof]:
    """Of parts, then of renamed tables, in the order in which they were asked."""
    found, counts = verified.candidates, verified.pairs
    asked = []
    for pair in found.parts:
        targets = judge.same_columns(pair.part.table_id, pair.parent)
        asked.append(("partition", pair.part.table_id, pair.part.label, pair.parent, targets, pair.part.n_bytes))
    asked += [("renamed", r.child, "", r.parent, r.targets, judge.facts.n_bytes[r.child]) for r in found.renamed]
    for place, (kind, child, part, parent, targets, n_bytes) in enumerate(asked):
        n_missing = int(counts.n_missing[place])
        yield Proof(
            kind=kind,
            child=child,
            part=part,
            parents=(parent,),
            targets=targets,
            n_child_rows=int(counts.n_child_rows[place]),
            n_child_distinct=int(counts.n_child_distinct[place]),
            n_parent_distinct=(int(counts.n_parent_distinct[place]),),
            n_added=(int(counts.n_child_distinct[place]) - n_missing,),
            n_missing=n_missing,
            hashes=_hex(np.stack([counts.child_hash[place], counts.matched_hash[place]])),
            child_bytes=n_bytes,
            n_choices=float(len(judge.view.lake.names)) if kind == "renamed" else 1.0,
        )


def _n_choices(n_candidates: int, n_chosen: int) -> float:
    """Ways to choose the parents of a union; as many as a float holds at most."""
    return float(min(math.comb(n_candidates, n_chosen), 1 << 1000))


def _is_lost(proof: Proof, unstable: Mapping[int, str]) -> bool:
    return bool(unstable.keys() & {proof.child, *proof.parents})


def _near_table(judge: Judge, near: NearPairs) -> pa.Table:
    """The NEAR table, by child and parent."""
    order = np.lexsort((near.parent, near.child))
    near = near.take(order)
    chance = np.array(list(_near_chances(judge, near)), np.float64)
    names = judge.view.lake.names
    columns: list[Any] = [
        [names[child] for child in near.child.tolist()],
        [names[parent] for parent in near.parent.tolist()],
        near.child,
        near.parent,
        near.n_compared,
        near.n_missing,
        *near.fractions,
        near.is_exact,
        chance,
        chance > judge.setting.containment.chance_threshold,
    ]
    schema = NEAR.arrow_schema()
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _near_chances(judge: Judge, near: NearPairs) -> Iterator[float]:
    pairs = list(zip(near.child.tolist(), near.parent.tolist(), strict=True))
    own = [(child, judge.same_columns(child, child)) for child, _ in pairs]
    n_values = judge.sampled.columns.n_distinct()
    scores = judge.chances(own, judge.setting.relations.near_threshold)
    for (child, parent), columns, n_child, n_parent in zip(pairs, scores, *near.n_distinct.tolist(), strict=True):
        held = n_values[list(judge.same_columns(child, parent))]
        yield edge_chance(columns, n_parent, held, n_child).chance


def _funnel(judge: Judge, verified: Verified, proven: list[dict[str, Any]], near: pa.Table) -> pa.Table:
    found = verified.candidates
    n_candidates = {
        "union": len(found.unions),
        "partition": len(found.parts),
        "renamed": len(found.renamed),
        "near": near.num_rows,
    }
    flags = {"near": near["coincidental"].to_pylist()}
    flags |= {kind: [row["coincidental"] for row in proven if row["kind"] == kind] for kind in KINDS if kind != "near"}
    rows = []
    for kind in KINDS:
        if judge.setting.relations.looks_for(kind):
            n_proven = 0 if kind == "near" else len(flags[kind])
            counts = {"candidates": n_candidates[kind], "proven": n_proven, "coincidental": sum(flags[kind])}
            rows += [{"kind": kind, "step": step, "n": n} for step, n in counts.items()]
    return pa.Table.from_pylist(rows, schema=FUNNEL.arrow_schema())


def _unstable(judge: Judge, reasons: Mapping[int, str]) -> pa.Table:
    rows = [{"name": judge.view.lake.names[table], "reason": why} for table, why in sorted(reasons.items())]
    return pa.Table.from_pylist(rows, schema=UNSTABLE.arrow_schema())


def _hex(hashes: NDArray[np.uint64]) -> tuple[str, str]:
    child, matched = (row.astype("<u8").tobytes().hex() for row in hashes)
    return child, matched
