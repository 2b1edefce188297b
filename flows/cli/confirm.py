"""Asking before something is done."""

import sys
from typing import Annotated

import typer

from lakebed.connectors.errors import ConfigError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Verify everything, say what would be done, change nothing.")]
Everything = Annotated[bool, typer.Option("--all", help="All tables in quarantine.")]
Tables = Annotated[list[str] | None, typer.Argument(help="Names of tables.", show_default=False)]


def require_yes(what: str, yes: bool, command: str) -> None:
    """Asks on a terminal; elsewhere `--yes` must say it.

    Raises:
        ConfigError: if nobody can be asked, or the answer is no.
    """
    if yes:
        return
    if sys.stdin.isatty() and typer.confirm(f"{what}?", err=True):
        return
    raise ConfigError(
        f"this would {what}; it was not confirmed, nothing was done", expected="--yes, or --dry-run first", hint=command
    )
