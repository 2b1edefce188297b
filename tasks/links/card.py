"""The model card: what was trained on what, how good each rung is, for whom it is not, and how to repeat it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.kernel.ladder import RungResult
from lakebed.tasks.links.kernel.metrics import LinkMetrics


def model_card(results: Sequence[RungResult], deciles: pa.Table, facts: Mapping[str, Any], config: LinksConfig) -> str:
    """Markdown with nothing in it that differs between two equal trainings: no times, paths or run ids."""
    parts = [
        "# Link predictor",
        _sentence(facts),
        "## Quality on the test pairs, beside random others\n\n" + _ladder(results),
        *_gate(facts),
        "Ties count against the rung. Hits@K and MRR follow the Open Graph Benchmark; MRR ranks each test pair among "
        f"{facts['tails']} negative tails that are filtered and drawn by the seed.",
        *_hard(results, facts),
        "## Quality by decile of topological concentration\n\n" + _deciles(deciles),
        "A low decile holds nodes whose neighbours share little: predictions there are weaker. `shift` is how much "
        "more alike a node is to its training partners than to those of the test; the MRR are of the last rung beside "
        "random tails, and of the listwise one beside hard others, over the test pairs of the decile's nodes.",
        "## Split\n\n" + _split(facts, config),
        "## Limits\n\n"
        "- The chances of predictions are of pairs as they are told; `stack` scores are of as many links as others.\n"
        "- Figures are of one split. Other seeds differ; `python -m tests.benchmarks.links` gives the spread.\n"
        "- A node without edges is judged by its features alone, or, without any, by nothing.",
        "## To repeat it\n\n```json\n" + json.dumps(facts, indent=1, sort_keys=True) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _sentence(facts: Mapping[str, Any]) -> str:
    return (
        f"Trained on {facts['train']:,} of {facts['pairs']:,} linked pairs of a graph of {facts['nodes']:,} nodes; "
        f"{facts['valid']:,} pairs chose the epoch and fitted the stack, {facts['test']:,} tested it."
    )


def _gate(facts: Mapping[str, Any]) -> list[str]:
    """What the stack came out as; nothing where there is none."""
    if not (stack := facts.get("stack")):
        return []
    tried = sorted(stack["average_precision"].items(), key=lambda item: -item[1])
    told = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in tried)
    used = (
        "all rungs" if stack["reads"] == "stack" else f"{stack['reads'].replace('_', ' ')} alone, which it did not beat"
    )
    return [f"The stack reads {used}. Average precision on validation pairs out of fold: {told}."]


def _ladder(results: Sequence[RungResult]) -> str:
    ks = list(results[0].metrics.hits) if results else []
    head = ["rung", "AUC", *(f"Hits@{k}" for k in ks), "MRR", "gain in AUC"]
    rows = [[result.rung, *_cells(result.metrics), f"{result.gain_auc:+.3f}"] for result in results]
    return _table(head, rows)


def _hard(results: Sequence[RungResult], facts: Mapping[str, Any]) -> list[str]:
    """The same beside hard others, and what the listwise stack came out as; nothing where none were found."""
    measured = [(result.rung, result.hard) for result in results if result.hard is not None]
    if not measured:
        return []
    head = ["rung", "AUC", *(f"Hits@{k}" for k in measured[0][1].hits), "MRR"]
    parts = [
        "## Quality on the test pairs, beside hard others\n\n"
        + _table(head, [[rung, *_cells(metrics)] for rung, metrics in measured]),
        f"{facts['hard']['pairs']:,} test pairs, each ranked among {facts['hard']['others']} others that simple "
        "predictors would take for links, half of either end (HeaRT, Li et al. 2023); ties count half.",
    ]
    if listwise := facts.get("listwise"):
        best = max((name for name in listwise["mrr"] if name != "listwise"), key=listwise["mrr"].__getitem__)
        used = "all rungs" if listwise["reads"] == "listwise" else "this one alone"
        figures = f"{listwise['mrr']['listwise']:.3f}; {best.replace('_', ' ')} has {listwise['mrr'][best]:.3f}"
        parts.append(f"The listwise stack's MRR on validation pairs out of fold: {figures}, so it reads {used}.")
    return parts


def _cells(metrics: LinkMetrics) -> list[str]:
    return [f"{value:.3f}" for value in (metrics.auc, *metrics.hits.values(), metrics.mrr)]


def _deciles(deciles: pa.Table) -> str:
    head = ["decile", "nodes", "measured", "ATC", "degree", "recall", "MRR random", "MRR hard", "shift"]
    names = ["n_nodes", "n_measured", "atc_mean", "degree_mean", "recall_mean", "mrr_random", "mrr_hard", "shift"]
    rows = [[str(row["decile"]), *(_figure(row[name]) for name in names)] for row in deciles.to_pylist()]
    return _table(head, rows)


def _split(facts: Mapping[str, Any], config: LinksConfig) -> str:
    return (
        f"Seed {config.split.seed}: {config.split.test_share:.0%} test, {config.split.valid_share:.0%} validation. "
        f"{facts['rule']} A third of the validation pairs stops the networks early; the others fit stack and "
        f"calibration in {config.n_folds} folds."
    )


def _figure(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)
