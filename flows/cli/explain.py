"""`lakebed explain`: why a table is contained, contains, or only nearly so."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_json, print_table, print_text, printable
from lakebed.tasks.retention.words import period_text
from lakebed.words import human_bytes

if TYPE_CHECKING:
    from lakebed.results import Result
    from lakebed.tasks.relations.explain import RelationVerdict
    from lakebed.tasks.retention.explain import DecisionFacts

SHOWN_PAIRS = 25


def explain(
    table: Annotated[str, typer.Argument(help="Name of the table, relative to the lake, without the file ending.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="List every pair that the schemas allow.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say of one table what each step found: proven edges, near misses, and why the others are out."""
    answer = asked(artifacts, config).explain(table)
    if as_json:
        print_json(answer.as_dict())
        return
    found, limit = answer.found, None if everything else SHOWN_PAIRS
    print_text(f"{printable(found.table)}: {found.n_rows:,} rows, {human_bytes(found.n_bytes)}")
    print_text(
        f"its columns lie in {found.n_schema_parents:,} other tables; "
        f"{found.n_schema_children:,} other tables have no columns but its own"
    )
    if answer.topic is not None:
        print_text(f"topic: {printable(' / '.join(answer.topic.path))}")
    shown = answer[:limit]
    rows = ((pair.child, pair.parent, pair.verdict, pair.step, pair.reason) for pair in shown)
    print_table("", ("child", "parent", "verdict", "step", "why"), rows)
    if answer.decision is not None:
        _print_decision(answer.decision)
    if len(shown) < len(answer):
        print_text(f"… and {len(answer) - len(shown):,} more pairs; --all lists them")
    _print_relations(answer.relations, limit)


def _print_decision(decided: "DecisionFacts") -> None:
    """What was decided, the ways to rebuild it, and how that is written in SQL."""
    row = decided.decision
    print_text(f"{row['decision']}: {row['why']}")
    if row["decision"] == "delete":
        print_text(
            f"would save {period_text(row['saving'], decided.currency)}; a rebuild takes {row['rebuild_s']:,.1f} s"
        )
    print_text(f"rank: {row.get('rank', 'made by an earlier version: lakebed run')}")
    if group := decided.copies:
        print_text(f"{len(group.tables):,} equal copies; {printable(group.stays)} is kept because {group.told}")
    options = ((one["parent"], one["status"], one["shape"] or "", one["reason"]) for one in decided.options)
    print_table("", ("rebuilt from", "status", "rows", "why no further"), options)
    if decided.rebuild:
        print_text(decided.rebuild["sql"])


def _print_relations(related: "Result[RelationVerdict]", limit: int | None) -> None:
    from lakebed.tasks.relations.explain import short

    if not related:
        return
    print_text("relations beyond one parent:")
    shown = related[:limit]
    rows = ((one.child, short(one.parents), one.verdict, one.kind, one.reason) for one in shown)
    print_table("", ("child", "parents", "verdict", "kind", "why"), rows)
    if len(shown) < len(related):
        print_text(f"… and {len(related) - len(shown):,} more relations; --all lists them")
