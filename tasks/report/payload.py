"""The data that the report's script reads: compact rows, ready for display, safe inside a script element."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.graph import Drawing
from lakebed.tasks.report.model import Edge, NearMiss, ReportData
from lakebed.tasks.report.text import NO_NAME, bytes_text, count_text, cut, flattened, shown

VERDICT_TEXTS = {
    "refuted_by_sketch": "refuted by its sketch",
    "refuted_by_rows": "refuted by its rows",
    "refuted_by_sample": "refuted by a sample",
}
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def payload(data: ReportData, drawings: Mapping[str, Drawing], config: ReportConfig) -> dict[str, Any]:
    """Tables that something refers to, listed edges, near misses, and the members of each drawn node."""
    used = sorted(_used_tables(data, drawings.values()))
    at = {table: position for position, table in enumerate(used)}
    return {
        "mode": data.mode,
        "tables": [_table(data, table) for table in used],
        "edges": [_edge(edge, at, config.max_evidence_chars) for edge in data.edges],
        "near_note": _near_note(data),
        "near": [_near_miss(miss, at) for miss in data.near_misses],
        "views": {
            name: {
                "nodes": [[at[member] for member in node.members] for node in drawing.nodes],
                "links": [[link.parent, link.child] for link in drawing.links],
            }
            for name, drawing in drawings.items()
        },
    }


def script_json(value: object) -> str:
    """JSON that can stand inside a script element: no character of it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return "".join(_UNSAFE.get(char, char) for char in text)


def _near_note(data: ReportData) -> str:
    """What the list of near misses leaves out."""
    if not data.are_near_misses_complete:
        return "The lake has too many pairs to measure each: some near misses are missing here."
    if len(data.near_misses) < data.n_near_misses:
        return f"Of {data.n_near_misses:,} refuted pairs the nearest {len(data.near_misses):,} are kept in this report."
    return ""


def _used_tables(data: ReportData, drawings: Iterable[Drawing]) -> set[int]:
    used = {table for edge in data.edges for table in (edge.child, edge.parent)}
    used |= {table for miss in data.near_misses for table in (miss.child, miss.parent)}
    return used | {table for drawing in drawings for node in drawing.nodes for table in node.members}


def _table(data: ReportData, table: int) -> dict[str, Any]:
    row = data.tables[table]
    facts = [
        ("format", shown(row.format)),
        ("rows", count_text(row.n_rows)),
        ("columns", count_text(row.n_columns)),
        ("size", bytes_text(row.n_bytes)),
        ("files", count_text(row.n_files)),
    ]
    if row.delta_version is not None:
        facts.append(("Delta version", count_text(row.delta_version)))
    return {
        "name": _whole(row.name),
        "label": shown(row.name) or NO_NAME,
        "facts": facts,
        "rows": row.n_rows,
        "bytes": row.n_bytes,
    }


def _edge(edge: Edge, at: Mapping[int, int], n_chars: int) -> dict[str, Any]:
    return {
        "c": at[edge.child],
        "p": at[edge.parent],
        "semantics": shown(edge.semantics),
        "chance": edge.chance if edge.chance == edge.chance else None,
        "coincidental": edge.is_coincidental,
        "reason": shown(edge.coincidental_reason or ""),
        "mutual": edge.is_mutual,
        "compared": edge.n_compared,
        "rows": [edge.n_child_rows, edge.n_child_distinct, edge.n_parent_rows, edge.n_parent_distinct],
        "parts": cut(flattened(edge.chance_parts), n_chars),
        "certificate": cut(flattened(edge.certificate), n_chars),
    }


def _near_miss(miss: NearMiss, at: Mapping[int, int]) -> dict[str, Any]:
    return {
        "c": at[miss.child],
        "p": at[miss.parent],
        "verdict": VERDICT_TEXTS.get(miss.verdict, shown(miss.verdict)),
        "compared": miss.n_compared,
        "missing": miss.n_missing,
        "fraction": [_finite(value) for value in (miss.fraction, miss.fraction_low, miss.fraction_high)],
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinities and no NaN."""
    return value if value is not None and math.isfinite(value) else None


def _whole(name: str) -> str:
    """The name as a link can carry it: undecodable bytes of a file name are spelt out."""
    return name.encode("utf-8", "backslashreplace").decode()
