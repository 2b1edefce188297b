"""`lakebed explain`: why a table is contained, contains, or only nearly so."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import human_bytes, print_json, print_table, print_text, printable
from lakebed.tasks.retention.words import money_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakebed.tasks.relations.explain import RelationVerdict
    from lakebed.tasks.retention.explain import DecisionFacts
    from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

SHOWN_PAIRS = 25


def explain(
    table: Annotated[str, typer.Argument(help="Name of the table, relative to the lake, without the file ending.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="List every pair that the schemas allow.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say of one table what each step found: proven edges, near misses, and why the others are out."""
    from lakebed.artifacts import newest_refs, newest_run
    from lakebed.tasks.containment.explain import explain_table
    from lakebed.tasks.retention.explain import explain_decision

    root = artifact_root(artifacts, config)
    store, refs = newest_refs(root, "containment")
    settings = newest_run(root, "containment").config["containment"]
    found = explain_table(
        store, refs["inventory"], refs["containment"], table, strict_types=bool(settings["strict_types"])
    )
    related = _relations(store, refs, found.table)
    decided = explain_decision(store, refs["retention"], found.table) if "retention" in refs else None
    if as_json:
        head = {"table": found.table, "n_rows": found.n_rows, "n_bytes": found.n_bytes}
        counts = {"n_schema_parents": found.n_schema_parents, "n_schema_children": found.n_schema_children}
        facts = {**head, **counts, "pairs": [pair.as_dict() for pair in found.pairs]}
        print_json({**facts, "relations": [one.as_dict() for one in related], **_decision(decided)})
        return
    print_text(f"{printable(found.table)}: {found.n_rows:,} rows, {human_bytes(found.n_bytes)}")
    print_text(
        f"its columns lie in {found.n_schema_parents:,} other tables; "
        f"{found.n_schema_children:,} other tables have no columns but its own"
    )
    shown = found.pairs if everything else found.pairs[:SHOWN_PAIRS]
    rows = ((pair.child, pair.parent, pair.verdict, pair.step, pair.reason) for pair in shown)
    print_table("", ("child", "parent", "verdict", "step", "why"), rows)
    if decided is not None:
        _print_decision(decided)
    if len(shown) < len(found.pairs):
        print_text(f"… and {len(found.pairs) - len(shown):,} more pairs; --all lists them")
    _print_relations(related, everything=everything)


def _decision(decided: "DecisionFacts | None") -> dict[str, Any]:
    return {"decision": decided.as_dict()} if decided is not None else {}


def _print_decision(decided: "DecisionFacts") -> None:
    """What was decided, the ways to rebuild it, and how that is written in SQL."""
    row = decided.decision
    print_text(f"{row['decision']}: {row['why']}")
    if row["decision"] == "delete":
        print_text(
            f"saves {money_text(row['saving'], decided.currency)} a month; a rebuild takes {row['rebuild_s']:,.1f} s"
        )
    print_text(f"rank: {row.get('rank', 'made by an earlier version: lakebed run')}")
    if group := decided.copies:
        print_text(f"{len(group.tables):,} equal copies; {printable(group.keeper)} is kept because {group.because}")
    options = ((one["parent"], one["status"], one["shape"] or "", one["reason"]) for one in decided.options)
    print_table("", ("rebuilt from", "status", "rows", "why no further"), options)
    if decided.rebuild:
        print_text(decided.rebuild["sql"])


def _relations(store: "ArtifactStore", refs: "Mapping[str, ArtifactRef]", table: str) -> "list[RelationVerdict]":
    """Of a run that has reached the stage; of an earlier one there are none."""
    from lakebed.tasks.relations.explain import explain_relations

    return explain_relations(store, refs["relations"], table) if "relations" in refs else []


def _print_relations(related: "list[RelationVerdict]", *, everything: bool) -> None:
    from lakebed.tasks.relations.explain import short

    if not related:
        return
    print_text("relations beyond one parent:")
    shown = related if everything else related[:SHOWN_PAIRS]
    rows = ((one.child, short(one.parents), one.verdict, one.kind, one.reason) for one in shown)
    print_table("", ("child", "parents", "verdict", "kind", "why"), rows)
    if len(shown) < len(related):
        print_text(f"… and {len(related) - len(shown):,} more relations; --all lists them")
