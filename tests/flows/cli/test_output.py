import json

import pytest

from lakebed.flows.cli.output import (
    changes_text,
    human_bytes,
    print_json,
    print_lines,
    print_table,
    print_text,
    printable,
)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e15, "5.0 PB"), (5e18, "5000.0 PB")],
)
def test_human_bytes(n_bytes, text):
    assert human_bytes(n_bytes) == text


def test_json_is_one_line_whatever_it_holds(capsys):
    value = {"name": 'a\n"b" … ü \u2028', "n": [1, None, 0.5]}
    print_json(value)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == value
    print_lines([1, {"a": 2}])
    assert capsys.readouterr().out == '1\n{"a": 2}\n'


def test_a_name_cannot_steer_the_terminal():
    assert printable("plain … ü ") == "plain … ü "
    assert printable("a\x1b[31mb\nc") == "a\\x1b[31mb\\nc"


def test_a_table_shows_names_as_they_are(capsys):
    print_table("T [b]", ("name", "n"), [("[red]x[/red]", 1), ("\x1b[2J", 22)], right=(1,))
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out and "T [b]" in out
    assert "\x1b" not in out and "\\x1b[2J" in out


def test_text_is_no_markup(capsys):
    print_text("[bold]x")
    assert capsys.readouterr().out == "[bold]x\n"


def test_changes_are_told_in_one_line():
    changes = {"tables_taken": 2292, "tables_changed": 1, "tables_dropped": 0}
    assert changes_text(changes) == "tables: 2,292 taken, 1 changed"
    assert changes_text({}) == changes_text({"tables_taken": 0}) == ""
