"""The charts, as Vega-Lite specs: altair builds them, the report's own JavaScript draws and colours them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from lakebed.tasks.report.model import FunnelStep
from lakebed.tasks.report.text import bytes_text, seconds_text

Spec = dict[str, Any]

STEP_TITLES = {
    "pairs": "all pairs",
    "schema": "schema",
    "min_max": "min-max",
    "sketch": "sketches",
    "scan": "reading",
    "sample": "sample",
    "proof": "proof",
}
ROW_HEIGHT = 34


class Row(TypedDict):
    """One bar."""

    step: str
    value: float
    label: str


def step_title(step: str) -> str:
    """How a step of the funnel is called in the report."""
    return STEP_TITLES.get(step, step.replace("_", " "))


def funnel_chart(steps: Sequence[FunnelStep]) -> Spec | None:
    """Pairs left after each step, on a log-like scale that has room for zero."""
    rows: list[Row] = [
        {"step": step_title(s.step), "value": s.n_pairs, "label": f"{s.n_pairs:,}"}
        for s in steps
        if s.n_pairs is not None
    ]
    return _bars(rows, title="pairs left (log scale)", is_log=True)


def seconds_chart(steps: Sequence[FunnelStep]) -> Spec | None:
    """Seconds spent in each step that measured them."""
    rows: list[Row] = [
        {"step": step_title(s.step), "value": s.seconds, "label": seconds_text(s.seconds)}
        for s in steps
        if s.seconds is not None
    ]
    return _bars(rows, title="seconds")


def bytes_chart(steps: Sequence[FunnelStep]) -> Spec | None:
    """Data bytes read by each step that measured them."""
    rows: list[Row] = [
        {"step": step_title(s.step), "value": s.bytes_read / 1e6, "label": bytes_text(s.bytes_read)}
        for s in steps
        if s.bytes_read is not None
    ]
    return _bars(rows, title="data read, MB")


def _bars(rows: list[Row], *, title: str, is_log: bool = False) -> Spec | None:
    if not rows:
        return None
    import altair as alt

    largest = max(row["value"] for row in rows)
    # room right of the longest bar for its label
    if is_log:
        scale = alt.Scale(type="symlog", constant=1, domain=[0, (largest + 1) ** 1.3], nice=False)
        axis = alt.Axis(values=[0, *(10**power for power in range(1, 16) if 10**power <= largest)], format=",d")
    else:
        scale = alt.Scale(domain=[0, largest * 1.3 or 1], nice=False)
        axis = alt.Axis(tickCount=3, format=",~f")
    x = alt.X("value:Q", title=title, scale=scale, axis=axis)
    y = alt.Y("step:N", sort=None, title=None)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y, tooltip=["step:N", "label:N"])
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.62})
    labels = base.mark_text(align="left", dx=6).encode(text="label:N")
    return offline((bars + labels).properties(width="container", height=ROW_HEIGHT * len(rows)).to_dict())


def offline(spec: Mapping[str, Any] | None) -> Spec | None:
    """A spec without the schema's address, the only one in it, and without colours: those follow the page."""
    return None if spec is None else {name: part for name, part in spec.items() if name not in {"$schema", "config"}}
