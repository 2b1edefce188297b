"""Report data made by hand: no lake, no artifacts."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lakebed.tasks.report.model import (
    Check,
    Edge,
    FunnelStep,
    NearMiss,
    Problem,
    Relation,
    ReportData,
    RunFacts,
    StageFacts,
    Table,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "\"quoted\" & 'single'",
    "two\nlines\tand\x00nul",
    "übung/表格/данные/🦆",
    "\u202egnp.exe",
    "{{ 7 * 7 }}",
    "javascript:alert(3)",
    "bytes \udcff that are no UTF-8",
    "a" * 400,
    "",
)
PACKAGES = ("AER", "DAAG", "Ecdat", "MASS", "plm", "robustbase", "wooldridge", "HistData", "boot", "survival")
WORDS = (
    "Cigar",
    "mammals",
    "nswdemo",
    "Grunfeld",
    "Crime",
    "Wages",
    "Fatality",
    "cars93",
    "gasoline",
    "Produc",
    "lung",
)


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def relation(pairs: Sequence[tuple[int, int]], coincidental: Sequence[tuple[int, int]] = ()) -> Relation:
    """(child, parent) pairs."""
    array = np.array([*pairs, *coincidental], dtype=np.int32).reshape(-1, 2)
    return Relation(array[:, 0], array[:, 1], np.arange(len(array)) >= len(pairs))


def edge(tables: Sequence[Table], child: int, parent: int, *, is_coincidental: bool, is_mutual: bool) -> Edge:
    a, b = tables[child], tables[parent]
    return Edge(
        child=child,
        parent=parent,
        semantics="set",
        n_child_rows=a.n_rows,
        n_child_distinct=a.n_rows - a.n_rows // 50,
        n_parent_rows=b.n_rows,
        n_parent_distinct=max(b.n_rows - b.n_rows // 60, a.n_rows),
        chance=0.42 if is_coincidental else 1e-9 * (child + 1),
        is_coincidental=is_coincidental,
        coincidental_reason="chance" if is_coincidental else None,
        is_mutual=is_mutual,
        chance_parts={
            "columns": {'["state"]': 0.0123, '["year"]': 0.31},
            "parent_row_density": 0.0005,
            "is_heuristic": True,
        },
        certificate={
            "encoding_id": digest("encoding")[:16],
            "semantics": "set",
            "child": {"name": a.name, "files": [{"path": f"{a.name}.parquet", "size": a.n_bytes, "sha256": digest(a)}]},
            "parent": {
                "name": b.name,
                "files": [{"path": f"{b.name}.parquet", "size": b.n_bytes, "sha256": digest(b)}],
            },
            "columns": [["state"], ["year"]],
            "child_hash": digest("child", a),
            "matched_parent_hash": digest("child", a),
            "n_missing": 0,
            "engine": "lakebed 0.1.0",
        },
    )


def identity(table: Table) -> dict[str, object]:
    return {
        "name": table.name,
        "files": [{"path": f"{table.name}.parquet", "size": table.n_bytes, "sha256": digest(table)}],
    }


def tables(names: Sequence[str]) -> tuple[Table, ...]:
    return tuple(
        Table(name, "parquet", n_rows=40 + 977 * k % 5000, n_columns=2 + k % 9, n_bytes=3000 + 70_001 * k % 900_000)
        for k, name in enumerate(names)
    )


def report_data(names: Sequence[str], pairs: Relation, n_listed: int = 2000) -> ReportData:
    rows = tables(names)
    both = {(int(c), int(p)) for c, p in zip(pairs.child, pairs.parent, strict=True)}
    listed = [
        edge(rows, int(c), int(p), is_coincidental=bool(k), is_mutual=(int(p), int(c)) in both)
        for c, p, k in list(zip(pairs.child, pairs.parent, pairs.is_coincidental, strict=True))[:n_listed]
    ]
    return ReportData(
        lake="lakes/rdatasets",
        mode="exact",
        tables=rows,
        relation=pairs,
        edges=tuple(listed),
        funnel=(
            FunnelStep("pairs", len(names) * (len(names) - 1), len(names), 1.31, 0),
            FunnelStep("schema", 12_182, 1_530),
            FunnelStep("min_max", 676, 496, 0.12, 0),
            FunnelStep("scan", None, None, 3.4, 15_000_000),
            FunnelStep("sketch", 204, 190, 0.2, 0),
            FunnelStep("proof", pairs.n_edges, 171, 1.2, 0),
        ),
        run=run_record(),
    )


def run_record() -> RunFacts:
    return RunFacts(
        run_id="2026-11-23-7f3a",
        command="lakebed run --lake lakes/rdatasets --to containment",
        stages=(
            StageFacts("inventory", digest("i"), digest("I"), False, 1.31, 0, 410_000_000),
            StageFacts("containment", digest("c"), digest("C"), False, 6.02, 15_000_000, 612_000_000),
        ),
        facts={"session_start_s": 6.4, "wall_after_session_s": 7.3, "peak_driver_bytes": 612_000_000},
        versions={"lakebed": "0.1.0.dev0", "python": "3.11.9", "pyspark": "4.2.0"},
        config={
            "lake": {"root": "lakes/rdatasets", "strict": False},
            "containment": {"mode": "exact", "semantics": "set"},
        },
    )


def small_lake() -> ReportData:
    """A chain of three, a pair of copies, one coincidence, a near miss, problems and checks."""
    names = ("year/all", "year/2024", "year/2024-05", "copies/a", "copies/b", "ages", "trial")
    pairs = relation([(1, 0), (2, 1), (2, 0), (3, 4), (4, 3)], [(5, 6)])
    return replace(
        report_data(names, pairs),
        near_misses=(
            NearMiss(3, 0, "refuted_by_rows", 1000, 1, 0.999, 0.994, 0.9999),
            NearMiss(6, 5, "refuted_by_sketch", 64, 60),
        ),
        n_near_misses=2,
        unreadable=(Problem("broken/part-0", "the Parquet footer ends early", "write the file again", "parquet"),),
        unstable=(Problem("logs/today", "its size changed from 10 to 20 bytes during the run"),),
        n_unreadable=1,
        n_unstable=1,
        checks=(
            Check("native", "inventory", "passed", 61),
            Check("Great Expectations", "containment.edges", "passed", 24, link="expectations/data_docs/index.html"),
        ),
    )


def empty_lake() -> ReportData:
    return ReportData(lake="lakes/empty", mode="exact", tables=(), relation=relation([]))


def hostile_lake() -> ReportData:
    """Every text of the report is hostile."""
    n = len(HOSTILE)
    data = report_data(HOSTILE, relation([(k, (k + 1) % n) for k in range(n - 1)], [(n - 1, 3)]))
    evil = {text: {text: text} for text in HOSTILE}
    return replace(
        data,
        lake="".join(HOSTILE),
        edges=tuple(
            replace(e, certificate=evil, chance_parts=evil, semantics=HOSTILE[1], coincidental_reason=HOSTILE[0])
            for e in data.edges
        ),
        near_misses=(NearMiss(0, 2, HOSTILE[1], 10, 1),),
        funnel=(*data.funnel, FunnelStep(HOSTILE[1], 1, 1)),
        unreadable=tuple(Problem(text, text, text, text) for text in HOSTILE),
        n_unreadable=n,
        checks=tuple(Check(text, text, "failed", detail=text, link=text) for text in HOSTILE),
        run=RunFacts(HOSTILE[1], HOSTILE[1], (StageFacts(HOSTILE[1], HOSTILE[1], HOSTILE[1], True),), evil, {}, evil),
    )


def real_looking_lake(n_tables: int = 2293, n_families: int = 62, seed: int = 5) -> ReportData:
    """About 180 edges as in the rdatasets lake: mostly copies in pairs, some subsets, some coincidences."""
    random = np.random.default_rng(seed)
    names = [f"{PACKAGES[k % len(PACKAGES)]}/{WORDS[k * 7 % len(WORDS)]}{k // 50 or ''}" for k in range(n_tables)]
    pairs: set[tuple[int, int]] = set()
    for family in range(n_families):
        members = [int(m) for m in random.choice(n_tables, size=int(random.choice([2, 2, 2, 3, 3, 4])), replace=False)]
        if family % 5 < 3:
            pairs |= {(a, b) for a in members[:2] for b in members[:2] if a != b}
            pairs |= {(child, top) for child in members[2:] for top in members[:2]}
        else:
            pairs |= {(members[j], members[i]) for i in range(len(members)) for j in range(i + 1, len(members))}
    chance = {(int(random.integers(n_tables)), int(random.integers(12))) for _ in range(24)} - pairs
    return report_data(names, relation(sorted(pairs), sorted((c, p) for c, p in chance if c != p)))


def big_lake(n_edges: int = 20_000) -> ReportData:
    """One family of 142 snapshots, each in all later ones, and as many small pairs as are still missing."""
    chain = [(i, j) for i in range(142) for j in range(i + 1, 142)]
    n_pairs = n_edges - len(chain)
    names = [f"events/day-{k:05d}" for k in range(142 + 2 * n_pairs)]
    return report_data(names, relation(chain + [(142 + 2 * k, 143 + 2 * k) for k in range(n_pairs)]))
