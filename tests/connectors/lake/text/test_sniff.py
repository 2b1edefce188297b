import pytest
from pydantic import ValidationError

from lakebed.connectors.lake.config import TextConfig, TextOverride
from lakebed.connectors.lake.text.sniff import is_header, sniff_csv


def sniff(text: str, path: str = "t.csv", **config: object) -> tuple[str, bool, tuple[str, ...]]:
    shape = sniff_csv(text.encode(), True, path, TextConfig(**config))
    return shape.delimiter, shape.has_header, shape.names


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    text = "id,name,x\n1,a b,2\n2,c,3\n".replace(",", delimiter)
    assert sniff(text) == (delimiter, True, ("id", "name", "x"))


@pytest.mark.parametrize(
    ("text", "path", "delimiter"),
    [
        ("a;b\n1,5;2,5\n", "t.csv", ";"),
        ('a,b\n"x;y;z",1\n"p;q;r",2\n', "t.csv", ","),
        ("a\tb\n1,2\t3\n", "t.csv", "\t"),
        ("a\n1\n2\n", "t.csv", ","),
        ("a\n1\n2\n", "t.tsv.gz", "\t"),
        ("a,b\tc,d\n1,2\t3,4\n", "t.csv", "\t"),
        ('a,b\n"x\n;y",2\n', "t.csv", ","),
        ("a,b\n1,2\n3\n", "t.csv", ","),
        ("text\nhello; world\n", "t.csv", ","),
    ],
)
def test_the_delimiter_cuts_the_rows_evenly(text: str, path: str, delimiter: str) -> None:
    assert sniff(text, path)[0] == delimiter


def test_settings_win_over_guesses() -> None:
    assert sniff("a,b\n1,2\n", delimiter=";") == (";", True, ("a,b",))
    assert sniff("a b\n1 2\n", delimiter=" ")[2] == ("a", "b")
    assert sniff("a\tb\n", delimiter="\\t")[2] == ("a", "b")
    assert sniff("a,b\n1,2\n", header="no") == (",", False, ("c1", "c2"))
    assert sniff("1,2\n3,4\n", header="yes") == (",", True, ("1", "2"))


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "é"])
def test_an_unusable_delimiter_is_an_error(delimiter: str) -> None:
    for config in (TextConfig, TextOverride):
        with pytest.raises(ValidationError, match="one ASCII character"):
            config(delimiter=delimiter)


def test_names_of_columns() -> None:
    assert sniff(',a,a,"x ""y"""\n1,2,3,4\n')[2] == ("c1", "a", "a", 'x "y"')
    assert sniff("1,2\n3,4\n")[2] == ("c1", "c2")


@pytest.mark.parametrize(
    ("first", "body", "expected"),
    [
        (["id", "name"], [["1", "a"], ["2", "b"]], True),
        (["1", "2"], [["3", "4"]], False),
        (["anna", "7"], [["ben", "8"], ["cleo", "9"]], False),
        (["name", "city"], [["anna", "rome"], ["ben", "paris"]], True),
        (["anna", "rome"], [["ben", "rome"]], True),
        (["anna", "rome"], [["ben", "rome"], ["anna", "oslo"]], False),
        (["type", "name"], [["type", "foo"], ["name", "bar"]], True),
        (["", "Condition", "Owner"], [["0", "Condition", "Owner"], ["1", "Rabies", "John"]], True),
        (["district", "2021"], [["AK-1", "-14.6"], ["AL-1", "-31.9"]], True),
        (["AK", "2019"], [["AL", "2020"], ["AZ", "2021"]], False),
        (["country", "2020-01-22", "2020-01-23"], [["Chad", "1", "2"], ["Mali", "4", "5"]], True),
        (["id", "1", "2", "3"], [["x", "4", "5", "7"], ["y", "5", "1", "2"]], True),
        (["2019", "2020"], [["1", "2"], ["3", "4"]], False),
        (["a", "b"], [], True),
        (["1", "b"], [], False),
        (["a", "a"], [], False),
        (["a", "a"], [["1", "2"]], True),
        (["", "x"], [["1", "p"], ["2", "q"]], True),
        (["a", "", "b"], [["x", "y", "z"]], True),
        (["NA", "x"], [["1", "p"], ["2", "q"]], True),
        (["anna", "NA"], [["anna", "1"]], False),
        (["when", "what"], [["2020-01-01", "p"]], True),
        (["ok", "what"], [["true", "p"], ["", "q"]], True),
        (["x"], [["1e5"], ["1.0"], ["NA"]], True),
        (["id", "2019", "2020"], [["1", "0.5", "0.7"]], True),
        (["0", "1", "2"], [["0.5", "1.5", "2.5"]], True),
        (["0", "1", "2"], [["5", "a", "1.5"], ["6", "b", "2.5"]], True),
        (["0", "1", "2"], [["5", "6", "7"]], False),
        (["0", "1", "2"], [["1", "1.5", "2.5"], ["2", "1.7", "3.1"]], False),
        (["2019", "2020"], [["x", "y"], ["a", "b"]], True),
        (["2019", "2020"], [["x", "y"]], False),
        (["2019"], [["x"], ["y"]], False),
        (["id", "name"], [["1", "a"], ["id", "name"], ["2", "b"]], True),
        (["anna", "rome"], [["ben", "oslo"], ["anna", "rome"]], False),
    ],
)
def test_the_header_rule(first: list[str], body: list[list[str]], expected: bool) -> None:
    assert is_header(first, body) == expected


@pytest.mark.parametrize(
    "text", [",,\nalpha,beta,gamma\nx,y,z\n", "5,,\nb,c,d\n1,2,3\n", "Report of May,,\n,,\na,b,c\nx,y,z\n"]
)
def test_without_a_header_no_row_is_a_title(text: str) -> None:
    shape = sniff_csv(text.encode(), True, "t.csv", TextConfig(header="no"))
    assert (shape.has_header, shape.names, shape.n_skipped_bytes) == (False, ("c1", "c2", "c3"), 0)


def test_below_comments_may_be_no_header() -> None:
    shape = sniff_csv(b"# by x\n1\n2\n3\n", True, "t.csv", TextConfig())
    assert (shape.has_header, shape.notes) == (False, ("1 comment line before the first row left out",))


def test_with_a_header_for_certain_no_comment_is_it() -> None:
    text = "# city,country\nParis,France\nRome,Italy\n"
    assert sniff(text, header="yes")[1:] == (True, ("Paris", "France"))
    assert sniff(text, header="no")[1:] == (False, ("c1", "c2"))


def test_below_titles_is_a_header_though_it_comes_again() -> None:
    text = "Report of May,,\n,,\na,b,c\nx,y,z\na,b,c\n"
    auto, pinned = (sniff_csv(text.encode(), True, "t.csv", TextConfig(header=one)) for one in ("auto", "yes"))
    assert (auto.has_header, auto.names) == (True, ("a", "b", "c")) and auto == pinned


def test_a_cut_last_row_of_the_sample_does_not_mislead() -> None:
    shape = sniff_csv(b"a,b\n1,2\n3", False, "t.csv", TextConfig())
    assert (shape.delimiter, shape.names) == (",", ("a", "b"))


def test_a_cell_beyond_the_csv_modules_limit() -> None:
    assert sniff("a,b\n1," + "x" * 200_000 + "\n")[2] == ("a", "b")
