"""What the retention stage says in the report: what may go, why the rest stays, and what that saves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lakebed.tasks.report.charts import Spec, offline
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Block, Chart, Charts, Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.report.text import bytes_text, count_text, seconds_text
from lakebed.tasks.retention.plan import EqualCopies, read_copies
from lakebed.tasks.retention.words import MONTHS_A_YEAR, in_proportion, money_text
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

MAX_ROWS = 200
REASONS = {
    "parent": "others are rebuilt from it",
    "cost": "rebuilding costs more than keeping",
    "no_kept_parent": "what it could be rebuilt from is deleted itself",
    "no_recipe": "no rebuild equals it",
    "latency": "a rebuild takes too long",
    "lesser_keeper": "only tables of lower rank contain it",
    "attributes": "its owner, access or retention class differs from the parent's",
    "coincidental": "contained by coincidence only",
    "by_definition": "it has no values",
    "legal_hold": "legal hold",
    "veto": "its owner's veto",
    "streaming": "a stream writes to it",
    "outside_lake": "files outside the lake",
    "iceberg_table": "Iceberg tables",
    "other_format": "other formats",
    "not_yet_verified": "its rebuild was not tried in time, the next run goes on",
    "database_table": "a database's table, reported only",
    "not_contained": "no other table contains it",
}
Row = dict[str, Any]


def section(store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: ReportConfig) -> Section:
    """The section of the retention stage.

    Raises:
        ArtifactError: if the artifact is missing or damaged.
    """
    ref = refs["retention"]
    facts = store.manifest(ref).summary
    decisions, curve, solver, baseline = (
        store.read(ref, table).to_pylist() for table in ("decisions", "savings_curve", "solver", "baseline")
    )
    blocks: tuple[Block, ...] = (
        _tiles(facts, decisions, config),
        _prices(facts),
        Charts(
            (
                Chart("What may be saved, by the longest rebuild that is allowed", _curve_chart(curve, facts)),
                Chart("Byte-identical copies alone, and all that can be rebuilt", _baseline_chart(facts)),
            )
        ),
        _deleted(decisions, facts),
        _copies(read_copies(store, ref)),
        _reasons(decisions),
        _kept(decisions),
        _solver(solver, facts),
        _baseline(baseline, facts),
    )
    lead = "Tables that may be deleted because others give them back, at the least cost a month."
    return Section("retention", "Keep or delete", "What to keep, and what it would save", lead, blocks)


def _tiles(facts: Row, decisions: Sequence[Row], config: ReportConfig) -> Tiles:
    currency, n_bytes = facts["currency"], sum(row["n_bytes"] for row in decisions)
    saving, share = facts["saving_per_month"], facts["deletable_bytes"] / n_bytes if n_bytes else 0.0
    lake_bytes, scaled = in_proportion(saving, n_bytes, config.lake_bytes)
    return Tiles(
        (
            Tile(
                "Would be saved a month",
                money_text(saving, currency),
                f"{money_text(MONTHS_A_YEAR * saving, currency)} a year, once purged; prices of {facts['prices_date']}",
            ),
            Tile(
                f"In proportion, on {bytes_text(lake_bytes)}",
                money_text(scaled, currency),
                f"a month, {money_text(MONTHS_A_YEAR * scaled, currency)} a year",
            ),
            Tile("Tables that may go", count_text(facts["deletable_tables"]), f"of {count_text(len(decisions))}"),
            Tile("Their bytes", bytes_text(facts["deletable_bytes"]), f"{share:.1%} of what was read"),
            Tile("Slowest rebuild", seconds_text(facts["slowest_rebuild_s"]), "estimated"),
            Tile("Distance to the optimum", f"{facts['retention_gap']:.2%}", "0 is proven optimal"),
            Tile(
                "Byte-identical alone",
                money_text(facts["duplicate_saving_per_month"], currency),
                f"{count_text(facts['duplicate_tables'])} tables, {bytes_text(facts['duplicate_bytes'])}",
            ),
        )
    )


def _prices(facts: Row) -> Prose:
    return Prose(
        f"Keeping everything costs {money_text(facts['keep_all_cost'], facts['currency'])} a month at the configured "
        f"prices of {facts['prices_date']}: storage, maintenance, and reading at the expected accesses. Each table "
        "that may go was rebuilt from its parent and compared, row by row and to the bit. Nothing is deleted by a run."
    )


def _curve_chart(curve: Sequence[Row], facts: Row) -> Spec | None:
    if len(curve) < 2:
        return None
    import altair as alt

    rows = [
        {
            "budget": point["budget_s"],
            "saving": point["saving"],
            "label": f"{money_text(point['saving'], facts['currency'])}, {point['n_deleted']:,} tables",
        }
        for point in curve
    ]
    x = alt.X("budget:Q", title="longest rebuild, seconds", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    y = alt.Y("saving:Q", title=f"{facts['currency']} a month", axis=alt.Axis(tickCount=4, format="~r"))
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y, tooltip=["budget:Q", "label:N"])
    chart = base.mark_line(interpolate="step-after") + base.mark_point(filled=True)
    return offline(chart.properties(width="container", height=200).to_dict())


def _baseline_chart(facts: Row) -> Spec | None:
    import altair as alt

    rows = [
        {
            "what": "byte-identical",
            "bytes": facts["duplicate_bytes"] / 1e6,
            "label": bytes_text(facts["duplicate_bytes"]),
        },
        {"what": "rebuildable", "bytes": facts["deletable_bytes"] / 1e6, "label": bytes_text(facts["deletable_bytes"])},
    ]
    largest = max(float(row["bytes"]) for row in rows)
    x = alt.X("bytes:Q", title="MB", scale=alt.Scale(domain=[0, largest * 1.3 or 1], nice=False))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=x, y=alt.Y("what:N", sort=None, title=None), tooltip=["what:N", "label:N"]
    )
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.62})
    labels = base.mark_text(align="left", dx=6).encode(text="label:N")
    return offline((bars + labels).properties(width="container", height=80).to_dict())


def _deleted(decisions: Sequence[Row], facts: Row) -> Listing:
    rows = sorted(
        (row for row in decisions if row["decision"] == "delete"), key=lambda row: (-row["saving"], row["name"])
    )
    return Listing(
        "Tables that may go, the largest saving first",
        ("table", "how it comes back", "bytes", "accesses a month", "would save a month", "rebuild"),
        tuple(
            (
                row["name"],
                row["why"],
                bytes_text(row["n_bytes"]),
                f"{row['n_accesses']:,.3g}",
                money_text(row["saving"], facts["currency"]),
                seconds_text(row["rebuild_s"]),
            )
            for row in rows[:MAX_ROWS]
        ),
        (2, 3, 4, 5),
        len(rows),
    )


def _copies(groups: Sequence[EqualCopies]) -> Listing:
    rows = tuple(
        (group.stays, count_text(len(group.tables)), ", ".join(group.deleted), group.signal, group.told)
        for group in groups[:MAX_ROWS]
    )
    header = ("stays", "copies", "go", "decided by", "kept because")
    return Listing("Equal copies: the best in rank stays", header, rows, (1,), len(groups))


def _reasons(decisions: Sequence[Row]) -> Listing:
    kept = [row for row in decisions if row["decision"] == "keep"]
    n_tables, n_bytes = Counter(row["reason"] for row in kept), Counter[str]()
    for row in kept:
        n_bytes[row["reason"]] += row["n_bytes"]
    return Listing(
        "Why not deleted",
        ("reason", "tables", "bytes"),
        tuple((REASONS[code], count_text(n), bytes_text(n_bytes[code])) for code, n in n_tables.most_common()),
        (1, 2),
    )


def _kept(decisions: Sequence[Row]) -> Listing:
    kept = [row for row in decisions if row["decision"] == "keep" and row["reason"] != "not_contained"]
    kept.sort(key=lambda row: (-row["n_bytes"], row["name"]))
    rows = tuple((row["name"], bytes_text(row["n_bytes"]), row["why"]) for row in kept[:MAX_ROWS])
    return Listing(
        "Contained tables and parents that stay, the largest first", ("table", "bytes", "why"), rows, (1,), len(kept)
    )


def _solver(solver: Sequence[Row], facts: Row) -> Listing:
    order = {"local": 0, "tree": 1, "ilp": 2, "greedy": 3}
    rows = []
    for method in sorted({row["method"] for row in solver}, key=lambda method: order[method]):
        parts = [row for row in solver if row["method"] == method]
        cost, bound = (sum(row[name] for row in parts) for name in ("cost", "bound"))
        gap = max(0.0, cost - bound) / cost if cost else 0.0
        rows.append(
            (
                method,
                count_text(len(parts)),
                count_text(sum(row["n_tables"] for row in parts)),
                money_text(cost, facts["currency"]),
                f"{gap:.2%}",
                seconds_text(sum(row["seconds"] for row in parts)),
            )
        )
    title = "Solver: local needs no search, tree and ilp are exact, greedy states its distance to the linear bound"
    return Listing(title, ("method", "parts", "tables", "cost a month", "gap", "time"), tuple(rows), (1, 2, 3, 4, 5))


def _baseline(baseline: Sequence[Row], facts: Row) -> Listing:
    rows = tuple(
        (f"{row['group'] + 1:,}", row["name"], "stays" if row["is_kept"] else "goes", bytes_text(row["n_bytes"]))
        for row in sorted(baseline, key=lambda row: (row["group"], not row["is_kept"], row["name"]))[:MAX_ROWS]
    )
    title = "What a search for byte-identical tables would find"
    if skipped := facts["tables_not_compared_for_duplicates"]:
        title += f" ({skipped:,} tables were not compared: too many bytes to read)"
    return Listing(title, ("group", "table", "", "bytes"), rows, (3,), len(baseline))
