"""`lakebed changes`: what is other since an earlier run."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.words import human_bytes

if TYPE_CHECKING:
    from lakebed.changes import Changes

RunId = Annotated[str | None, typer.Argument(show_default=False, help="A run; its beginning is enough.")]


def changes(
    before: RunId = None,
    after: RunId = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """What is other in the newest run than in BEFORE, or in the run before it: tables, containments, keys, decisions.

    With AFTER, in that run. Below stands what was taken over and what was made anew, and why.
    """
    from lakebed.changes import changes

    found = changes(artifact_root(artifacts, config), before, after)
    print_json(found.as_dict()) if as_json else _print(found)


def _print(found: "Changes") -> None:
    if found:
        rows = ((row.what, row.how, row.name, row.why) for row in found)
        print_table(f"From run {found.before} to {found.after}", ("what", "how", "name", "why"), rows)
    else:
        print_text(f"from run {found.before} to {found.after} nothing is other")
    was, now = found.saving
    if now and was != now:
        print_text(f"deleting what may go would save {now}; it was {was}" if was else f"would save {now}")
    print_text()
    stages = (
        (
            one.stage,
            "reused" if one.reused else "same result" if one.is_same else "new result",
            f"{one.seconds:.1f}",
            human_bytes(one.bytes_read),
            one.why,
            one.taken_over,
        )
        for one in found.stages
    )
    print_table("Stages", ("stage", "", "seconds", "read", "because", "taken over"), stages, right=(2, 3))
