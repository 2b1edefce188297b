import json

from lakebed.flows.cli.output import (
    print_json,
    print_lines,
    print_table,
    print_text,
    printable,
)


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
