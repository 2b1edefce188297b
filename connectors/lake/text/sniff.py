"""Guesses about a CSV file from its beginning: delimiter and header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import TextConfig

SAMPLE_BYTES = 1 << 20
N_SAMPLE_ROWS = 500
DELIMITERS = (",", ";", "\t", "|")

_ENDINGS = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_NULL_WORDS = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "\\n", "#n/a", "missing"}
_TYPED = re.compile(
    r"\s*(?:[-+]?(?:[0-9]+(?:[.,][0-9]+)*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?%?"
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T][0-9:.]+(?:Z|[-+][0-9:]+)?)?"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?|true|false)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CsvShape:
    """How a CSV file is to be read, and what its beginning shows of how it was written.

    Attributes:
        delimiter: between cells.
        has_header: whether the first row names the columns.
        names: of the columns.
        first: the first row.
        line_end: behind the first row.
        quotes_first: whether all its cells stand in quotes.
        quoted: places of the columns of which all cells but empty ones stand in quotes, in the rows after it.
    """

    delimiter: str
    has_header: bool
    names: tuple[str, ...]
    first: tuple[str, ...]
    line_end: str
    quotes_first: bool
    quoted: tuple[int, ...]


def sniff_csv(sample: bytes, is_whole: bool, path: str, config: TextConfig) -> CsvShape:
    """Delimiter, header and column names.

    Columns without a header are named c1, c2, …, as are header cells that are empty.

    Args:
        sample: beginning of the file, UTF-8, without leading blank lines.
        is_whole: whether the sample is the whole file.
        path: whose ending may tell the delimiter.
        config: settings that win over guesses.
    """
    text = sample.decode("utf-8", errors="replace")
    delimiter = _set_delimiter(config) or _sniff_delimiter(text, is_whole, path)
    rows = _rows(text, delimiter, is_whole)
    first = rows[0] if rows else [""]
    has_header = config.header == "yes" or (config.header == "auto" and is_header(first, rows[1:]))
    names = tuple(cell if has_header and cell else f"c{n}" for n, cell in enumerate(first, start=1))
    return CsvShape(delimiter, has_header, names, tuple(first), *_style(text, delimiter))


def _style(text: str, delimiter: str) -> tuple[str, bool, tuple[int, ...]]:
    """The first row's end, whether all its cells stand in quotes, and the columns of which all but empty cells do."""
    cell = re.compile(rf'("(?:[^"]|"")*+")?([^{re.escape(delimiter)}\r\n]*)({re.escape(delimiter)}|\r?\n|\Z)')
    first: list[bool] = []
    line_end = ""
    plain: set[int] = set()
    quoted: set[int] = set()
    place = row = 0
    for match in cell.finditer(text):
        is_quoted = bool(match[1] and not match[2])
        if not row:
            first.append(is_quoted)
        elif match[1] or match[2]:
            (quoted if is_quoted else plain).add(place)
        place = place + 1 if match[3] == delimiter else 0
        line_end = line_end or (match[3] if match[3] != delimiter else "")
        row += match[3] != delimiter
        if row > N_SAMPLE_ROWS or match.end() == len(text):
            break
    return line_end or "\n", all(first), tuple(sorted(quoted - plain))


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    Each column votes. For a header: the body is typed (numbers, dates, times, booleans) under a name that is not (and
    is no word for null). Against: the name is itself typed, or it comes again among the column's values. One vote for
    it decides; else one against. Where no column votes, as in a table of words, the row is a header if its names are
    unique and none but the first is empty. (So years over numbers, with no other column, are no header: set
    `lake.text.header`.)
    """
    votes = [_vote(cell, [row[i] for row in body if i < len(row)]) for i, cell in enumerate(first)]
    if any(vote > 0 for vote in votes):
        return True
    if any(vote < 0 for vote in votes):
        return False
    return all(first[1:]) and any(first) and len(set(first)) == len(first)


def _vote(name: str, values: Sequence[str]) -> int:
    values = [value for value in values if value.strip().lower() not in _NULL_WORDS]
    if name.strip().lower() in _NULL_WORDS:
        return 0
    if _TYPED.fullmatch(name) or name in values:
        return -1
    return int(bool(values) and all(_TYPED.fullmatch(value) for value in values))


def _set_delimiter(config: TextConfig) -> str:
    if config.delimiter == "auto":
        return ""
    delimiter = config.delimiter.replace("\\t", "\t")
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n"':
        raise ConfigError(
            "unusable delimiter",
            value=repr(config.delimiter),
            expected="`auto`, or one ASCII character that is no quote and no line end",
            hint="set `lake.text.delimiter`",
        )
    return delimiter


def _sniff_delimiter(text: str, is_whole: bool, path: str) -> str:
    """The delimiter that the first row has and that cuts most rows into as many cells as the first.

    Ties go to the delimiter that gives more columns, then to the ending's own, then to the order of DELIMITERS.
    """
    own = _own_delimiter(path)
    best, best_score = own or ",", (0.0, 1, False)
    for delimiter in DELIMITERS:
        rows = _rows(text, delimiter, is_whole)
        if not rows or len(rows[0]) < 2:
            continue
        n_columns = len(rows[0])
        share = Counter(len(row) for row in rows)[n_columns] / len(rows)
        score = (share, n_columns, delimiter == own)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _own_delimiter(path: str) -> str:
    name = path.lower().removesuffix(".gz")
    return next((delimiter for ending, delimiter in _ENDINGS.items() if name.endswith(ending)), "")


def _rows(text: str, delimiter: str, is_whole: bool) -> list[list[str]]:
    """The first rows of a sample, blank ones left out, and the last one too when it may be cut."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > N_SAMPLE_ROWS:
                return rows
    except csv.Error:
        # a cell beyond the csv module's limit: what came before it is a sample too
        return rows
    return rows if is_whole or len(rows) < 2 else rows[:-1]
