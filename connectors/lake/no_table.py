"""Files whose name promises a table and whose bytes are something else, in words."""

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
        return what_it_is(head)
    return "" if tail.endswith(_PARQUET) else "cut off: it begins as a Parquet file and does not end as one"
