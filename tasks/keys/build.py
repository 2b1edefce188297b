"""Building the keys artifact: the lake graph's columns, pairs and their figures, who decides, publishing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.contract import CONTRACTS
from lakebed.tasks.keys.judge import judge_of
from lakebed.tasks.keys.kernel.choice import primary_keys
from lakebed.tasks.keys.kernel.columns import Float64, Int32, Int64, Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.search import Found, across_folders, across_lists, folder_lists, within_folders
from lakebed.tasks.keys.lake import READ, lake_of_graph
from lakebed.tasks.keys.previous import KEPT, identities, load_known, save_lists
from lakebed.tasks.keys.reasons import reasons
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics


def build_artifact(stage: Stage, lakegraph: ArtifactRef, config: KeysConfig) -> ArtifactRef:
    """Reads the columns, finds the keys, publishes them.

    Raises: as the stage's `build`.
    """
    metrics, judge = StageMetrics(), judge_of(config)
    if judge.why:
        shown().note(f"keys: the fixed rule decides, because {judge.why}; its chances are scores")
    with metrics.step("read"), shown().step("Reading the columns' values"):
        nodes, columns, values = (stage.read(lakegraph, name, list(held)) for name, held in READ.items())
        lake = lake_of_graph(nodes, columns, values)
    with metrics.step("previous"):
        own = identities(lake, values.sort_by("node_id"))
        known = load_known(stage, lake, own)
        metrics.changes = known.changes(lake)
    with metrics.step("keys"), shown().step(f"Looking for keys among {lake.n:,} columns"):
        facts = ColumnFacts.of(lake)
        lists = {"folder": folder_lists(facts, known.of("folder"))}
        found = within_folders(facts, judge, config.min_chance, lists["folder"])
        if config.across_folders:
            lists["across"] = across_lists(facts, known.of("across"))
            found = found.with_others(across_folders(facts, judge, config.min_chance_across, lists["across"]))
        primary = primary_keys(facts)
    published = {
        "foreign_keys": _foreign_table(lake, found, _exact_shares(stage, lakegraph, lake, found)),
        "primary_keys": _primary_table(lake, primary),
    }
    summary: dict[str, object] = {
        "model": judge.name, "why": judge.why, "foreign_keys": len(found.a), "primary_keys": len(primary),
        "across_folders": int(found.is_across.sum()), "pairs": found.n_pairs,
    }  # fmt: skip
    save_lists(stage, lake, own, lists)
    return stage.publish(published, summary, metrics, side_files=KEPT)


def _exact_shares(stage: Stage, lakegraph: ArtifactRef, lake: Lake, found: Found) -> Float64:
    """Of each key, the share of the child's values that the parent has as they stand, without folding, (k,).

    By the values that are known of both, so that it is the share itself where nothing had to be folded, cut samples
    among them; so it is where a column's values took no part in the lake graph.
    """
    edges = stage.read(lakegraph, "edges", ["source", "target", "kind"])
    held = edges.filter(pc.equal(edges["kind"], "column_value"))
    source, target = held["source"].to_numpy(), held["target"].to_numpy()
    columns = stage.read(lakegraph, "graph_columns", ["node_id", "left_out", "n_sampled"]).sort_by("node_id")
    is_left_out = pc.or_(pc.not_equal(columns["left_out"], ""), pc.equal(columns["n_sampled"], 0)).to_numpy()
    shares = found.share.copy()
    for row, (a, b) in enumerate(zip(found.a.tolist(), found.b.tolist(), strict=True)):
        if not is_left_out[[a, b]].any():
            folded = _n_common(_values(lake, a), _values(lake, b))
            shares[row] *= min(1.0, _n_common(_run(source, target, a), _run(source, target, b)) / max(folded, 1))
    return shares


def _n_common(one: NDArray[Any], other: NDArray[Any]) -> int:
    """Values of both; each has every value once."""
    return len(np.intersect1d(one, other, assume_unique=True))


def _values(lake: Lake, column: int) -> Int32:
    """The folded values that are known of a column."""
    return lake.values[lake.indptr[column] : lake.indptr[column + 1]]


def _run(source: Int64, target: Int64, column: int) -> Int64:
    """The values of a column; edges ascend by source."""
    return target[np.searchsorted(source, column) : np.searchsorted(source, column, side="right")]


def _foreign_table(lake: Lake, found: Found, exact: Float64) -> pa.Table:
    is_folded = exact < found.share - 0.005
    return pa.table(
        [
            pa.array(found.a), pa.array(found.b), _tables(lake, found.a), _names(lake, found.a), _tables(lake, found.b),
            _names(lake, found.b), pa.array(np.round(found.chance, 6)), pa.array(np.round(found.share, 6)),
            pa.array(found.is_across), pa.array(is_folded), pa.array(reasons(lake, found, exact), pa.string()),
        ],
        schema=CONTRACTS["foreign_keys"].arrow_schema(),
    )  # fmt: skip


def _primary_table(lake: Lake, columns: Int64) -> pa.Table:
    names = pa.array([[lake.names[column]] for column in columns.tolist()], pa.list_(pa.string()))
    rows = pa.array(lake.n_rows[columns].astype(np.int64))
    return pa.table([_tables(lake, columns), names, rows], schema=CONTRACTS["primary_keys"].arrow_schema())


def _tables(lake: Lake, columns: Int64) -> pa.Array:
    return _texts(lake.tables, lake.table_of[columns])


def _names(lake: Lake, columns: Int64) -> pa.Array:
    return _texts(lake.names, columns)


def _texts(texts: Sequence[str], places: Int64) -> pa.Array:
    return pa.array([texts[place] for place in places.tolist()], pa.string())
