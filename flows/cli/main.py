"""The console script `lakebed`."""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from connectors.errors import LakeError
from flows.cli.config import config
from flows.cli.containments import containments
from flows.cli.demo import demo
from flows.cli.doctor import doctor
from flows.cli.explain import explain
from flows.cli.report import report
from flows.cli.run import run
from flows.cli.status import status

VERBS = (doctor, demo, run, containments, explain, report, status, config)
INTERRUPTED = 130

app = typer.Typer(
    name="lakebed",
    help="Find the tables of a data lake that are contained in others, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command()(verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"lakebed {metadata.version('lakebed')}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the tables of a data lake that are contained in others, and prove it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a verb and ends the process: 0 fine, 1 failed, 2 usage, 3 contract broken, 4 plan refused."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given)
    except LakeError as error:
        sys.exit(_fail(error, is_json="--json" in given))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on where it ended\n")
        sys.exit(INTERRUPTED)


def _fail(error: LakeError, *, is_json: bool) -> int:
    if is_json:
        from flows.cli.output import print_json

        print_json(error.as_dict())
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    return error.exit_code


if __name__ == "__main__":
    main()
