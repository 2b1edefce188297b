"""What a file is that should be a table, told by its first bytes, and texts that begin like one."""

import pytest

from lakebed.connectors.lake.no_table import is_json_lines, not_of_format, not_parquet, what_it_is


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
    assert not_parquet(b"id,name\n1,a\n", b"1,a\n") == "plain text"
    assert not_parquet(b"\x00\x01", b"\x02") == ""


@pytest.mark.parametrize("format_", ["avro", "orc", "arrow", "spreadsheet"])
def test_what_is_of_another_format_is_told(format_):
    assert not_of_format(format_, b"") == "an empty file"
    assert not_of_format(format_, b"a\tb\n1\t2\n") == "plain text"
    assert not_of_format(format_, b"<html><table><tr><td>1</td></tr></table></html>") == "an HTML page"
    assert not_of_format(format_, b"PAR1\x15\x04\x15") == "a Parquet file"
    assert not_of_format(format_, b"\x00\x01\x02") == ""


@pytest.mark.parametrize(
    ("format_", "head"),
    [("avro", b"Obj\x01"), ("orc", b"ORC\x0a"), ("arrow", b"ARROW1\x00\x00"), ("spreadsheet", b"PK\x03\x04")],
)
def test_a_damaged_file_of_a_format_is_no_other(format_, head):
    assert not_of_format(format_, head + b"\x00\x01") == ""
    assert not_of_format("duckdb", head) == ""


def test_json_lines_are_told_from_cells_of_json():
    assert is_json_lines(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"b": {"c": []}}\r\n')
    assert not is_json_lines(b'{"a": 1}\n')
    assert not is_json_lines(b'{"a": 1},{"b": 2}\n{"a": 1},{"b": 2}\n')
    assert not is_json_lines(b'payload\n{"a": 1}\n{"a": 2}\n')
    assert not is_json_lines(b"{" * 100_000 + b"\n" + b"{" * 100_000)
