import pytest

from lakebed.tasks.report.text import bytes_text, cut, flattened, shortened, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain übung 表格", "plain übung 表格"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("nul\x00", "nul\\u0000"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("\udcff", "\\udcff"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_shown_spells_out_what_cannot_be_seen(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_shortened_keeps_both_ends_within_the_width() -> None:
    assert shortened("short", 10) == "short"
    assert shortened("abcdefghijklmnop", 9) == "abcde…nop"
    assert shortened("表" * 20, 11) == "表表表…表表"


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (15_200_000, "15.2 MB"),
        (123_456_789, "123 MB"),
        (None, "not measured"),
    ],
)
def test_bytes_text(n: int | None, expected: str) -> None:
    assert bytes_text(n) == expected


def test_flattened_names_nested_facts() -> None:
    facts = {"a": {"b": 1, "c": {"d": None}}, "e": [1, "x"], "f": True, "g": {}, "h": 0.25}
    assert flattened(facts) == [
        ("a.b", "1"),
        ("a.c.d", "none"),
        ("e", '[1, "x"]'),
        ("f", "yes"),
        ("g", "{}"),
        ("h", "0.25"),
    ]


def test_column_tokens_are_written_as_names() -> None:
    facts = {'["a","b"]': 1, '["a",2]': 2, "[no json]": 3, "[]": 4}
    assert [name for name, _ in flattened(facts)] == ["a.b", "a.2", "[no json]", "[]"]


def test_cut_says_what_it_left_out() -> None:
    facts = [("long", "x" * 500), ("next", "y"), ("last", "z")]
    kept = cut(facts, 200)
    assert kept[0][1].endswith("(500 characters, cut here)")
    assert kept[-1] == ("…", "2 more facts, cut here")
    assert cut(facts[1:], 200) == facts[1:]
