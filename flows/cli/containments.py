"""`lakebed containments`: the proven edges."""

from typing import Annotated, Any

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import human_bytes, print_lines, print_table, print_text


def containments(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    coincidental: Annotated[
        bool, typer.Option("--coincidental/--no-coincidental", help="Whether to list coincidences as well.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Prints one edge a line: child, parent and the evidence."""
    rows = [row for row in edges(artifact_root(artifacts, config)) if coincidental or not row["coincidental"]]
    if as_json:
        print_lines(rows)
        return
    if not rows:
        print_text("no table is contained in another")
        return
    print_table(
        f"{len(rows):,} proven containments",
        ("child", "parent", "rows", "bytes", "", "chance"),
        (
            (
                row["child"],
                row["parent"],
                f"{row['n_child_rows']:,}",
                human_bytes(row["child_bytes"]),
                _remark(row),
                f"{row['chance']:.2g}",
            )
            for row in rows
        ),
        right=(2, 3, 5),
    )


def edges(root: str) -> list[dict[str, Any]]:
    """The edges of the newest run that has them, certificates parsed.

    Raises:
        ArtifactError: if no run has reached the containment stage.
    """
    import json

    from lakebed.artifacts import newest_refs

    store, refs = newest_refs(root, "containment")
    columns = ["child", "parent", "semantics", "n_child_rows", "n_child_distinct", "n_parent_rows", "coincidental"]
    columns += ["coincidental_reason", "chance", "is_mutual", "child_bytes", "certificate"]
    rows = store.read(refs["containment"], "edges", columns).to_pylist()
    rows.sort(key=lambda row: (row["child"], row["parent"]))
    return [{**row, "certificate": json.loads(row["certificate"])} for row in rows]


def _remark(row: dict[str, Any]) -> str:
    remarks = ["mutual"] if row["is_mutual"] else []
    if row["coincidental"]:
        remarks.append(f"coincidental ({row['coincidental_reason']})")
    return ", ".join(remarks)
