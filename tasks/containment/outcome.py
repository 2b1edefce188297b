"""What the search found, as the tables that are published."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.containment.config import ContainmentConfig
from tasks.containment.contract import CANDIDATES, FUNNEL, UNSTABLE
from tasks.containment.evidence import ProvenPairs, edge_table, proven_rows, table_facts, trivial_rows
from tasks.containment.kernel.schema_graph import count_table_pairs
from tasks.containment.kernel.sketches import SketchedPairs
from tasks.containment.search import ContentScan, LakeView, Verified
from tasks.encoding.sketch import containment_interval


def edges(view: LakeView, content: ContentScan, verified: Verified, config: ContainmentConfig) -> pa.Table:
    """The EDGES table: what holds by definition, and what was proven."""
    facts = table_facts(view.tables.tables, view.tables.files)
    rows = trivial_rows(*view.trivial, view.lake, facts, config)
    proven = np.flatnonzero(verified.counts.n_missing == 0)
    if len(proven):
        pairs = ProvenPairs(verified.pairs.child[proven], verified.pairs.parent[proven], verified.counts.take(proven))
        rows += proven_rows(pairs, view.lake, content.result.values, facts, config)
    return edge_table(rows)


def candidates(sketched: SketchedPairs, verified: Verified, confidence: float) -> pa.Table:
    """The CANDIDATES table: pairs that share sampled rows but not all, and pairs that were compared exactly."""
    has_shared = (sketched.n_missing > 0) & (sketched.n_missing < sketched.n_compared)
    near = sketched.take(np.flatnonzero(has_shared))
    rows = [_refuted_by_sketch(near, place, confidence) for place in range(len(near.child))]
    rows += [_compared(verified, place) for place in range(len(verified.pairs.child))]
    rows.sort(key=lambda row: (row["child_id"], row["parent_id"]))
    return pa.Table.from_pylist(rows, schema=CANDIDATES.arrow_schema())


def funnel(view: LakeView, verified: Verified) -> pa.Table:
    """The FUNNEL table."""
    n_trivial = len(view.trivial[0])
    n_proven = int((verified.counts.n_missing == 0).sum())
    last = [("sketch", len(verified.pairs.child) + n_trivial, None), ("proof", n_proven + n_trivial, None)]
    return _funnel_table([*_first_steps(view), *last])


def trivial_edges(view: LakeView, config: ContainmentConfig) -> pa.Table:
    """The EDGES table of the sampled mode: what holds by definition."""
    facts = table_facts(view.tables.tables, view.tables.files)
    return edge_table(trivial_rows(*view.trivial, view.lake, facts, config))


def sampled_candidates(pairs: SketchedPairs, confidence: float) -> pa.Table:
    """The CANDIDATES table of the sampled mode: every pair that was compared."""
    rows = []
    for place in range(len(pairs.child)):
        counts = (int(pairs.n_compared[place]), int(pairs.n_missing[place]))
        fraction = containment_interval(*counts, confidence) or (None, None, None)
        rows.append(_candidate(pairs, place, "refuted_by_sample" if counts[1] else "passed_sample", counts, fraction))
    rows.sort(key=lambda row: (row["child_id"], row["parent_id"]))
    return pa.Table.from_pylist(rows, schema=CANDIDATES.arrow_schema())


def sampled_funnel(view: LakeView, pairs: SketchedPairs) -> pa.Table:
    """The FUNNEL table of the sampled mode, which ends with the samples."""
    steps = _first_steps(view)
    n_trivial = len(view.trivial[0])
    return _funnel_table(
        [*steps, ("sketch", len(pairs.unrefuted().child) + n_trivial, None), ("proof", n_trivial, None)]
    )


def unstable(view: LakeView, reasons: Mapping[int, str]) -> pa.Table:
    """The UNSTABLE table."""
    rows = [{"name": view.lake.names[table], "reason": why} for table, why in sorted(reasons.items())]
    return pa.Table.from_pylist(rows, schema=UNSTABLE.arrow_schema())


def summary(view: LakeView, tables: Mapping[str, pa.Table], config: ContainmentConfig) -> dict[str, Any]:
    """Counts for the manifest, and how was looked: they depend on the lake's content and the config alone."""
    after = dict(zip(tables["funnel"]["step"].to_pylist(), tables["funnel"]["n_pairs"].to_pylist(), strict=True))
    found = tables["edges"]
    return {
        "mode": config.mode,
        "semantics": config.semantics,
        "distinct_schemas": view.lake.groups.n_schemas,
        "schema_edges": after["schema"],
        "after_min_max": after["min_max"],
        "after_sketches": after["sketch"],
        "proven": after["proof"],
        "coincidental": sum(found["coincidental"].to_pylist()),
        "contained_tables": len(found["child_id"].unique()),
        "tables_in_question": len(np.unique(view.survey.roles[:, 1])),
        "unstable": tables["unstable"].num_rows,
        "are_near_misses_complete": view.survey.is_listed,
    }


def _first_steps(view: LakeView) -> list[tuple[str, int, int | None]]:
    n_pairs = view.survey.n_pairs + len(view.trivial[0])
    return [
        ("schema", count_table_pairs(view.lake.groups, *view.schema_pairs), len(view.lake.names)),
        ("min_max", n_pairs, len(np.unique(view.survey.roles[:, 1]))),
    ]


def _funnel_table(steps: list[tuple[str, int, int | None]]) -> pa.Table:
    rows = [dict(zip(FUNNEL.names, (place, *step), strict=True)) for place, step in enumerate(steps)]
    return pa.Table.from_pylist(rows, schema=FUNNEL.arrow_schema())


def _refuted_by_sketch(near: SketchedPairs, place: int, confidence: float) -> dict[str, Any]:
    n_compared, n_missing = int(near.n_compared[place]), int(near.n_missing[place])
    fraction = containment_interval(n_compared, n_missing, confidence) or (None, None, None)
    return _candidate(near, place, "refuted_by_sketch", (n_compared, n_missing), fraction)


def _compared(verified: Verified, place: int) -> dict[str, Any]:
    """The exact counts; under bag semantics repeats may be missing, of which no more are told than distinct rows."""
    n_distinct, n_missing = (int(verified.counts.n_child_distinct[place]), int(verified.counts.n_missing[place]))
    n_shown = min(n_missing, n_distinct)
    share = 1.0 - n_shown / n_distinct if n_distinct else 1.0
    verdict = "refuted_by_rows" if n_missing else "proven"
    return _candidate(verified.pairs, place, verdict, (n_distinct, n_shown), (share, share, share))


def _candidate(
    pairs: SketchedPairs,
    place: int,
    verdict: str,
    counts: tuple[int, int],
    fraction: tuple[float | None, float | None, float | None],
) -> dict[str, Any]:
    ids = (int(pairs.child[place]), int(pairs.parent[place]))
    return dict(zip(CANDIDATES.names, (*ids, verdict, *counts, *fraction), strict=True))
