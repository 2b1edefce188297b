import pytest

from lakebed.connectors.lake.globs import matches_any


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a/b.csv", "a/*.csv", True),
        ("a/b/c.csv", "a/*.csv", False),
        ("a/b/c.csv", "a/**/*.csv", True),
        ("a/c.csv", "a/**/*.csv", True),
        ("tmp/x/y.parquet", "tmp", True),
        ("tmpx/y.parquet", "tmp", False),
        ("tmp/x", "tmp/", True),
        ("a/b1.csv", "a/b[0-9].csv", True),
        ("a/bx.csv", "a/b[!0-9].csv", True),
        ("a/b1.csv", "a/b[!0-9].csv", False),
        ("a+b/c(1).csv", "a+b/c(1).csv", True),
        ("a.csv", "a?csv", True),
        ("a/csv", "a?csv", False),
        ("line\nbreak.csv", "line*", True),
        ("x[1].csv", "x[[]1].csv", True),
        ("anything", "**", True),
    ],
)
def test_a_glob_names_what_it_says(path: str, glob: str, expected: bool) -> None:
    assert matches_any(path, [glob]) is expected


def test_no_glob_matches_nothing() -> None:
    assert not matches_any("a", [])
