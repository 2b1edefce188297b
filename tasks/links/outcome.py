"""What was found, as the tables and files that are published."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from safetensors.numpy import save

from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import DECILES, NODE_METRICS, PAIR_KINDS, PREDICTIONS, RUNGS, SETTINGS, VECTORS
from lakebed.tasks.links.fit import Fitted
from lakebed.tasks.links.kernel.ladder import Ladder, LadderInputs, RungResult
from lakebed.tasks.links.kernel.nodes import N_DECILES, NodeMetrics
from lakebed.tasks.links.kernel.reweighting import EDGE_WEIGHTS
from lakebed.tasks.links.kernel.stack import Chosen, Logistic, Stack

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


RULES = {
    "values": "Values are held out of the graph; two columns are linked when they share enough of these, and two "
    "tables when columns of theirs are.",
    "edges": "Edges are shuffled by the seed and cut; everything that is trained or embedded sees training edges only.",
}


def facts(fitted: Fitted, source: str, config: LinksConfig) -> dict[str, Any]:
    """What was trained on what, for the manifest and the card; nothing that differs between two equal trainings."""
    split = fitted.task.split
    return {
        "source": source,
        "rule": RULES[source],
        "nodes": split.n_nodes,
        "pairs": len(split.train) + len(split.valid) + len(split.test),
        "train": len(split.train),
        "valid": len(split.valid),
        "test": len(split.test),
        "tails": int(fitted.task.tails.shape[1]),
        "products": dict(fitted.ways),
        "network": best_network(fitted),
        "stack": _stack_facts(fitted.ladder.stack),
        "listwise": _listwise_facts(fitted.ladder.listwise),
        "hard": {"pairs": len(fitted.hard.links), "others": int(fitted.hard.others.shape[1])},
        "epochs": {kind: trained.state.epoch for kind, trained in fitted.trained.items()},
        "seed": config.split.seed,
        "versions": {name: metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }


def _stack_facts(stack: Stack | None) -> dict[str, Any] | None:
    """What the stack reads, and how well each that was tried did on validation pairs out of fold."""
    if stack is None:
        return None
    return {"reads": stack.used, "average_precision": {name: round(part, 4) for name, part in stack.quality.items()}}


def _listwise_facts(chosen: Chosen | None) -> dict[str, Any] | None:
    """What the listwise stack reads, and the reciprocal rank out of fold of each that was tried."""
    if chosen is None:
        return None
    return {"reads": chosen.used, "mrr": {name: round(part, 4) for name, part in chosen.quality.items()}}


def rungs(results: Sequence[RungResult]) -> pa.Table:
    """The RUNGS table."""
    rows = [
        {"position": place, "rung": result.rung, "setting": setting, "metric": metric, "value": value}
        for place, result in enumerate(results)
        for setting in SETTINGS
        for metric, value in figures(result, setting).items()
    ]
    return pa.Table.from_pylist(rows, schema=RUNGS.arrow_schema())


def headline(results: Sequence[RungResult]) -> dict[str, Any]:
    """The last rung's figures, and of those below it that fits lists best beside hard others, for the report."""
    last, best = results[-1], hard_rung(results)
    found = {"rung": last.rung, **{name: round(value, 6) for name, value in figures(last, "random").items()}}
    if best is None:
        return found
    return found | {"hard": {"rung": best.rung, **{n: round(v, 6) for n, v in figures(best, "hard").items()}}}


def hard_rung(results: Sequence[RungResult]) -> RungResult | None:
    """The listwise rung, else the last one; None where nothing was measured beside hard others."""
    measured = [result for result in results if result.hard is not None]
    return next((result for result in measured if result.rung == "listwise"), measured[-1] if measured else None)


def with_ranks(metrics: NodeMetrics, fitted: Fitted) -> NodeMetrics:
    """The metrics with the reciprocal ranks of both settings: of the last rung, and of the one above."""
    hard = hard_rung(fitted.results)
    if hard is None or hard.ranks is None or fitted.results[-1].ranks is None:
        return metrics
    groups = ((fitted.task.split.test, fitted.results[-1].ranks[0]), (fitted.hard.links, hard.ranks[1]))
    return metrics.with_ranks(groups)


def node_table(metrics: NodeMetrics) -> pa.Table:
    """The NODE_METRICS table; NaN becomes null."""
    columns = [
        metrics.node,
        metrics.degree,
        metrics.tc,
        metrics.atc,
        metrics.decile,
        metrics.train_likeness,
        metrics.test_likeness,
        metrics.recall,
        metrics.mrr_random,
        metrics.mrr_hard,
    ]
    schema = NODE_METRICS.arrow_schema()
    arrays = [pa.array(column, field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def deciles(metrics: NodeMetrics) -> pa.Table:
    """The DECILES table; a decile without nodes is left out."""
    rows = [_decile(metrics, decile) for decile in range(N_DECILES) if (metrics.decile == decile).any()]
    return pa.Table.from_pylist(rows, schema=DECILES.arrow_schema())


def predictions(pairs: Int64, chance: Float, evidence: Sequence[str], why: Sequence[str], nodes: pa.Table) -> pa.Table:
    """The PREDICTIONS table, in the order given."""
    labels, kinds = nodes["label"].combine_chunks(), nodes["kind"].combine_chunks()
    kind = kinds.take(pa.array(pairs[:, 0]))
    columns = [
        pa.array(np.arange(1, len(pairs) + 1)),
        pa.array(pairs[:, 0]),
        pa.array(pairs[:, 1]),
        pc.if_else(pc.is_in(kind, value_set=pa.array(PAIR_KINDS)), kind, "node"),
        labels.take(pa.array(pairs[:, 0])),
        labels.take(pa.array(pairs[:, 1])),
        pa.array(chance, pa.float64()),
        pa.array(list(evidence), pa.string()),
        pa.array(list(why), pa.string()),
    ]
    return pa.table(columns, schema=PREDICTIONS.arrow_schema())


def evidence(scores: Mapping[Any, NDArray[Any]]) -> list[str]:
    """What each rung, or each figure, says of each pair, as JSON."""
    columns = scores.values()
    rounded = [np.round(part, 6).tolist() if part.dtype.kind == "f" else part.tolist() for part in columns]
    return [json.dumps(dict(zip(scores, row, strict=True))) for row in zip(*rounded, strict=True)]


def best_network(fitted: Fitted) -> str | None:
    """The network that validated best, None where none was trained."""
    return max(fitted.trained, key=lambda kind: fitted.trained[kind].state.best_score, default=None)


def vectors_of(fitted: Fitted, inputs: LadderInputs) -> Float32:
    """That network's vectors, else those of FastRP."""
    network = best_network(fitted)
    return inputs.fastrp if network is None else inputs.networks[network]


def vector_table(nodes: Int64, vectors: Float32, stacked: Float32) -> pa.Table:
    """The VECTORS table."""
    return pa.table([pa.array(nodes), _lists(vectors), _lists(stacked)], schema=VECTORS.arrow_schema())


def _lists(rows: Float32) -> pa.ListArray:
    flat = pa.array(np.ascontiguousarray(rows).ravel(), pa.float32())
    return pa.ListArray.from_arrays(np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1], flat)


def model_bytes(fitted: Fitted) -> bytes:
    """The networks' best weights and the stack, as safetensors; no pickle."""
    arrays: dict[str, np.ndarray[Any, Any]] = {
        f"{kind}/{name}": np.ascontiguousarray(rows)
        for kind, trained in fitted.trained.items()
        for name, rows in trained.state.best.items()
        if name != EDGE_WEIGHTS
    }
    for part, model in _logistic_models(fitted.ladder):
        arrays |= {f"{part}/{name}": np.atleast_1d(getattr(model, name)) for name in ("mean", "scale", "weight")}
        arrays[f"{part}/bias"] = np.array([model.bias])
    return save(dict(sorted(arrays.items())))


def _logistic_models(ladder: Ladder) -> Iterator[tuple[str, Logistic]]:
    if ladder.stack is not None:
        yield from (("stack", ladder.stack.model), ("calibration", ladder.stack.calibration))
    if ladder.listwise is not None:
        yield "listwise", ladder.listwise.model


def figures(result: RungResult, setting: str) -> dict[str, float]:
    """The figures of one setting by name; none where it was not measured."""
    metrics = result.metrics if setting == "random" else result.hard
    if metrics is None:
        return {}
    hits = {f"hits@{k}": value for k, value in metrics.hits.items()}
    gain = {"gain_auc": result.gain_auc} if setting == "random" else {}
    return {"auc": metrics.auc, **hits, "mrr": metrics.mrr, **gain}


def _decile(metrics: NodeMetrics, decile: int) -> dict[str, Any]:
    inside = metrics.decile == decile
    shift = metrics.train_likeness - metrics.test_likeness
    return {
        "decile": decile,
        "n_nodes": int(inside.sum()),
        "n_measured": int(np.isfinite(metrics.recall[inside]).sum()),
        "atc_mean": float(metrics.atc[inside].mean()),
        "degree_mean": float(metrics.degree[inside].mean()),
        "recall_mean": _mean(metrics.recall[inside]),
        "mrr_random": _mean(metrics.mrr_random[inside]),
        "mrr_hard": _mean(metrics.mrr_hard[inside]),
        "shift": _mean(shift[inside]),
    }


def _mean(values: Float) -> float | None:
    """Of the finite ones; None where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
