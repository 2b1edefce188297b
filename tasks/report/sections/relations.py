"""What the report says of relations beyond containment in one table."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lakebed.tasks.relations.explain import proof_in_words, short
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Block, Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

TITLES = {
    "union": "Tables that several others cover together",
    "partition": "Partitions and files that lie in another table",
    "renamed": "Tables that lie in another under other column names",
}
NOTE = (
    "Every row of the first three lists is proven by comparing all row hashes; those that a heuristic calls "
    "coincidental stand last and enter no plan. Near misses are estimates from samples: nothing is proven of them."
)
LEAD = "Relations that containment in one table does not show; nothing is deleted on a near miss."
MAX_ROWS = 200


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """Tiles, and a listing a kind."""
    ref = refs["relations"]
    proven, near = store.read(ref, "proven").to_pylist(), store.read(ref, "near")
    blocks: list[Block] = [Tiles(_tiles(proven, near)), Prose(NOTE)]
    for kind, title in TITLES.items():
        rows = sorted((row for row in proven if row["kind"] == kind), key=lambda row: row["coincidental"])
        if rows:
            blocks.append(_listing(title, rows))
    if near.num_rows:
        blocks.append(_near_listing(near))
    return Section("relations", "Beyond", "Beyond one parent", LEAD, tuple(blocks))


def _tiles(proven: list[dict[str, Any]], near: pa.Table) -> tuple[Tile, ...]:
    names = {"union": "Unions", "partition": "Parts inside other tables", "renamed": "Renamed"}
    kinds = [(kind, [row for row in proven if row["kind"] == kind]) for kind in names]
    tiles = [
        Tile(names[kind], f"{len(rows):,}", f"{sum(row['coincidental'] for row in rows):,} of them coincidental")
        for kind, rows in kinds
    ]
    return (*tiles, Tile("Near misses", f"{near.num_rows:,}", "estimated from samples"))


def _listing(title: str, rows: list[dict[str, Any]]) -> Listing:
    cells = tuple(
        (
            row["child"],
            row["child_part"],
            short(tuple(row["parents"])),
            f"{row['n_child_distinct']:,}",
            proof_in_words(row),
        )
        for row in rows[:MAX_ROWS]
    )
    return Listing(title, ("table", "part", "lies in", "distinct rows", "why"), cells, (3,), n_all=len(rows))


def _near_listing(near: pa.Table) -> Listing:
    rows = near.sort_by([("fraction", "descending"), ("child", "ascending"), ("parent", "ascending")]).to_pylist()
    cells = tuple(
        (
            row["child"],
            row["parent"],
            f"{row['n_missing']:,} of {row['n_compared']:,}",
            f"{100 * row['fraction']:.2f} %",
            "all compared" if row["is_exact"] else _interval(row),
            f"{row['chance']:.2g}",
        )
        for row in rows[:MAX_ROWS]
    )
    columns = ("table", "nearly in", "missing", "contained", "interval", "chance")
    return Listing("Near misses", columns, cells, (2, 3, 4, 5), n_all=len(rows))


def _interval(row: dict[str, Any]) -> str:
    return f"{100 * row['fraction_low']:.2f} to {100 * row['fraction_high']:.2f} %"
