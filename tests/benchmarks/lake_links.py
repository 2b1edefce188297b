"""Likely links of a lake with known keys: `python -m tests.benchmarks.lake_links [--spider FOLDER]`.

Spider's 123 databases as one lake, in both languages; declared and found keys are hidden, and the key model is not
asked. One JSON line a way to rank the pairs of columns: how many of the first 50, 100 and 200 are declared keys, or two
columns that refer to one. The stack is the one that the stage trains on the same lake. Then how the chances hold: those
fitted on four fifths of the databases, told on the last.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.lake import READ, lake_of_graph
from lakebed.tasks.lakegraph.build import column_table, graph_tables
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.values import LakeColumn, lake_graph
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.links.build import lake_graph as as_arrays
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.fit import fit_task, inputs_on, lake_task
from lakebed.tasks.links.kernel.ladder import PlainRungs
from lakebed.tasks.links.kernel.lake_evidence import ColumnEvidence, column_evidence
from lakebed.tasks.links.kernel.lake_pairs import hold_values_out
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.stack import fit_logistic, sigmoid
from tests.benchmarks.key_lakes import Key, spider, spider_keys
from tests.tasks.lakegraph.columns import lake_column

SPIDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "spider"
FIRST, N_FOLDS, N_BINS = (50, 100, 200), 5, 10
Figures = dict[str, Any]
Float = NDArray[np.float64]
Bools = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spider", type=Path, default=SPIDER)
    folder = parser.parse_args().spider
    for language in ("en", "de"):
        for line in measure(folder, language):
            print(json.dumps({"data": f"spider {language}", **line}), flush=True)


def measure(folder: Path, language: str) -> Iterator[Figures]:
    """The lines of one set of names."""
    columns = [
        lake_column(name, column, whole(table.column(column)), place)
        for name, table in sorted(spider(folder, language).items())
        for place, column in enumerate(table.column_names)
    ]
    made = graph_of(columns)
    lake = lake_of_graph(*(made[name].select(list(read)) for name, read in READ.items()))
    found, config = column_evidence(lake, 2, 100), LinksConfig()
    is_true = known(lake, spider_keys(folder, language), found)
    yield {"way": "pairs with evidence", "pairs": len(is_true), "true": int(is_true.sum())}
    ways = {"evidence": found.score, "share": found.share, "rarity": found.rarity, "names": found.likeness}
    for way, scores in {**ways, **trained(made, lake, found, config)}.items():
        yield {"way": way, **{f"first_{n}": int(is_true[np.argsort(-scores, kind="stable")[:n]].sum()) for n in FIRST}}
    yield calibration(lake, found, is_true)


def graph_of(columns: list[LakeColumn]) -> dict[str, pa.Table]:
    """The tables of a lakegraph artifact."""
    found = lake_graph(sorted({column.table for column in columns}), columns, LakeGraphConfig())
    tables = {**graph_tables(found.graph), "graph_columns": column_table(found.columns)}
    return tables | {"column_values": value_table(found.columns.column)}


def known(lake: Lake, keys: frozenset[Key], found: ColumnEvidence) -> Bools:
    """Whether a pair is a declared key, or two columns that refer to one."""
    named = zip(lake.table_of.tolist(), lake.names, strict=True)
    number = {(lake.tables[table], name): place for place, (table, name) in enumerate(named)}
    children: dict[int, set[int]] = defaultdict(set)
    for a, x, b, y in keys:
        if (a, x) in number and (b, y) in number:
            children[number[b, y]].add(number[a, x])
    groups = [{parent, *of} for parent, of in children.items()]
    true = {(a, b) for group in groups for a in group for b in group if a < b}
    return np.array([pair in true for pair in zip(found.first.tolist(), found.second.tolist(), strict=True)])


def trained(made: dict[str, pa.Table], lake: Lake, found: ColumnEvidence, config: LinksConfig) -> dict[str, Float]:
    """The rivals: what the stage's stacks say of the same pairs, no key among what they are trained on."""
    nodes, edges = made["nodes"].sort_by("node_id"), made["edges"]
    config = config.for_graph(nodes.num_rows)
    fitted = fit_task(lake_task(hold_values_out(as_arrays(nodes, edges), config.lake, 0), config), config)
    pairs = np.stack([edges["source"].to_numpy(), edges["target"].to_numpy()], axis=1).astype(np.int64)
    plain = PlainRungs(inputs_on(fitted, adjacency(pairs, nodes.num_rows), config), config)
    # columns are the first nodes of a lake graph, in the order of the lake's columns
    asked = np.stack([found.first, found.second], axis=1)
    scores = plain.scores(asked)
    columns, ladder = plain.columns(scores, asked), fitted.ladder
    ways = {name.replace("_", " "): values for name, values in scores.items()}
    if ladder.metapath is not None:
        ways["metapath"] = ladder.metapath.logits(plain.metapaths(asked))
    if ladder.listwise is not None:
        ways["listwise stack"] = ladder.listwise.model.logits(columns)
    return ways if ladder.stack is None else ways | {"stack": ladder.stack.model.logits(columns)}


def calibration(lake: Lake, found: ColumnEvidence, is_true: Bools) -> Figures:
    """The chance's two numbers, and its error where the databases had no part in them."""
    folders = np.unique([name.partition("/")[0] for name in lake.tables], return_inverse=True)[1]
    fold, rows = folders[lake.table_of[found.first]] % N_FOLDS, np.log(found.score)[:, None]
    chance = np.empty(len(rows))
    for part in range(N_FOLDS):
        model = fit_logistic(rows[fold != part], is_true[fold != part], 1e-6)
        chance[fold == part] = sigmoid(model.logits(rows[fold == part]))
    model = fit_logistic(rows, is_true, 1e-6)
    slope = float(model.weight[0] / model.scale[0])
    told = chance >= 0.5
    return {
        "way": "chance", "slope": round(slope, 3), "bias": round(float(model.bias - slope * model.mean[0]), 3),
        "ece": round(expected_error(chance, is_true), 4), "told_from_half_on": int(told.sum()),
        "ece_from_half_on": round(expected_error(chance[told], is_true[told]), 4),
        "least_shared_of_these": int(found.shared[told].min()),
    }  # fmt: skip


def expected_error(chance: Float, is_true: Bools) -> float:
    """Mean distance of chance and truth over ten equal bins (Naeini et al. 2015)."""
    bins = np.minimum((chance * N_BINS).astype(int), N_BINS - 1)
    inside = (bins == place for place in range(N_BINS))
    return float(sum(abs(chance[b].sum() - is_true[b].sum()) for b in inside) / len(chance))


def whole(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.cast(pa.string()).combine_chunks() if pa.types.is_string_view(column.type) else column.combine_chunks()
    )


if __name__ == "__main__":
    main()
