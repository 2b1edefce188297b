"""The summary in the report: how small, how exact, where its edges are, and the top of its hierarchy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.report.charts import Spec, offline
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Chart, Charts, Listing, Section, Tile, Tiles
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

STAGE = "summary"
MAX_LEVELS = 40
TOP_LEVELS = 6
TOP_TREES = 12
TOP_NODES = 400
CHART_HEIGHT = 260

Ints = NDArray[np.int64]


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """Ratio and bits an edge, the profile of levels, and the top of the largest trees.

    Raises: ArtifactError: if the artifact is missing or damaged.
    """
    ref = refs[STAGE]
    facts = store.manifest(ref).summary
    levels = store.read(ref, "levels").sort_by("level").to_pydict()
    forest = store.read(ref, "forest").sort_by("node")
    top = top_of_forest(forest["parent"].to_numpy().astype(np.int64), int(facts["n_nodes"]))
    return Section(
        STAGE,
        "Summary",
        "The graph, summarised without loss",
        "Nodes that share neighbours hang below one node of a forest, and edges between nodes of the forest stand for "
        "many edges of the graph. Every summary was decoded and compared with the graph before it was published.",
        (
            tiles(facts),
            Charts((Chart("Edges by level", level_chart(levels)), Chart("Top of the largest trees", top_chart(top)))),
            _listing(levels),
        ),
    )


def tiles(facts: Mapping[str, Any]) -> Tiles:
    """The figures that stand out."""
    parts = f"{facts['p_edges']:,} plus, {facts['n_minus_edges']:,} minus, {facts['h_edges']:,} of the hierarchy"
    return Tiles(
        (
            Tile(
                "Relative size",
                f"{facts['ratio']:.3f}",
                "edges of the summary, hierarchy included, for one of the graph",
            ),
            Tile("Edges", f"{facts['n_edges']:,} → {facts['cost']:,}", parts),
            Tile("Bits an edge", f"{facts['bits_per_edge']:.1f}", f"stored as {facts['stored_form']}"),
            Tile("Lossless", "proven", f"all {facts['n_edges']:,} edges, and no other, come back"),
        )
    )


def level_chart(levels: Mapping[str, Sequence[int]]) -> Spec | None:
    """Ends of signed edges by distance from the root."""
    if not levels["level"]:
        return None
    import altair as alt

    rows = [
        {"level": level, "ends": levels[column][place], "sign": sign}
        for place, level in enumerate(levels["level"][:MAX_LEVELS])
        for column, sign in (("n_plus", "plus"), ("n_minus", "minus"))
    ]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar()
    x = alt.X("level:O", title="nodes above (0: root)")
    y = alt.Y("ends:Q", title="ends of edges")
    chart = chart.encode(x=x, y=y, color=alt.Color("sign:N", title=None), tooltip=["level:O", "sign:N", "ends:Q"])
    return offline(chart.properties(width="container", height=CHART_HEIGHT).to_dict())


def top_of_forest(parent: Ints, n_nodes: int) -> list[dict[str, Any]]:
    """Rectangles of the largest trees' upper levels: place and width in vertices, level from the root.

    At most `TOP_NODES`, the largest first. Cost: O(forest).
    """
    size, depth = _sizes(parent, n_nodes), np.zeros(len(parent), np.int64)
    roots = np.flatnonzero((parent < 0) & (size > 1))
    nodes = roots[np.argsort(-size[roots], kind="stable")][:TOP_TREES]
    start = np.zeros(len(parent), np.int64)
    start[nodes] = np.cumsum(size[nodes]) - size[nodes]
    found = [nodes]
    for level in range(1, TOP_LEVELS):
        nodes = np.flatnonzero(np.isin(parent, nodes))
        nodes = nodes[np.lexsort((-size[nodes], parent[nodes]))]
        before = np.cumsum(size[nodes]) - size[nodes]
        first = np.searchsorted(parent[nodes], parent[nodes])
        start[nodes] = start[parent[nodes]] + before - before[first] if len(nodes) else 0
        depth[nodes] = level
        found.append(nodes)
    shown = np.concatenate(found)
    shown = shown[np.argsort(-size[shown], kind="stable")][:TOP_NODES]
    return [
        {"from": int(start[x]), "to": int(start[x] + size[x]), "level": int(depth[x]), "vertices": int(size[x])}
        for x in shown
    ]


def _sizes(parent: Ints, n_nodes: int) -> Ints:
    """Vertices below each node; children have lower numbers than their parents."""
    size = (np.arange(len(parent)) < n_nodes).astype(np.int64)
    depth = np.zeros(len(parent), np.int64)
    at = np.arange(len(parent))
    while (at >= 0).any():
        at = np.where(at >= 0, parent[at], -1)
        depth += at >= 0
    for level in range(int(depth.max(initial=0)), 0, -1):
        nodes = np.flatnonzero(depth == level)
        np.add.at(size, parent[nodes], size[nodes])
    return size


def top_chart(rectangles: Sequence[Mapping[str, Any]]) -> Spec | None:
    """The rectangles, roots on top; widths are numbers of vertices."""
    if not rectangles:
        return None
    import altair as alt

    rows = [{**one, "below": one["level"] + 0.92} for one in rectangles]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_rect(stroke="white", strokeWidth=0.5)
    scale = alt.Scale(reverse=True, nice=False)
    chart = chart.encode(
        x=alt.X("from:Q", title="vertices of the largest trees"),
        x2="to:Q",
        y=alt.Y("level:Q", title="level", scale=scale, axis=alt.Axis(tickMinStep=1, format="d")),
        y2="below:Q",
        opacity=alt.Opacity("level:Q", legend=None, scale=alt.Scale(range=[1.0, 0.35])),
        tooltip=["level:Q", "vertices:Q"],
    )
    return offline(chart.properties(width="container", height=CHART_HEIGHT).to_dict())


def _listing(levels: Mapping[str, Sequence[int]]) -> Listing:
    columns = ("level", "n_vertices", "n_internal", "n_plus", "n_minus")
    rows = zip(*(levels[name] for name in columns), strict=True)
    shown = tuple(tuple(f"{value:,}" for value in row) for row in rows)
    names = ("level", "vertices", "internal nodes", "ends of plus edges", "ends of minus edges")
    return Listing("Levels", names, shown[:MAX_LEVELS], (0, 1, 2, 3, 4), n_all=len(shown))
