"""Files whose name promises a table and whose bytes are something else, in words."""

import json
import re

# letters that may begin a text, too (`ORCID`, `PARENT`), and a byte that text has not
_BINARY = rb"(?=.*[\x00-\x08\x0e-\x1f])"
_HEADS = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"), "a pointer of git-lfs: the file was not fetched"),
    (re.compile(rb"[^\n]*/annex/objects/"), "a pointer of git-annex: the file was not fetched"),
    (re.compile(rb"(?:<\?xml[^>]*>\s*)?<Error>", re.IGNORECASE), "an object store's error message, in XML"),
    (
        re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S),
        "an HTML page",
    ),
    (re.compile(rb"<\?xml\b", re.IGNORECASE), "an XML document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive, as Excel's files are"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office document"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database"),
    (re.compile(rb"Obj\x01"), "an Avro file"),
    (re.compile(rb"ORC" + _BINARY, re.S), "an ORC file"),
    (re.compile(rb"ARROW1" + _BINARY, re.S), "an Arrow file"),
    (re.compile(rb"PARE" + _BINARY, re.S), "an encrypted Parquet file"),
    (re.compile(rb"PAR1" + _BINARY, re.S), "a Parquet file"),
    (re.compile(rb"\x1f\x8b"), "gzip's bytes under a name that does not end in .gz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd's bytes under a name that does not end in .zst"),
    (re.compile(rb"BZh[1-9]"), "bzip2's bytes under a name that does not end in .bz2"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz's bytes under a name that does not end in .xz"),
    (re.compile(rb"\x89PNG|GIF8|\xff\xd8\xff"), "a picture"),
    (
        re.compile(
            rb"(?:\S+\s+)?(?:MIT License|(?:The )?Apache License|GNU (?:LESSER |AFFERO )?GENERAL PUBLIC LICENSE|"
            rb"Creative Commons|BSD \d-Clause License|Mozilla Public License)[^,;\t|]*\n",
            re.IGNORECASE,
        ),
        "the text of a licence",
    ),
)  # fmt: skip
_PARQUET, _ENCRYPTED = b"PAR1", b"PARE"
HEAD_BYTES = 4096
# of what is read whole; a stream of Arrow's that older writers made begins with any bytes
_BEGINNINGS = {
    "avro": (b"Obj\x01",),
    "orc": (b"ORC",),
    "arrow": (b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"),
    "spreadsheet": (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def what_it_is(head: bytes) -> str:
    """What a file that should be text is instead, by its first bytes; empty where they tell nothing."""
    start = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    return next((words for pattern, words in _HEADS if pattern.match(start.lstrip()) or pattern.match(start)), "")


def not_parquet(head: bytes, tail: bytes) -> str:
    """The same of a file that should be Parquet, by its first and last bytes."""
    if not head:
        return "an empty file"
    if tail.endswith(_ENCRYPTED):
        return "encrypted, its footer too; lakebed has no keys"
    if not head.startswith(_PARQUET):
        return what_it_is(head) or _plain_text(head)
    return "" if tail.endswith(_PARQUET) else "cut off: it begins as a Parquet file and does not end as one"


def not_of_format(format_: str, head: bytes) -> str:
    """What a file is that its name calls Avro, ORC, Arrow or a workbook, and is none; empty where nothing tells it."""
    beginnings = _BEGINNINGS.get(format_)
    if beginnings is None or head.startswith(beginnings):
        return ""
    if not head:
        return "an empty file"
    return what_it_is(head) or _plain_text(head)


def is_json_lines(head: bytes) -> bool:
    """Whether the first two lines of a text are JSON objects, each by itself."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    lines = [line for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    return len(lines) > 1 and all(map(_is_object, lines[:2]))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _plain_text(head: bytes) -> str:
    return "" if _NO_TEXT.search(head) else "plain text"
