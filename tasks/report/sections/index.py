"""What the report says of vectors and index: a map of the tables, how well and fast the index answers, who is near."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.report.charts import offline
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Chart, Charts, Listing, Section, Tile, Tiles
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.search.config import SearchConfig

if TYPE_CHECKING:
    from lakebed.tasks.search.lake_search import LakeSearch

MAX_POINTS = 2_000
MAX_LABELS = 25
N_BIGGEST = 10
N_NEAR = 3


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """The section of the index stage.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    from lakebed.tasks.search.lake_search import LakeSearch

    rows = store.read(refs["index"], "indexes").to_pylist()
    search = LakeSearch(store, refs, SearchConfig(max_shown_values=0))
    has_tables = any(row["kind"] == "table" for row in rows)
    sizes = _sizes(store, refs)
    map_spec = embedding_map(search, sizes) if has_tables else None
    near = _nearest(search, sizes) if has_tables else ()
    return Section(
        anchor="index",
        name="Search",
        title="Vectors and the index over them",
        lead="Tables, columns and their shared values form a graph; its nodes have vectors, in which near means alike. "
        "The index finds the nearest; lakebed similar, joinable and search ask it.",
        blocks=(
            Tiles(tuple(_tile(row) for row in rows)),
            Charts((Chart("Map of the tables: the two widest directions of their vectors", map_spec),)),
            Listing(
                "Nearest to the biggest tables", ("table", "near", "distance", "share of its values"), near, (2, 3)
            ),
            _indexes(rows),
        ),
    )


def embedding_map(search: "LakeSearch", sizes: Mapping[str, int]) -> dict[str, Any] | None:
    """Each table as a point, the biggest ones with their names; None below three tables."""
    index = search.tables
    names = [str(name) for name in index.items["label"].to_pylist()]
    if len(names) < 3:
        return None
    points = principal_plane(index.index.vectors[index.group_of])
    order = sorted(range(len(names)), key=lambda place: (-sizes.get(names[place], 0), names[place]))[:MAX_POINTS]
    rows = [
        {
            "x": round(float(points[place, 0]), 5),
            "y": round(float(points[place, 1]), 5),
            "table": names[place],
            "name": names[place][:40] if rank < MAX_LABELS else "",
        }
        for rank, place in enumerate(order)
    ]
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("x:Q", axis=None), y=alt.Y("y:Q", axis=None), tooltip=["table:N"]
    )
    labels = base.mark_text(align="left", dx=5, dy=-4, fontSize=10).encode(text="name:N")
    chart = (base.mark_circle(size=22, opacity=0.55) + labels).properties(width="container", height=420)
    return offline(chart.to_dict())


def principal_plane(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The vectors in the plane of their two widest directions; signs such that the greatest weight is positive.

    Shapes: vectors (n, dim); result (n, 2).
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    plane = np.zeros((vectors.shape[1], 2))
    plane[:, : min(2, axes.shape[1])] = axes[:, ::-1][:, :2]
    signs = np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    found: NDArray[np.float64] = centred @ (plane * np.where(signs == 0, 1, signs))
    return found


def _sizes(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> dict[str, int]:
    if "inventory" not in refs:
        return {}
    tables = store.read(refs["inventory"], "tables", ["name", "n_bytes"])
    return dict(zip(tables["name"].to_pylist(), tables["n_bytes"].to_pylist(), strict=True))


def _nearest(search: "LakeSearch", sizes: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    biggest = sorted(search.evidence.tables, key=lambda name: (-sizes.get(name, 0), name))[:N_BIGGEST]
    rows = []
    for table in biggest:
        for found in search.similar(table, N_NEAR):
            far = "" if found.distance is None else f"{found.distance:.3f}"
            rows.append((table, found.name, far, f"{found.why['shared']:.0%}"))
    return tuple(rows)


def _tile(row: Mapping[str, Any]) -> Tile:
    how = "exact search" if row["method"] == "flat" else f"HNSW, ef {row['ef']:,}"
    note = f"{how}; recall {row['recall']:.3f}; {row['query_us']:,.0f} µs of CPU a query"
    return Tile(f"{row['kind']} vectors", f"{row['n_items']:,}", note)


def _indexes(rows: Sequence[Mapping[str, Any]]) -> Listing:
    head = ("of", "search", "items", "distinct vectors", "shards", "ef", "recall wanted", "recall", "µs a query")
    cells = tuple(
        (
            str(row["kind"]),
            str(row["method"]),
            f"{row['n_items']:,}",
            f"{row['n_vectors']:,}",
            f"{row['n_shards']}",
            f"{row['ef']:,}",
            f"{row['recall_target']:.2f}",
            f"{row['recall']:.4f}",
            f"{row['query_us']:,.0f}",
        )
        for row in rows
    )
    return Listing("The indexes", head, cells, tuple(range(2, 9)))
