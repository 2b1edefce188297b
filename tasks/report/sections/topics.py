"""Topics in the report: a map of bytes and savings, and the topics with the folders that they lie in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebed.tasks.report.charts import Spec, offline
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Chart, Charts, Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.report.text import bytes_text, shortened
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

STAGE = "topics"
MAX_RECTANGLES, MAX_TOPICS, MAX_FOLDERS = 60, 100, 3
# of the map, in pixels as most screens show it: rectangles are as square as can be, and labels fit
WIDTH, HEIGHT, CHARACTER, LINE = 1000.0, 340.0, 7.0, 24.0

Rectangle = tuple[float, float, float, float]


@dataclass
class _Topic:
    """A topic with its bytes and those of its tables that may go."""

    name: str
    n_tables: int = 0
    n_bytes: int = 0
    may_go: int = 0


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """Counts, the map, and the largest topics.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    facts = store.manifest(refs[STAGE]).summary
    found, folders = _topics(store, refs)
    several = [number for number, topic in found.items() if topic.n_tables > 1]
    rows = ((str(number), found[number], folders[number]) for number in several[:MAX_TOPICS])
    alone = int(str(facts["alone"]))
    remark = (
        "Tables are joined where a column of one is likely to refer to a column of the other; folders do not count. "
        "Few keys make brittle topics: a tenth of them less moves many tables."
    )
    return Section(
        STAGE,
        "Topics",
        "Topics: which tables belong together",
        "Tables that likely keys join: a tree, cut where a merge stops to pay, named by words that they share.",
        (
            Tiles((
                Tile("Topics", f"{len(several):,}", "of two tables or more"),
                Tile("Tables in them", f"{int(str(facts['tables'])) - alone:,}", f"{alone:,} stand alone"),
            )),
            Charts((Chart("Bytes by topic; the dark part may go", map_chart(list(found.values()))),)),
            Listing(
                "Topics of several tables",
                ("topic", "name", "tables", "bytes", "may go", "folders"),
                tuple((number, one.name, f"{one.n_tables:,}", bytes_text(one.n_bytes), bytes_text(one.may_go), held)
                      for number, one, held in rows),
                (0, 2, 3, 4),
                n_all=len(several),
            ),
            Prose(remark),
        ),
    )  # fmt: skip


def _topics(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> tuple[dict[int, _Topic], dict[int, str]]:
    """Topics by number, and the folders of each."""
    rows = store.read(refs[STAGE], "topics", ["table", "topic", "name"]).sort_by("topic").to_pylist()
    sizes = store.read(refs["inventory"], "tables", ["name", "n_bytes"]) if "inventory" in refs else None
    n_bytes = {} if sizes is None else dict(zip(sizes["name"].to_pylist(), sizes["n_bytes"].to_pylist(), strict=True))
    gone = set[str]()
    if "retention" in refs:
        decided = store.read(refs["retention"], "decisions", ["name", "decision"]).to_pylist()
        gone = {row["name"] for row in decided if row["decision"] == "delete"}
    found: dict[int, _Topic] = {}
    folders: dict[int, Counter[str]] = {}
    for row in rows:
        topic = found.setdefault(row["topic"], _Topic(row["name"]))
        size = int(n_bytes.get(row["table"], 0))
        topic.n_tables, topic.n_bytes = topic.n_tables + 1, topic.n_bytes + size
        topic.may_go += size if row["table"] in gone else 0
        folders.setdefault(row["topic"], Counter())[row["table"].rpartition("/")[0] or "."] += 1
    return found, {number: _folders(held) for number, held in folders.items()}


def _folders(held: Counter[str]) -> str:
    ordered = [name for name, _ in sorted(held.items(), key=lambda one: (-one[1], one[0]))]
    more = len(ordered) - MAX_FOLDERS
    return ", ".join(ordered[:MAX_FOLDERS]) + (f" and {more:,} more" if more > 0 else "")


def map_chart(topics: Sequence[_Topic]) -> Spec | None:
    """Rectangles as large as topics are, the dark part of each what may go; the least topics share one."""
    ordered = sorted((topic for topic in topics if topic.n_bytes), key=lambda topic: -topic.n_bytes)
    if not ordered:
        return None
    import altair as alt

    shown, rest = ordered[:MAX_RECTANGLES], ordered[MAX_RECTANGLES:]
    if rest:
        sums = (sum(getattr(topic, name) for topic in rest) for name in ("n_tables", "n_bytes", "may_go"))
        shown.append(_Topic(f"{len(rest):,} smaller topics", *sums))
        shown.sort(key=lambda topic: -topic.n_bytes)
    rows = [_row(topic, place) for topic, place in zip(shown, squarified([t.n_bytes for t in shown]), strict=True)]
    plain: dict[str, Any] = {"axis": None, "scale": alt.Scale(domain=[0, WIDTH], nice=False)}
    up: dict[str, Any] = {"axis": None, "scale": alt.Scale(domain=[0, HEIGHT], nice=False)}
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("left:Q", **plain), tooltip=["topic:N", "tables:Q", "bytes:N", alt.Tooltip("goes:N", title="may go")]
    )
    whole = base.mark_rect(opacity=0.3, stroke="white").encode(x2="right:Q", y=alt.Y("low:Q", **up), y2="high:Q")
    going = base.mark_rect(opacity=0.75).encode(x2="right:Q", y=alt.Y("low:Q", **up), y2="gone:Q")
    label = base.mark_text().encode(x=alt.X("middle:Q", **plain), y=alt.Y("centre:Q", **up), text="label:N")
    return offline((whole + going + label).properties(width="container", height=HEIGHT).to_dict())


def _row(topic: _Topic, place: Rectangle) -> dict[str, object]:
    left, low, width, height = place
    n_chars = int(width / CHARACTER) - 1
    label = shortened(topic.name, n_chars) if n_chars > 3 and height >= LINE else ""
    return {
        "topic": topic.name, "tables": topic.n_tables, "bytes": bytes_text(topic.n_bytes),
        "goes": bytes_text(topic.may_go), "left": left, "right": left + width, "low": low, "high": low + height,
        "gone": low + height * topic.may_go / topic.n_bytes, "middle": left + width / 2, "centre": low + height / 2,
        "label": label,
    }  # fmt: skip


def squarified(sizes: Sequence[float]) -> list[Rectangle]:
    """(left, low, width, height) of each size, descending, filling the map with rectangles near to squares.

    Bruls, Huizing and van Wijk 2000, "Squarified treemaps": a row along the shorter side grows while its worst
    rectangle becomes squarer.
    """
    scale = WIDTH * HEIGHT / sum(sizes)
    areas, found = [size * scale for size in sizes], list[Rectangle]()
    left, low, width, height = 0.0, 0.0, WIDTH, HEIGHT
    start = 0
    while start < len(areas):
        side, end = min(width, height), start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row = areas[start:end]
        depth = sum(row) / side
        at = low if width >= height else left
        for area in row:
            length = area / depth
            found.append((left, at, depth, length) if width >= height else (at, low, length, depth))
            at += length
        if width >= height:
            left, width = left + depth, width - depth
        else:
            low, height = low + depth, height - depth
        start = end
    return found


def _worst(row: Sequence[float], side: float) -> float:
    """The greatest ratio of sides in a row along a side."""
    total = sum(row)
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))
