"""The console script `lakebed`."""

import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import FrameType
from typing import Annotated

import typer

from connectors.errors import ConfigError, LakeError
from flows.cli.apply import apply
from flows.cli.config import config
from flows.cli.containments import containments
from flows.cli.demo import demo
from flows.cli.doctor import doctor
from flows.cli.explain import explain
from flows.cli.joinable import joinable
from flows.cli.links import links
from flows.cli.neighbours import neighbours
from flows.cli.plan import plan
from flows.cli.purge import purge
from flows.cli.report import report
from flows.cli.restore import restore
from flows.cli.run import run
from flows.cli.search import search
from flows.cli.serve import serve
from flows.cli.similar import similar
from flows.cli.status import status
from flows.cli.summarize import decode, summarize

VERBS = (
    doctor,
    demo,
    run,
    containments,
    plan,
    apply,
    restore,
    purge,
    explain,
    similar,
    joinable,
    search,
    neighbours,
    report,
    status,
    serve,
    config,
    summarize,
    decode,
)
STOPS = (signal.SIGINT, signal.SIGTERM)

app = typer.Typer(
    name="lakebed",
    help="Find the tables of a data lake that are contained in others, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(links)


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


class Stopped(BaseException):
    """Ctrl-C or a request to end; no `except Exception` on the way takes it for a failure of a stage."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a verb and ends the process: 0 fine, 1 failed, 2 usage, 3 contract broken, 4 plan refused, 128 + signal."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in given
    for number in STOPS:
        signal.signal(number, _stop)
    try:
        app(args=given)
    except LakeError as error:
        _print_error(error.as_dict(), is_json=is_json)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
    except Stopped as stop:
        _print_error({"error": "Stopped", "what": str(stop)}, is_json=is_json)
        sys.stderr.write("\nstopped; the same command goes on where it ended\n")
        sys.exit(128 + stop.number)
    except SystemExit as end:
        # typer has said on standard error what is wrong
        if end.code == ConfigError.exit_code:
            _print_error({"error": "UsageError", "what": "see standard error", "hint": "add --help"}, is_json=is_json)
        raise
    except Exception as error:
        _print_error({"error": type(error).__name__, "what": str(error)}, is_json=is_json)
        raise


def _stop(number: int, _: FrameType | None) -> None:
    """Ends the run in order; a second signal ends it at once, and what it started ends with it."""
    for each in STOPS:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)


def _print_error(facts: Mapping[str, object], *, is_json: bool) -> None:
    if is_json:
        from flows.cli.output import print_json

        print_json(facts)


if __name__ == "__main__":
    main()
