"""What a verb prints: results on standard output, everything else on standard error."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakebed.connectors.errors import visible

# control characters, and those that hide or reorder what follows
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def print_json(value: object) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def print_lines(values: Iterable[object]) -> None:
    """One JSON value a line."""
    for value in values:
        print_json(value)


def print_text(text: str = "") -> None:
    """Plain text on standard output, never read as markup; control characters but tab and newline become escapes."""
    sys.stdout.write(_STEERING.sub(lambda found: printable(found[0]), text) + "\n")


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    """A table; names from a lake are shown as they are, never read as markup."""
    table = Table(title=Text(title), title_justify="left", header_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def printable(text: str) -> str:
    """The text with control characters shown as escapes, so that a table's name cannot steer the terminal."""
    return visible(text)
