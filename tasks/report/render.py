"""ReportData → one HTML text that loads nothing from anywhere."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lakebed.tasks.report import charts, graph
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.graph import Drawing, Node, kept_bytes
from lakebed.tasks.report.model import Charts, ReportData, Table
from lakebed.tasks.report.payload import payload, script_json
from lakebed.tasks.report.text import NO_NAME, bytes_text, count_text, flattened, seconds_text, shortened, shown


@dataclass(frozen=True, slots=True)
class Headline:
    """Counts and sizes of the whole lake; nothing here is cut."""

    n_tables: int
    n_rows: int
    n_bytes: int
    n_edges: int
    n_coincidental: int
    n_contained: int
    contained_bytes: int
    removable_bytes: int
    """Upper bound of what could be set aside: contained bytes less one table of each group of copies that lies in
    nothing else. Whether the rest can really go depends on how each table is rebuilt, which this stage does not ask."""

    @property
    def removable_share(self) -> float:
        """Of the bytes of all tables that were read."""
        return self.removable_bytes / self.n_bytes if self.n_bytes else 0.0


def headline(data: ReportData) -> Headline:
    """Sum up; coincidental containments count as proven and nowhere else."""
    n_bytes = np.array([table.n_bytes for table in data.tables], dtype=np.int64)
    telling = data.relation.select(~data.relation.is_coincidental)
    contained = np.unique(telling.child)
    contained_bytes = int(n_bytes[contained].sum())
    return Headline(
        n_tables=len(data.tables),
        n_rows=sum(table.n_rows for table in data.tables),
        n_bytes=int(n_bytes.sum()),
        n_edges=data.relation.n_edges,
        n_coincidental=int(data.relation.is_coincidental.sum()),
        n_contained=len(contained),
        contained_bytes=contained_bytes,
        removable_bytes=contained_bytes - kept_bytes(telling, n_bytes),
    )


_FOLDER = Path(__file__).parent
_LIBRARIES = {
    "vega-6.3.0.min.js": ("vega-6.3.0.LICENSE", "vega-6.3.0.bundled.LICENSES"),
    "vega-lite-6.4.1.min.js": ("vega-lite-6.4.1.LICENSE",),
}
_SCRIPTS = ("evidence.js", "table.js", "page.js")
_TITLE_CELLS, _SUBTITLE_CELLS = 25, 33
_COLUMNS = (
    ("child", "Child", False),
    ("parent", "Parent", False),
    ("rows", "Child's rows", True),
    ("bytes", "Child's size", True),
    ("of", "Share of parent", True),
    ("chance", "Chance", True),
)


@dataclass(frozen=True, slots=True)
class _NodeView:
    title: str
    subtitle: str
    tooltip: str
    n_members: int
    badge_width: int
    is_contained: bool
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class _LinkView:
    path: str
    is_implied: bool
    is_coincidental: bool


@dataclass(frozen=True)
class _GraphView:
    drawing: Drawing
    nodes: tuple[_NodeView, ...]
    links: tuple[_LinkView, ...]
    caption: str
    caption_all: str


def render(data: ReportData, config: ReportConfig | None = None) -> str:
    """The report as HTML; equal data gives equal text."""
    config = config or ReportConfig()
    drawings = _drawings(data, config)
    scripts = [_library(name) for name in _LIBRARIES]
    app = _app(_chart_specs(data))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            top=headline(data),
            views={name: _graph_view(data, drawing) for name, drawing in drawings.items()},
            charts=_chart_specs(data),
            columns=_COLUMNS,
            box={"width": graph.NODE_WIDTH, "height": graph.NODE_HEIGHT},
            run_facts=flattened(data.run.facts),
            run_versions=flattened(data.run.versions),
            run_config=flattened(data.run.config),
            css=Markup((_FOLDER / "templates" / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
            scripts=scripts,
            app=app,
            payload=Markup(script_json(payload(data, drawings, config))),  # noqa: S704 - escaped by script_json
            security_policy=_security_policy([*scripts, app]),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    environment.filters.update(
        shown=lambda value: shown(str(value)),
        bytes=bytes_text,
        count=count_text,
        seconds=seconds_text,
        step=charts.step_title,
        local=_local_link,
        kind=lambda block: type(block).__name__,
    )
    return environment


def _local_link(link: str) -> str:
    """A link into the run's folder; anything with a scheme or host leads nowhere."""
    parts = urlsplit(link)
    return "#checks" if parts.scheme or parts.netloc else quote(link.encode("utf-8", "surrogateescape"), safe="/#")


def _library(name: str) -> Markup:
    """A library under its licences, which ask to go with every copy."""
    licences = "\n".join((_FOLDER / "static" / licence).read_text("utf-8") for licence in _LIBRARIES[name])
    text = (_FOLDER / "static" / name).read_text("utf-8")
    # a source map is the one thing that a browser's tools would try to load
    code = "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL"))
    return Markup(f"/*\n{licences}*/\n{code}")  # noqa: S704 - our own files


def _app(specs: Mapping[str, Any]) -> Markup:
    parts = [(_FOLDER / "templates" / name).read_text("utf-8") for name in _SCRIPTS]
    body = "\n".join([f"const CHARTS = {script_json(specs)};", *parts])
    return Markup(f'(() => {{\n"use strict";\n{body}}})();')  # noqa: S704 - our own files and escaped JSON


def _security_policy(scripts: list[Markup]) -> str:
    """Nothing may be loaded, and only our own scripts, named by their digests, may run (Vega compiles expressions)."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'unsafe-eval' {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _chart_specs(data: ReportData) -> dict[str, charts.Spec | None]:
    return {
        "funnel": charts.funnel_chart(data.funnel),
        "seconds": charts.seconds_chart(data.funnel),
        "bytes": charts.bytes_chart(data.funnel),
        **_section_specs(data),
    }


def _section_specs(data: ReportData) -> dict[str, charts.Spec | None]:
    """The specs of the stages' charts, by section, block and place."""
    return {
        f"{section.anchor}-{place}-{number}": charts.offline(chart.spec)
        for section in data.sections
        for place, block in enumerate(section.blocks)
        if isinstance(block, Charts)
        for number, chart in enumerate(block.charts)
    }


def _drawings(data: ReportData, config: ReportConfig) -> dict[str, Drawing]:
    """The graph without and with coincidental containments."""
    n_bytes = np.array([table.n_bytes for table in data.tables], dtype=np.int64)
    telling = data.relation.select(~data.relation.is_coincidental)
    return {"telling": graph.draw(telling, n_bytes, config), "all": graph.draw(data.relation, n_bytes, config)}


def _graph_view(data: ReportData, drawing: Drawing) -> _GraphView:
    contained = {link.child for link in drawing.links}
    nodes = tuple(_node_view(data, node, number in contained) for number, node in enumerate(drawing.nodes))
    links = tuple(
        _LinkView(_path(drawing.nodes[link.parent], drawing.nodes[link.child]), link.is_implied, link.is_coincidental)
        for link in drawing.links
    )
    boxes = _boxes_caption(drawing)
    captions = (f"{boxes}, {_lines_caption(drawing, is_with_implied=is_all)}" for is_all in (False, True))
    return _GraphView(drawing, nodes, links, *captions)


def _boxes_caption(drawing: Drawing) -> str:
    n_drawn, n_all = len(drawing.nodes), drawing.n_classes
    return (
        f"{n_all:,} boxes" if n_drawn == n_all else f"the {n_drawn:,} of {n_all:,} boxes where most could be set aside"
    )


def _lines_caption(drawing: Drawing, *, is_with_implied: bool) -> str:
    n_drawn = len(drawing.links)
    n_implied = sum(link.is_implied for link in drawing.links)
    if is_with_implied:
        return f"{n_drawn:,} lines" if n_drawn == drawing.n_links else f"{n_drawn:,} of {drawing.n_links:,} lines"
    return f"{n_drawn - n_implied:,} lines, {n_implied:,} implied hidden" if n_implied else f"{n_drawn:,} lines"


def _node_view(data: ReportData, node: Node, is_contained: bool) -> _NodeView:
    tables = [data.tables[member] for member in node.members]
    badge_width = 14 + 7 * len(str(len(tables))) if len(tables) > 1 else 0
    room = badge_width // 7 + 1 if badge_width else 0
    folder, _, title = (shown(tables[0].name) or NO_NAME).rpartition("/")
    return _NodeView(
        title=shortened(title, _TITLE_CELLS - room),
        subtitle=shortened(_subtitle(tables[0], folder), _SUBTITLE_CELLS - room),
        tooltip="\n".join(shown(table.name) for table in tables[:20]) + ("\n…" if len(tables) > 20 else ""),
        n_members=len(tables),
        badge_width=badge_width,
        is_contained=is_contained,
        x=round(node.x, 1),
        y=round(node.y, 1),
    )


def _subtitle(table: Table, folder: str) -> str:
    size = f"{table.n_rows:,} rows"
    return f"{shortened(folder, _SUBTITLE_CELLS - len(size) - 3)} · {size}" if folder else size


def _path(parent: Node, child: Node) -> str:
    x1, y1 = parent.x + graph.NODE_WIDTH, parent.y + graph.NODE_HEIGHT / 2
    x2, y2 = child.x, child.y + graph.NODE_HEIGHT / 2
    bend = graph.LEVEL_GAP / 2
    if x2 > x1:
        # a line that passes other boxes is lifted over them
        lift = graph.NODE_HEIGHT if x2 - x1 > graph.LEVEL_GAP and y1 == y2 else 0
        start, end = f"{x1:.1f} {y1:.1f}", f"{x2:.1f} {y2:.1f}"
        return f"M{start}C{x1 + bend:.1f} {y1 - lift:.1f} {x2 - bend:.1f} {y2 - lift:.1f} {end}"
    # a folded component: back along the gap above the child
    gap = child.y - graph.ROW_GAP / 2
    return f"M{x1:.1f} {y1:.1f}H{x1 + bend / 2:.1f}V{gap:.1f}H{x2 - bend / 2:.1f}V{y2:.1f}H{x2:.1f}"


__all__ = ["render"]
