"""What is told as likely links: on a lake pairs with evidence, on an edge table candidates, each with its reasons."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.links import outcome
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.fit import Fitted
from lakebed.tasks.links.kernel.candidates import candidate_pairs, without
from lakebed.tasks.links.kernel.ladder import Ladder, LadderInputs, PlainRungs, Scores, fit_pairs
from lakebed.tasks.links.kernel.lake_evidence import ColumnEvidence, column_evidence, told
from lakebed.tasks.links.kernel.split import pair_keys
from lakebed.tasks.links.kernel.stack import Logistic, fit_logistic, sigmoid

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
SHOWN_RUNGS = 3


@dataclass(frozen=True)
class LakeColumns:
    """The columns of a lake, and which nodes they and their tables are.

    Shapes: column (C,) node of each column; table (T,) node of each table.
    """

    lake: Lake
    column: Int64
    table: Int64


def lake_predictions(read: LakeColumns, keys: Int64, nodes: pa.Table, config: LinksConfig) -> pa.Table:
    """Pairs of columns that something speaks for, and pairs of tables by their best columns, the likeliest first.

    Found keys are among them, and marked: nothing but evidence decides, so that they show what it is worth.
    Shapes: keys (k, 2) nodes of columns of which one refers to the other.
    """
    found = column_evidence(read.lake, config.lake.min_shared, config.lake.max_value_columns)
    chance, n = found.chance, len(read.column) + len(read.table)
    order = np.lexsort((found.second, found.first, -found.score))[: config.n_predictions]
    tables = _best_of_tables(read.lake, found, chance)[: config.n_predictions]
    columns = np.stack([read.column[found.first], read.column[found.second]], axis=1)
    ends = np.sort(read.table[read.lake.table_of[np.stack([found.first, found.second], axis=1)]], axis=1)
    pairs = np.concatenate([columns[order], ends[tables]])
    places = np.concatenate([order, tables])
    is_key = np.isin(pair_keys(np.sort(columns, axis=1), n + 1), pair_keys(np.sort(keys, axis=1), n + 1))
    best = np.lexsort((pairs[:, 1], pairs[:, 0], -chance[places]))[: config.n_predictions]
    why = _why(read.lake, found.take(places[best]), best >= len(order))
    evidence = _figures(found.take(places[best]), is_key[places[best]])
    return outcome.predictions(pairs[best], chance[places[best]], evidence, why, nodes)


def _best_of_tables(lake: Lake, found: ColumnEvidence, chance: Float) -> Int64:
    """The place of the best pair of columns of each two tables, the likeliest first."""
    tables = lake.table_of[np.stack([found.first, found.second], axis=1)]
    order = np.lexsort((found.second, found.first, -chance))
    _, first = np.unique(pair_keys(tables[order], len(lake.tables)), return_index=True)
    return np.asarray(order[np.sort(first)], np.int64)


def _figures(found: ColumnEvidence, is_key: NDArray[np.bool_]) -> list[str]:
    figures = {
        "shared_values": found.shared,
        "share": found.share,
        "rarity": found.rarity,
        "names": found.likeness,
        "same_folder": found.is_folder,
        "copied": found.copied,
        "score": found.score,
        "found_key": is_key,
    }
    return outcome.evidence(figures)


def _why(lake: Lake, found: ColumnEvidence, is_table: NDArray[np.bool_]) -> list[str]:
    """In words; of two tables which columns meet."""
    ends = zip(found.first.tolist(), found.second.tolist(), is_table.tolist(), strict=True)
    heads = [f"{lake.names[a]} = {lake.names[b]}: " if of_tables else "" for a, b, of_tables in ends]
    return [head + words for head, words in zip(heads, told(found), strict=True)]


def edge_predictions(
    fitted: Fitted, whole: LadderInputs, known: Int64, nodes: pa.Table, config: LinksConfig
) -> pa.Table:
    """Candidates on the whole graph with the chance that candidates of this score had on the training graph.

    Shapes: known (k, 2) the edges, the lower node first.
    """
    tried = without(_candidates(fitted, whole, config), known, fitted.task.split.n_nodes)
    if not len(tried) or (fitted.ladder.stack is None and fitted.ladder.listwise is None):
        return outcome.predictions(tried[:0], np.empty(0), [], [], nodes)
    logits, scores = _logits(fitted.ladder, PlainRungs(whole, config), tried)
    best = np.lexsort((tried[:, 1], tried[:, 0], -logits))[: config.n_predictions]
    chance = sigmoid(candidate_calibration(fitted, config).logits(logits[best, None]))
    shown = {rung: values[best] for rung, values in scores.items()}
    return outcome.predictions(tried[best], chance, outcome.evidence(shown), _shares(shown), nodes)


def candidate_calibration(fitted: Fitted, config: LinksConfig) -> Logistic:
    """The chance of a candidate of the training graph to be a link that was held out, by its score.

    Links that fit the stack are the ones looked for; those of the test and of early stopping are no candidates, and
    the odds are raised as if all parts had been looked for.
    """
    split, (links, _) = fitted.task.split, fit_pairs(fitted.task.split)
    hidden = np.concatenate([split.test, split.valid[: len(split.valid) - len(links)]])
    tried = without(_candidates(fitted, fitted.inputs, config), np.concatenate([split.train, hidden]), split.n_nodes)
    is_link = np.isin(pair_keys(tried, split.n_nodes), pair_keys(links, split.n_nodes))
    logits, _ = _logits(fitted.ladder, fitted.ladder.plain, tried)
    model = fit_logistic(logits[:, None], is_link)
    return Logistic(model.mean, model.scale, model.weight, model.bias + np.log(1.0 + len(hidden) / len(links)))


def _candidates(fitted: Fitted, inputs: LadderInputs, config: LinksConfig) -> Int64:
    pools = tuple(pool.nodes for pool in fitted.task.pools)
    return candidate_pairs(inputs.fastrp, inputs.reach, pools, config.n_candidates)


def _logits(ladder: Ladder, plain: PlainRungs, pairs: Int64) -> tuple[Float, Scores]:
    """Scores that candidates are ordered by: the listwise stack's, which was fitted on pairs as hard, else the stack's.

    And what the plain rungs say.
    """
    scores = plain.scores(pairs)
    columns = plain.columns(scores, pairs)
    if ladder.listwise is not None:
        return ladder.listwise.model.logits(columns), scores
    assert ladder.stack is not None  # noqa: S101 - asked only where there is one of the two
    return ladder.stack.model.logits(columns), scores


def _shares(scores: Scores) -> list[str]:
    """The rungs that hold a pair for likeliest among those told, in words."""
    names = [name.replace("_", " ") for name in scores]
    values = np.stack(list(scores.values()), axis=1)
    rank = np.stack([(column[:, None] < column).mean(axis=1) for column in values.T], axis=1)
    first = np.argsort(rank, axis=1, kind="stable")[:, :SHOWN_RUNGS]
    return [
        "; ".join(f"{names[place]} {values[row, place]:.3g}" for place in places) for row, places in enumerate(first)
    ]
