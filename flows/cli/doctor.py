"""`lakebed doctor`: whether this machine can run the chain."""

from typing import Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Master
from lakebed.flows.cli.output import print_json, print_text


def doctor(
    artifacts: Artifacts = ".lakebed",
    spark: Annotated[bool, typer.Option("--spark", help="Start a Spark session and its workers too.")] = False,
    master: Master = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Check Java, Python, Delta's jars, memory, disk and Prefect; say the fix for each. Quick without --spark."""
    from lakebed.config import load_config
    from lakebed.connectors.doctor import check_spark, quick_checks

    values = {"lake": {"root": "."}} | ({"spark": {"master": master}} if master else {})
    settings = load_config(config, values).spark
    checks = quick_checks(settings, artifacts or ".lakebed")
    if spark:
        checks.append(check_spark(settings))
    if as_json:
        facts = [{"name": c.name, "is_ok": c.is_ok, "found": c.found, "fix": c.fix} for c in checks]
        print_json({"is_ok": all(check.is_ok for check in checks), "checks": facts})
    else:
        for check in checks:
            print_text(f"{'ok  ' if check.is_ok else 'FAIL'}  {check.name}: {check.found}")
            # what is no fault may still be worth a command
            if check.fix and check.fix not in check.found:
                print_text(f"      fix: {check.fix}")
    if not all(check.is_ok for check in checks):
        raise typer.Exit(1)
