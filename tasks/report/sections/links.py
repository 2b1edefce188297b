"""The link predictor in the report: how good each rung is, for which nodes, and what it takes for missing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakebed.tasks.report.charts import Spec, offline
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Block, Chart, Charts, Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

STAGE = "links"
MAX_PREDICTIONS = 50
OTHERS = {"random": "links told from random others", "hard": "links told from hard others"}
CHART_HEIGHT = 260
Row = Mapping[str, Any]


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """The ladder, quality and shift by decile of concentration, and the likeliest missing links.

    Raises: ArtifactError: if the artifact is missing or damaged.
    """
    ref = refs[STAGE]
    return Section(
        STAGE,
        "Links",
        "Likely missing links",
        "A ladder of predictors, from shared neighbours to a stack with neural networks, trained on some of the links "
        "and tested on others that none of them saw; each rung is given with its gain over those below.",
        _blocks(store, ref, store.manifest(ref).summary),
    )


def _blocks(store: ArtifactStore, ref: ArtifactRef, facts: Mapping[str, Any]) -> tuple[Block, ...]:
    if "untrained" in facts:
        return (Prose(f"None was trained: {facts['untrained']}"),)
    deciles = store.read(ref, "deciles").sort_by("decile").to_pylist()
    predictions = store.read(ref, "predictions").sort_by("rank").to_pylist()
    charts = Chart("Recall by decile of concentration", decile_chart(deciles, "recall_mean", "recall"))
    ranks = Chart("MRR by decile, beside hard others", decile_chart(deciles, "mrr_hard", "MRR"))
    shift = Chart("Shift between training and test partners", decile_chart(deciles, "shift", "shift in likeness"))
    return (
        tiles(facts),
        *ladders(store.read(ref, "rungs").to_pylist()),
        Charts((charts, ranks, shift)),
        missing_links(predictions),
        Prose("Chances are calibrated among pairs as they are told: those that look like links."),
    )


def tiles(facts: Mapping[str, Any]) -> Tiles:
    """The last rung's figures, and what it was trained on."""
    pairs = f"{facts['train']:,} to train, {facts['valid']:,} to validate, {facts['test']:,} to test"
    return Tiles(
        (
            Tile("AUC", f"{facts['auc']:.3f}", f"of the rung {facts['rung'].replace('_', ' ')}, on pairs held out"),
            Tile("MRR", f"{facts['mrr']:.3f}", f"of a linked pair among {facts['tails']:,} others of its head"),
            Tile("Linked pairs", f"{facts['pairs']:,}", pairs),
        )
    )


def ladders(rows: Sequence[Row]) -> Iterator[Listing]:
    """One for each setting that was measured."""
    for setting in OTHERS:
        if measured := [row for row in rows if row["setting"] == setting]:
            yield ladder(measured, setting)


def ladder(rows: Sequence[Row], setting: str) -> Listing:
    """A line per rung, a column per metric."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    figures = {(row["rung"], row["metric"]): row["value"] for row in rows}
    rungs = [rung for _, rung in sorted({(row["position"], row["rung"]) for row in rows})]
    shown = tuple((rung.replace("_", " "), *(f"{figures[rung, name]:.3f}" for name in metrics)) for rung in rungs)
    names = ("rung", *(name.replace("gain_auc", "gain in AUC") for name in metrics))
    return Listing(f"Ladder, {OTHERS[setting]}", names, shown, tuple(range(1, len(names))))


def decile_chart(deciles: Sequence[Row], column: str, title: str) -> Spec | None:
    """Bars by decile; None where nothing was measured."""
    rows = [
        {"decile": row["decile"], "value": row[column], "nodes": row["n_measured"], "atc": row["atc_mean"]}
        for row in deciles
        if row[column] is not None
    ]
    if not rows:
        return None
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar()
    x = alt.X("decile:O", title="decile of topological concentration (0: neighbours share least)")
    tooltip = ["decile:O", alt.Tooltip("value:Q", format=".3f"), "nodes:Q", alt.Tooltip("atc:Q", format=".3f")]
    chart = chart.encode(x=x, y=alt.Y("value:Q", title=title), tooltip=tooltip)
    return offline(chart.properties(width="container", height=CHART_HEIGHT).to_dict())


def missing_links(rows: Sequence[Row]) -> Listing:
    """The likeliest, with names and chances."""
    shown = tuple(
        (f"{row['chance']:.3f}", row["kind"], row["source_label"], row["target_label"], row["why"])
        for row in rows[:MAX_PREDICTIONS]
    )
    return Listing("Likely missing links", ("chance", "of", "source", "target", "why"), shown, (0,), n_all=len(rows))
