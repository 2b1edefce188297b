"""Names of tables and columns that want to be markup, terminal codes, lines or syntax, through every kind of output."""

import io
import json

import pytest

from lakebed.connectors.errors import SourceError, visible
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.flows.cli.summarize import decode
from lakebed.flows.markdown import code_cell
from lakebed.tasks.report.text import shown as shown_in_report
from lakebed.tasks.retention.recipes.sql_text import identifier
from lakebed.tasks.runtime.progress import Progress

NAMES = (
    "\x1b[2J\x1b]0;owned\x07",
    "a\rb",
    "line\nwarning: run rm",
    "[bold red]x[/bold red]",
    "[link=https://evil.example]x[/link]",
    "<script>alert(1)</script>",
    "| `a` | [x](javascript:alert(1)) |",
    '=HYPERLINK("https://evil.example")',
    "x`; DROP TABLE y; --",
    "\u202egnp.exe",
    "\u200bhidden",
    "tab\there",
)
STEERING = "\x1b\x07\r\u202e\u200b"


def is_tame(text):
    return not any(char in text for char in STEERING)


@pytest.mark.parametrize("name", NAMES)
def test_on_the_terminal(name, capsys):
    print_table("Tables", ("name", "n"), [(name, 1)])
    table = capsys.readouterr().out
    print_text(f"table {name}")
    text = capsys.readouterr().out
    assert is_tame(table) and is_tame(text)
    assert "\n" not in visible(name)
    # markup is shown, not followed
    if name.startswith("["):
        assert name in table and name in text


@pytest.mark.parametrize("name", NAMES)
def test_in_errors_and_progress(name):
    error = SourceError("cannot read the table", value=name, examples=[name])
    assert is_tame(str(error)) and str(error).count("\n") == 2
    stream = io.StringIO()
    progress = Progress(stream)
    progress.note(f"warning: {name}")
    with progress.step(f"Reading {name}"):
        pass
    assert is_tame(stream.getvalue()) and stream.getvalue().count("\n") == 2


@pytest.mark.parametrize("name", NAMES)
def test_json_gives_the_name_as_it_is_on_one_line(name, capsys):
    print_json({"table": name})
    out = capsys.readouterr().out
    assert json.loads(out) == {"table": name} and out.count("\n") == 1
    assert "\x1b" not in out


@pytest.mark.parametrize("name", NAMES)
def test_in_the_report_and_in_markdown(name):
    assert is_tame(shown_in_report(name)) and "\n" not in shown_in_report(name)
    cell = code_cell(name)
    assert "\n" not in cell and cell.count("`") == 2 and "|" not in cell.replace("\\|", "")
    assert "\x1b" not in cell


@pytest.mark.parametrize("name", NAMES)
def test_in_sql(name):
    quoted = identifier(name)
    assert quoted[0] == quoted[-1] == "`"
    assert quoted[1:-1].replace("``", "") == name.replace("`", "")
    assert quoted[1:-1].replace("``", "").count("`") == 0


def test_edges_keep_their_tabs(capsys):
    print_text("1\t2\n3\t4")
    assert capsys.readouterr().out == "1\t2\n3\t4\n"
    assert decode.__doc__
