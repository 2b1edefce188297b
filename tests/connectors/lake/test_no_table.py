"""What a file is that should be a table, told by its first bytes, and texts that begin like one."""

import pytest

from lakebed.connectors.lake.no_table import not_parquet, what_it_is


@pytest.mark.parametrize("name", ["ORC", "ORCID", "ARROW1", "PARE", "PARENT_ID", "PAR1", "PAR1TY"])
def test_a_text_whose_first_name_is_that_of_a_format_is_a_text(name):
    assert what_it_is(f"{name},name\n1,a\n".encode()) == ""


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"ORC\x0a\x03\x00\x00", "an ORC file"),
        (b"ARROW1\x00\x00\xff", "an Arrow file"),
        (b"PARE\x00\x04", "an encrypted Parquet file"),
        (b"PAR1\x15\x04\x15", "a Parquet file"),
        (b"<html><body>404</body></html>", "an HTML page"),
    ],
)
def test_bytes_of_a_format_are_told(head, words):
    assert what_it_is(head) == words


def test_parquet_is_told_by_both_ends():
    assert not_parquet(b"", b"") == "an empty file"
    assert not_parquet(b"PAR1", b"PAR1") == ""
    assert "cut off" in not_parquet(b"PAR1\x15", b"\x00\x01")
    assert "encrypted" in not_parquet(b"PARE", b"PARE")
