"""Where the rows of a CSV file begin, and what stands between their cells.

Before the first row may stand: blank lines, `sep=;` (Excel), comment lines, and titles. A title is left out only where
the row behind it is a header for certain, since the rows of a table of text may hold a delimiter now and then.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lakebed.connectors.lake.text.csv_quotes import Dialect

N_SAMPLE_ROWS = 500
DELIMITERS = (",", ";", "\t", "|", "\x01")
MAX_LINES_BEFORE = 30
# characters of a text that tell its delimiter
_LOOKED_AT = 1 << 17

_ENDINGS = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_SEP = re.compile(r'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Start:
    """Where rows begin: the text before them, the delimiter, and what is said of it."""

    delimiter: str
    skipped: str = ""
    has_comments: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cut:
    """What a delimiter makes of a text: how many lines stand before the rows, and how well it fits."""

    skipped: str
    has_comments: bool
    score: tuple[float, int, bool]


def find_start(text: str, is_whole: bool, path: str, given: str = "", dialect: Dialect = "rfc") -> Start:
    """Where the rows begin.

    The delimiter is the one that cuts most rows into as many cells as the first; ties go to the one that gives more
    columns, then to the ending's own, then to the order of DELIMITERS.

    Args:
        text: beginning of the file.
        is_whole: whether it is all of it.
        path: whose ending may tell the delimiter.
        given: the delimiter that the config sets; empty where it is to be found.
        dialect: how cells are quoted.
    """
    text = text[:_LOOKED_AT]
    is_whole = is_whole and len(text) < _LOOKED_AT
    if match := _SEP.match(text):
        return Start(given or match[1], match[0], notes=(f"the first line sets the delimiter: {match[0].strip()}",))
    own = _own_delimiter(path)
    found: tuple[str, _Cut] | None = None
    for delimiter in [given] if given else DELIMITERS:
        cut = _cut(text, delimiter, is_whole, dialect, is_own=delimiter == own)
        if cut and (found is None or cut.score > found[1].score):
            found = delimiter, cut
    if found is None and not given and _is_cut_by_blanks(text, is_whole):
        found = " ", _Cut("", False, (1.0, 2, False))
    if found is None:
        plain = _comments(text, lambda line: True) if "\n" in text else ""
        return Start(given or own or ",", plain, bool(plain), _notes(plain, has_comments=True))
    delimiter, cut = found
    return Start(delimiter, cut.skipped, cut.has_comments, _notes(cut.skipped, has_comments=cut.has_comments))


def sample_rows(text: str, delimiter: str, is_whole: bool, dialect: Dialect = "rfc") -> list[list[str]]:
    """The first rows of a sample, blank ones left out, and the last one too when it may be cut."""
    rows: list[list[str]] = []
    try:
        for row in _reader(text, delimiter, dialect):
            if row:
                rows.append(row)
            if len(rows) > N_SAMPLE_ROWS:
                return rows
    except csv.Error:
        # a cell beyond the csv module's limit: what came before it is a sample too
        return rows
    return rows if is_whole or len(rows) < 2 else rows[:-1]


def _reader(text: str, delimiter: str, dialect: Dialect) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    if dialect == "none":
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    if dialect == "backslash":
        return csv.reader(lines, delimiter=delimiter, escapechar="\\", doublequote=False)
    return csv.reader(lines, delimiter=delimiter, quotechar="'" if dialect == "single" else '"')


def _cut(text: str, delimiter: str, is_whole: bool, dialect: Dialect, *, is_own: bool) -> _Cut | None:
    """How a delimiter cuts a text into rows; None where it does not."""
    rows = sample_rows(text, delimiter, is_whole, dialect)
    if not rows:
        return None
    counts = Counter(map(len, rows))
    n_first = len(rows[0])
    usual = max((n for n in counts if n > 1), key=lambda n: (counts[n], n), default=1)
    comments = _comments(text, lambda line: len(_cells(line, delimiter, dialect)) != usual) if usual > 1 else ""
    if comments:
        rest = sample_rows(text[len(comments) :], delimiter, is_whole, dialect)
        if rest and len(rest[0]) == usual:
            return _Cut(comments, True, (_share(rest, usual), usual, is_own))
    titles = _titles(text, rows, delimiter, dialect)
    if titles:
        rest = sample_rows(text[len(titles) :], delimiter, is_whole, dialect)
        return _Cut(titles, False, (1.0, len(rest[0]), is_own))
    if n_first < 2:
        return None
    return _Cut("", False, (_share(rows, n_first), n_first, is_own))


def _share(rows: list[list[str]], n_cells: int) -> float:
    """The share of rows with so many cells; comment lines do not count."""
    kept = [row for row in rows if len(row) == n_cells or not row[0].startswith("#")]
    return sum(len(row) == n_cells for row in kept) / max(1, len(kept))


def _comments(text: str, is_other: Callable[[str], bool]) -> str:
    """The comment and blank lines at the beginning; a line that is a row, as a header after a `#`, ends them."""
    end = 0
    has_comment = False
    for line in text.splitlines(keepends=True)[:MAX_LINES_BEFORE]:
        if line.strip() and not (line.startswith("#") and (line.startswith("# ") or is_other(line))):
            break
        has_comment |= line.startswith("#")
        end += len(line)
    return text[:end] if has_comment and end < len(text) else ""


def _titles(text: str, rows: list[list[str]], delimiter: str, dialect: Dialect) -> str:
    """The lines before a header that stands below one or more titles: one cell each, where all rows have several."""
    n_titles = next((n for n, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    if not 0 < n_titles <= MAX_LINES_BEFORE:
        return ""
    header, body = rows[n_titles], rows[n_titles + 1 :]
    if not body or any(len(row) != len(header) for row in body) or not all(header) or len(set(header)) < len(header):
        return ""
    is_padded = all(len(row) == len(header) and row[0] for row in rows[:n_titles])
    if not is_padded and any(len(row) > 1 for row in rows[:n_titles]):
        return ""
    has_numbers = any(all(_NUMBER.fullmatch(row[i]) for row in body) for i in range(len(header)))
    if not has_numbers or any(_NUMBER.fullmatch(cell) for cell in header):
        return ""
    end, left = 0, n_titles
    for line in text.splitlines(keepends=True):
        if not line.strip() or left:
            left -= bool(line.strip())
            end += len(line)
        else:
            break
    return text[:end]


def _cells(line: str, delimiter: str, dialect: Dialect) -> list[str]:
    try:
        return next(iter(_reader(line, delimiter, dialect)), [])
    except csv.Error:
        return []


def _is_cut_by_blanks(text: str, is_whole: bool) -> bool:
    """Whether single blanks cut all rows into equally many cells, with numbers in one column and no word of two."""
    rows = sample_rows(text, " ", is_whole)
    if len(rows) < 3 or len(rows[1]) < 2 or any(len(row) != len(rows[1]) or not all(row) for row in rows[1:]):
        return False
    has_numbers = any(all(_NUMBER.fullmatch(row[i]) for row in rows[1:]) for i in range(len(rows[1])))
    return has_numbers and len(rows[0]) in (len(rows[1]), len(rows[1]) - 1) and all(rows[0])


def _notes(skipped: str, *, has_comments: bool) -> tuple[str, ...]:
    n_lines = len([line for line in skipped.splitlines() if line.strip()])
    if not n_lines:
        return ()
    kind = "comment" if has_comments else "title"
    return (f"{n_lines} {kind} line{'s' if n_lines > 1 else ''} before the first row left out",)


def _own_delimiter(path: str) -> str:
    name = path.lower()
    for compression in _COMPRESSIONS:
        name = name.removesuffix(compression)
    return next((delimiter for ending, delimiter in _ENDINGS.items() if name.endswith(ending)), "")
