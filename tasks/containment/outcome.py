"""What the search found, as the tables that are published."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import CANDIDATES, FUNNEL, UNSTABLE
from lakebed.tasks.containment.evidence import ProvenPairs, edge_table, proven_rows, table_facts, trivial_rows
from lakebed.tasks.containment.kernel.schema_graph import count_table_pairs
from lakebed.tasks.containment.kernel.sketches import SketchedPairs
from lakebed.tasks.containment.samples import ContentScan, Verified
from lakebed.tasks.containment.statistics import LakeStatistics, LakeView
from lakebed.tasks.encoding.sketch import containment_intervals


def edges(view: LakeView, content: ContentScan, verified: Verified, config: ContainmentConfig) -> pa.Table:
    """The EDGES table: what holds by definition, and what was proven."""
    facts = table_facts(view.tables.tables, view.tables.files, content.result.digests, content.plan.settings.key)
    rows = trivial_rows(*view.trivial, view.lake, facts, config)
    proven = np.flatnonzero(verified.counts.n_missing == 0)
    if len(proven):
        pairs = ProvenPairs(verified.pairs.child[proven], verified.pairs.parent[proven], verified.counts.take(proven))
        rows += proven_rows(pairs, view.lake, content.result.values, facts, config)
    return edge_table(rows)


def candidates(lake: LakeStatistics, sketched: SketchedPairs, verified: Verified, confidence: float) -> pa.Table:
    """The CANDIDATES table: pairs that share sampled rows but not all, and pairs that were compared exactly."""
    has_shared = (sketched.n_missing > 0) & (sketched.n_missing < sketched.n_compared)
    near = sketched.take(np.flatnonzero(has_shared))
    refuted = np.full(len(near.child), "refuted_by_sketch")
    intervals = containment_intervals(near.n_compared, near.n_missing, confidence)
    return _ordered([_candidate_table(lake, near, refuted, intervals), _compared(lake, verified)])


def funnel(view: LakeView, verified: Verified) -> pa.Table:
    """The FUNNEL table."""
    n_trivial = len(view.trivial[0])
    n_proven = int((verified.counts.n_missing == 0).sum())
    last = [("sketch", len(verified.pairs.child) + n_trivial, None), ("proof", n_proven + n_trivial, None)]
    return _funnel_table([*_first_steps(view), *last])


def trivial_edges(view: LakeView, config: ContainmentConfig, key: bytes) -> pa.Table:
    """The EDGES table of the sampled mode: what holds by definition."""
    facts = table_facts(view.tables.tables, view.tables.files, {}, key)
    return edge_table(trivial_rows(*view.trivial, view.lake, facts, config))


def sampled_candidates(lake: LakeStatistics, pairs: SketchedPairs, confidence: float) -> pa.Table:
    """The CANDIDATES table of the sampled mode: every pair that was compared."""
    verdicts = np.where(pairs.n_missing > 0, "refuted_by_sample", "passed_sample")
    intervals = containment_intervals(pairs.n_compared, pairs.n_missing, confidence)
    return _ordered([_candidate_table(lake, pairs, verdicts, intervals)])


def sampled_funnel(view: LakeView, pairs: SketchedPairs) -> pa.Table:
    """The FUNNEL table of the sampled mode, which ends with the samples."""
    steps = _first_steps(view)
    n_trivial = len(view.trivial[0])
    return _funnel_table(
        [*steps, ("sketch", len(pairs.unrefuted().child) + n_trivial, None), ("proof", n_trivial, None)]
    )


def unstable(view: LakeView, reasons: Mapping[int, str]) -> pa.Table:
    """The UNSTABLE table."""
    by_name = {view.lake.name_of(table): why for table, why in sorted(reasons.items(), reverse=True)}
    rows = [{"name": name, "reason": why} for name, why in reversed(by_name.items())]
    return pa.Table.from_pylist(rows, schema=UNSTABLE.arrow_schema())


def summary(view: LakeView, tables: Mapping[str, pa.Table], config: ContainmentConfig) -> dict[str, Any]:
    """Counts for the manifest, and the way that was taken: they depend on the lake's content and the config alone."""
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
        "tables_in_question": _n_in_question(view),
        "unstable": tables["unstable"].num_rows,
        "are_near_misses_complete": view.survey.is_listed,
    }


def _first_steps(view: LakeView) -> list[tuple[str, int, int | None]]:
    n_pairs = view.survey.n_pairs + len(view.trivial[0])
    is_table = ~view.lake.is_reading
    n_tables_of = np.bincount(view.lake.groups.schema_of_table[is_table], minlength=view.lake.groups.n_schemas)
    return [
        ("schema", count_table_pairs(n_tables_of, *view.schema_pairs), int(is_table.sum())),
        ("min_max", n_pairs, _n_in_question(view)),
    ]


def _n_in_question(view: LakeView) -> int:
    return len(np.unique(view.lake.stands_for[view.survey.roles[:, 1]]))


def _funnel_table(steps: list[tuple[str, int, int | None]]) -> pa.Table:
    rows = [dict(zip(FUNNEL.names, (place, *step), strict=True)) for place, step in enumerate(steps)]
    return pa.Table.from_pylist(rows, schema=FUNNEL.arrow_schema())


def _compared(lake: LakeStatistics, verified: Verified) -> pa.Table:
    """The exact counts; under bag semantics repeats may be missing, of which no more are told than distinct rows."""
    n_distinct, n_missing = verified.counts.n_child_distinct, verified.counts.n_missing
    n_shown = np.minimum(n_missing, n_distinct)
    share = 1.0 - n_shown / np.maximum(n_distinct, 1)
    pairs = SketchedPairs(verified.pairs.child, verified.pairs.parent, n_distinct, n_shown)
    verdicts = np.where(n_missing > 0, "refuted_by_rows", "proven")
    return _candidate_table(lake, pairs, verdicts, np.stack([share] * 3))


def _candidate_table(
    lake: LakeStatistics, pairs: SketchedPairs, verdicts: NDArray[np.str_], fractions: NDArray[np.float64]
) -> pa.Table:
    """Rows of CANDIDATES; fractions (3, k), NaN where there is none."""
    ends = lake.stands_for[pairs.child], lake.stands_for[pairs.parent]
    columns = [*ends, verdicts, pairs.n_compared, pairs.n_missing, *fractions]
    schema = CANDIDATES.arrow_schema()
    arrays = [pa.array(column, field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _ordered(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts).sort_by([("child_id", "ascending"), ("parent_id", "ascending")])
