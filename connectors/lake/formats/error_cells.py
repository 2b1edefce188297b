"""Cells of a workbook that show an error (`#DIV/0!`, `#N/A`), which calamine gives as empty ones.

They are found in the workbook's own XML; those of Excel's binary formats (`.xls`, `.xlsb`) are not looked for. A row of
nothing but errors is a blank one.
"""

import html
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

NO_COLUMN = -1
_BLOCK, _MAX_COLUMNS = 1 << 20, 1 << 14
_EXCEL_ERROR = re.compile(rb"""<(?:[\w.-]+:)?c\s(?:[^>]*\s)?t=["']e["'][^>]*>""")
_EXCEL_COLUMN = re.compile(rb"""\sr=["']([A-Z]{1,3})[0-9]+["']""")
_SHEET = re.compile(rb"""<(?:[\w.-]+:)?sheet\s[^>]*>""")
_LINK = re.compile(rb"""<(?:[\w.-]+:)?Relationship\s[^>]*>""")
_OPEN_PART = re.compile(rb"""<table:(table|table-row|table-cell|covered-table-cell)(?=[\s/>])[^>]*>""")
_OPEN_ERROR = re.compile(rb"""\bvalue-type=["']error["']""")


def error_cells(workbook: str | BinaryIO, sheet: str) -> Counter[int]:
    """How many cells of each column of a sheet show an error, by the column's number in the sheet, from 0.

    A cell that does not say where it stands counts for NO_COLUMN.

    Args:
        workbook: its path, or its bytes.
        sheet: the name of a sheet.
    """
    try:
        with zipfile.ZipFile(workbook) as file:
            if "content.xml" in file.namelist():
                return _open_errors(file, sheet)
            found = _matches(file, _part_of(file, sheet), _EXCEL_ERROR)
            return Counter(_number(_attribute(_EXCEL_COLUMN, one[0])) for one in found)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RuntimeError):
        # a binary format, or an archive that calamine reads and zipfile does not
        return Counter()


def _matches(file: zipfile.ZipFile, part: str, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The tags of a part that a pattern finds."""
    left = b""
    with file.open(part) as content:
        while block := content.read(_BLOCK):
            text = left + block
            end = text.rfind(b">") + 1
            yield from pattern.finditer(text, 0, end)
            left = text[end:]


def _part_of(file: zipfile.ZipFile, sheet: str) -> str:
    """Where a sheet lies in Excel's archive. Raises: KeyError: if it is not there."""
    name, identifier = _attribute_of("name"), _attribute_of("id")
    sheets = {html.unescape(_attribute(name, one[0])): _attribute(identifier, one[0])
              for one in _matches(file, "xl/workbook.xml", _SHEET)}  # fmt: skip
    links = {_attribute(_attribute_of("Id"), one[0]): _attribute(_attribute_of("Target"), one[0])
             for one in _matches(file, "xl/_rels/workbook.xml.rels", _LINK)}  # fmt: skip
    target = links[sheets[sheet]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _open_errors(file: zipfile.ZipFile, sheet: str) -> Counter[int]:
    """The same of OpenDocument, which has all sheets in one part, and counts cells that are alike."""
    found: Counter[int] = Counter()
    if next(_matches(file, "content.xml", _OPEN_ERROR), None) is None:
        return found
    name, n_columns = _attribute_of("name"), _attribute_of("number-columns-repeated")
    n_rows, is_it, column, n_alike = _attribute_of("number-rows-repeated"), False, 0, 1
    for one in _matches(file, "content.xml", _OPEN_PART):
        if one[1] == b"table":
            is_it = html.unescape(_attribute(name, one[0])) == sheet
        elif one[1] == b"table-row":
            column, n_alike = 0, int(_attribute(n_rows, one[0]) or 1)
        elif is_it:
            n_cells = min(int(_attribute(n_columns, one[0]) or 1), _MAX_COLUMNS)
            if _OPEN_ERROR.search(one[0]):
                found.update(dict.fromkeys(range(column, column + n_cells), n_alike))
            column += n_cells
    return found


def _attribute_of(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"""[\s:]%s=["']([^"']*)["']""" % name.encode())


def _attribute(pattern: re.Pattern[bytes], tag: bytes) -> str:
    match = pattern.search(tag)
    return match[1].decode("utf-8", "replace") if match else ""


def _number(letters: str) -> int:
    """The number of a column that Excel calls A, B, …, Z, AA, …, from 0; NO_COLUMN of none."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
