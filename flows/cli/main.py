"""The console script `lakebed`."""

import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from gc import set_threshold
from types import FrameType
from typing import Annotated

import typer

from lakebed.connectors.errors import ConfigError, LakeError
from lakebed.connectors.places import keep_kernels_in_cache
from lakebed.connectors.redaction import redacted
from lakebed.connectors.rights import forbid_shared_writes
from lakebed.connectors.version import VERSION
from lakebed.flows.cli.changes import changes
from lakebed.flows.cli.config import config
from lakebed.flows.cli.containments import containments
from lakebed.flows.cli.demo import demo
from lakebed.flows.cli.doctor import doctor
from lakebed.flows.cli.explain import explain
from lakebed.flows.cli.gc import gc
from lakebed.flows.cli.keys import keys
from lakebed.flows.cli.links import links
from lakebed.flows.cli.logs import begin_logging
from lakebed.flows.cli.neighbours import neighbours
from lakebed.flows.cli.plan import plan
from lakebed.flows.cli.quarantine import apply, purge, restore
from lakebed.flows.cli.report import report
from lakebed.flows.cli.run import run
from lakebed.flows.cli.search import joinable, search, similar
from lakebed.flows.cli.serve import serve
from lakebed.flows.cli.status import status
from lakebed.flows.cli.summarize import decode, summarize
from lakebed.flows.cli.tables import tables
from lakebed.flows.cli.topics import topics

VERBS = (
    doctor,
    demo,
    run,
    tables,
    containments,
    plan,
    apply,
    restore,
    purge,
    explain,
    similar,
    joinable,
    search,
    keys,
    topics,
    neighbours,
    report,
    changes,
    status,
    gc,
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
        sys.stdout.write(f"lakebed {VERSION}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="text, or json: one object a line.", show_default=False)
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error.", show_default=False)
    ] = None,
) -> None:
    """Find the tables of a data lake that are contained in others, and prove it."""
    begin_logging(log_format, log_level)


class Stopped(BaseException):
    """Ctrl-C or a request to end; no `except Exception` on the way takes it for a failure of a stage."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


_stops: list[Stopped] = []


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a verb and ends the process: 0 fine, 1 failed, 2 usage, 3 contract broken, 4 plan refused, 128 + signal."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in given
    forbid_shared_writes()
    keep_kernels_in_cache()
    # metadata of a lake is a million objects that live long: at Python's own threshold, a fifth of the time is spent on
    # looking for circles among them
    set_threshold(50_000, 20, 50)
    _stops.clear()
    for number in STOPS:
        signal.signal(number, _stop)
    try:
        app(args=given)
    except SystemExit as end:
        # typer has said on standard error what is wrong
        if end.code == ConfigError.exit_code:
            _print_error({"error": "UsageError", "what": "see standard error", "hint": "add --help"}, is_json=is_json)
        raise
    except (Stopped, Exception) as error:
        # compiled code that a signal meets puts an error of its own in the place of what is raised
        sys.exit(_told(_stops[-1] if _stops else error, is_json=is_json))


def _told(error: BaseException, *, is_json: bool) -> int:
    """Says why the verb has ended; the exit code."""
    if isinstance(error, LakeError):
        _print_error(error.as_dict(), is_json=is_json)
        _tell(f"{type(error).__name__}: {error}", error.as_dict())
        return error.exit_code
    facts = {"error": type(error).__name__, "what": redacted(str(error))}
    _print_error(facts, is_json=is_json)
    if isinstance(error, Stopped):
        _tell("\nstopped; the same command goes on where it ended", facts)
        return 128 + error.number
    trace = redacted(traceback.format_exc())
    _tell(trace.rstrip(), {**facts, "traceback": trace})
    return LakeError.exit_code


def _stop(number: int, _: FrameType | None) -> None:
    """Ends the run in order; a second signal ends it at once, and what it started ends with it."""
    for each in STOPS:
        signal.signal(each, signal.SIG_DFL)
    _stops.append(Stopped(number))
    raise _stops[-1]


def _tell(text: str, facts: Mapping[str, object]) -> None:
    """The error on standard error: as text, or as an event where logs are structured."""
    from lakebed.tasks.runtime.logs import log

    if log().is_on:
        log().event("failed", "error", **facts)
    else:
        sys.stderr.write(f"{text}\n")


def _print_error(facts: Mapping[str, object], *, is_json: bool) -> None:
    if is_json:
        from lakebed.flows.cli.output import print_json

        print_json(facts)


if __name__ == "__main__":
    main()
