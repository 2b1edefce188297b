"""`lakebed containments`: the proven edges."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_lines, print_table, print_text
from lakebed.words import human_bytes

if TYPE_CHECKING:
    from lakebed.answers import Containment


def containments(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    coincidental: Annotated[
        bool, typer.Option("--coincidental/--no-coincidental", help="Whether to list coincidences as well.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Prints one edge a line: child, parent and the evidence."""
    found = asked(artifacts, config).containments(coincidental=coincidental)
    if as_json:
        print_lines(map(vars, found))
        return
    if not found:
        print_text("no table is contained in another")
        return
    rows = (
        (
            row.child,
            row.parent,
            f"{row.n_child_rows:,}",
            human_bytes(row.child_bytes),
            _remark(row),
            f"{row.chance:.2g}",
        )
        for row in found
    )
    header = ("child", "parent", "rows", "bytes", "", "chance")
    print_table(f"{len(found):,} proven containments", header, rows, right=(2, 3, 5))


def _remark(row: "Containment") -> str:
    remarks = ["mutual"] if row.is_mutual else []
    if row.coincidental:
        remarks.append(f"coincidental ({row.coincidental_reason})")
    return ", ".join(remarks)
