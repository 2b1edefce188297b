"""What was found, as the tables and files that are published."""

import json
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from safetensors.numpy import save

from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import DECILES, NODE_METRICS, PAIR_KINDS, PREDICTIONS, RUNGS, VECTORS
from lakebed.tasks.links.fit import Fitted
from lakebed.tasks.links.kernel.ladder import LadderInputs, RungResult, Scores
from lakebed.tasks.links.kernel.nodes import N_DECILES, NodeMetrics
from lakebed.tasks.links.kernel.reweighting import EDGE_WEIGHTS
from lakebed.tasks.links.kernel.stack import Stack

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
        "epochs": {kind: trained.state.epoch for kind, trained in fitted.trained.items()},
        "seed": config.split.seed,
        "versions": {name: metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }


def _stack_facts(stack: Stack | None) -> dict[str, Any] | None:
    """What the stack reads, and how well each that was tried did on validation pairs out of fold."""
    if stack is None:
        return None
    return {"reads": stack.used, "average_precision": {name: round(part, 4) for name, part in stack.quality.items()}}


def rungs(results: Sequence[RungResult]) -> pa.Table:
    """The RUNGS table."""
    rows = [
        {"position": place, "rung": result.rung, "metric": metric, "value": value}
        for place, result in enumerate(results)
        for metric, value in _figures(result).items()
    ]
    return pa.Table.from_pylist(rows, schema=RUNGS.arrow_schema())


def headline(results: Sequence[RungResult]) -> dict[str, Any]:
    """The last rung's figures, for the manifest and the report."""
    return {"rung": results[-1].rung, **{name: round(value, 6) for name, value in _figures(results[-1]).items()}}


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
    ]
    schema = NODE_METRICS.arrow_schema()
    arrays = [pa.array(column, field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def deciles(metrics: NodeMetrics) -> pa.Table:
    """The DECILES table; a decile without nodes is left out."""
    rows = [_decile(metrics, decile) for decile in range(N_DECILES) if (metrics.decile == decile).any()]
    return pa.Table.from_pylist(rows, schema=DECILES.arrow_schema())


def predictions(pairs: Int64, chance: Float, evidence: Sequence[str], nodes: pa.Table) -> pa.Table:
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
    ]
    return pa.table(columns, schema=PREDICTIONS.arrow_schema())


def evidence(scores: Scores) -> list[str]:
    """What each rung says of each pair, as JSON."""
    rounded = [np.round(values, 6).tolist() for values in scores.values()]
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
    if (stack := fitted.ladder.stack) is not None:
        for part, model in (("stack", stack.model), ("calibration", stack.calibration)):
            arrays |= {f"{part}/{name}": np.atleast_1d(getattr(model, name)) for name in ("mean", "scale", "weight")}
            arrays[f"{part}/bias"] = np.array([model.bias])
    return save(dict(sorted(arrays.items())))


def _figures(result: RungResult) -> dict[str, float]:
    metrics = result.metrics
    hits = {f"hits@{k}": value for k, value in metrics.hits.items()}
    return {"auc": metrics.auc, **hits, "mrr": metrics.mrr, "gain_auc": result.gain_auc}


def _decile(metrics: NodeMetrics, decile: int) -> dict[str, Any]:
    inside = metrics.decile == decile
    measured = inside & np.isfinite(metrics.recall)
    both = inside & np.isfinite(metrics.train_likeness) & np.isfinite(metrics.test_likeness)
    shift = metrics.train_likeness - metrics.test_likeness
    return {
        "decile": decile,
        "n_nodes": int(inside.sum()),
        "n_measured": int(measured.sum()),
        "atc_mean": float(metrics.atc[inside].mean()),
        "degree_mean": float(metrics.degree[inside].mean()),
        "recall_mean": float(metrics.recall[measured].mean()) if measured.any() else None,
        "shift": float(shift[both].mean()) if both.any() else None,
    }
