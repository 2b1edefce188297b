"""Where the rows of a CSV file begin, and what stands between their cells.

Before the first row may stand: blank lines, `sep=;` (Excel), comment lines, and titles. A title is left out only where
the row behind it is a header for certain, since the rows of a table of text may hold a delimiter now and then.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from lakebed.connectors.lake.text.csv_quotes import Dialect

N_SAMPLE_ROWS = 500
DELIMITERS = (",", ";", "\t", "|", "\x01")
# that no words hold
_SURE_DELIMITERS = ("\t", "\x01")
MAX_LINES_BEFORE = 30
# characters of a text that tell its delimiter
_LOOKED_AT = 1 << 17

_ENDINGS = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_SEP = re.compile(r'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)
YEAR = re.compile(r"1[5-9][0-9]{2}|20[0-9]{2}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_TYPED = re.compile(
    r"\s*(?:(?P<int>[-+]?[0-9]+)|(?P<float>[-+]?(?:[0-9]+(?:[.,][0-9]+)*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?%?)"
    r"|(?P<date>[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T][0-9:.]+(?:Z|[-+][0-9:]+)?)?)"
    r"|(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?)|(?P<bool>true|false))\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Start:
    """Where rows begin: the text before them, the delimiter, and what is said of it."""

    delimiter: str
    skipped: str = ""
    has_comments: bool = False
    notes: tuple[str, ...] = ()
    has_titles: bool = False


@dataclass(frozen=True)
class _Cut:
    """What a delimiter makes of a text: the lines before the rows, the rows, and the share of them that it fits."""

    delimiter: str
    skipped: str
    has_comments: bool
    rows: list[list[str]]
    share: float


def find_start(
    text: str, is_whole: bool, path: str, given: str = "", dialect: Dialect = "rfc", *, may_have_titles: bool = True
) -> Start:
    """Where the rows begin.

    The delimiter is the one that cuts most rows into as many cells as the first, or the ending's own where that so cuts
    more than half of them. Of several that cut evenly one may stand in the others' cells: `_evidence` tells which.

    Args:
        text: beginning of the file.
        is_whole: whether it is all of it.
        path: whose ending may tell the delimiter.
        given: the delimiter that the config sets; empty where it is to be found.
        dialect: how cells are quoted.
        may_have_titles: False where there is no header, since only a header tells a title from a row.
    """
    text = text[:_LOOKED_AT]
    is_whole = is_whole and len(text) < _LOOKED_AT
    if match := _SEP.match(text):
        return Start(given or match[1], match[0], notes=(f"the first line sets the delimiter: {match[0].strip()}",))
    own = _own_delimiter(path)
    found = (
        _cut(text, delimiter, is_whole, dialect, may_have_titles=may_have_titles)
        for delimiter in ([given] if given else DELIMITERS)
    )
    cuts = [cut for cut in found if cut]
    if not cuts and not given and _is_cut_by_blanks(text, is_whole):
        return Start(" ", notes=("cells are cut by single blanks",))
    if not cuts:
        plain = _comments(text, lambda line: True) if "\n" in text else ""
        return Start(given or own or ",", plain, bool(plain), _notes(plain, has_comments=True))
    cut = _best(cuts, own, dialect)
    has_titles = bool(cut.skipped) and not cut.has_comments
    notes = _notes(cut.skipped, has_comments=cut.has_comments)
    return Start(cut.delimiter, cut.skipped, cut.has_comments, notes, has_titles)


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


def _cut(text: str, delimiter: str, is_whole: bool, dialect: Dialect, *, may_have_titles: bool) -> _Cut | None:
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
            return _Cut(delimiter, comments, True, rest, _share(rest, usual))
    titles = _titles(text, rows, delimiter) if may_have_titles else ""
    if titles:
        rest = sample_rows(text[len(titles) :], delimiter, is_whole, dialect)
        return _Cut(delimiter, titles, False, rest, 1.0)
    return _Cut(delimiter, "", False, rows, _share(rows, n_first)) if n_first > 1 else None


def _best(cuts: Sequence[_Cut], own: str, dialect: Dialect) -> _Cut:
    most = max(cut.share for cut in cuts)
    for cut in cuts:
        if cut.delimiter == own and cut.share > 1 / 2:
            return cut
    even = [cut for cut in cuts if cut.share == most]
    return even[0] if len(even) == 1 else max(even, key=lambda cut: _evidence(cut, even, dialect))


def _evidence(cut: _Cut, even: Sequence[_Cut], dialect: Dialect) -> tuple[bool, bool, bool, bool, float, bool, int]:
    """What speaks for one of several delimiters that cut all rows evenly, the strongest first.

    It needs no titles; words hardly hold it, and it is no decoration of another; it leaves quoted cells whole; the
    others stand in its cells inside numbers alone (decimal commas); more of its columns are of numbers, dates or times;
    it is not always followed by a blank, as in prose; and only then it makes more columns.
    """
    rows = [row for row in cut.rows if len(row) == len(cut.rows[0])]
    others = [other.delimiter for other in even if other is not cut]
    is_worn = any(not any(cells) for cells in zip(*rows, strict=True)) or all(row[0][-1:] in others for row in rows)
    is_torn = dialect != "none" and any(cell.count('"') % 2 for row in rows for cell in row)
    has_blanks = all(cell.startswith(" ") for row in rows for cell in row[1:])
    is_free = all(_is_in_numbers(other, cut.delimiter, rows) for other in others)
    body = rows[1:] or rows
    filled = ([cell for cell in cells if cell.strip()] for cells in zip(*body, strict=True))
    n_typed = sum(bool(cells) and all(map(kind_of, cells)) for cells in filled)
    has_titles = bool(cut.skipped) and not cut.has_comments
    is_sure = cut.delimiter in _SURE_DELIMITERS and not is_worn
    n_columns = len(rows[0])
    return not has_titles, is_sure, not is_torn, is_free, n_typed / n_columns, not has_blanks, n_columns


def _is_in_numbers(other: str, delimiter: str, rows: Sequence[Sequence[str]]) -> bool:
    """Whether another delimiter stands in cells between two digits alone, as a decimal comma does.

    Other signs than a comma cut lists of numbers so, unless the delimiter itself always stands between digits. The
    first row may be a header of words, in which a blank follows.
    """
    between = re.compile(rf"(?<![0-9]){re.escape(other)}|{re.escape(other)}(?![0-9])")
    first = [cell.replace(f"{other} ", "") for cell in rows[0]]
    if any(map(between.search, (cell for row in (first, *rows[1:]) for cell in row))):
        return False
    return other == "," or not all(
        left[-1:].isdigit() and right[:1].isdigit() for row in rows for left, right in pairwise(row)
    )


def _share(rows: list[list[str]], n_cells: int) -> float:
    """The share of rows with so many cells; comment lines do not count."""
    kept = [row for row in rows if len(row) == n_cells or not row[0].startswith("#")]
    return sum(len(row) == n_cells for row in kept) / max(1, len(kept))


def _comments(text: str, is_other: Callable[[str], bool]) -> str:
    """The comment and blank lines at the beginning; a line that is a row, as a header after a `#`, ends them."""
    end = 0
    has_comment = False
    for line in islice(lines_of(text), MAX_LINES_BEFORE):
        if line.strip() and not (line.startswith("#") and (line.startswith("# ") or is_other(line))):
            break
        has_comment |= line.startswith("#")
        end += len(line)
    return text[:end] if has_comment and end < len(text) else ""


def _titles(text: str, rows: list[list[str]], delimiter: str) -> str:
    """The lines before a header that stands below one or more titles."""
    end, left = 0, count_titles(rows, delimiter)
    if not left:
        return ""
    for line in lines_of(text):
        is_row = bool(line.strip("\r\n"))
        if is_row and not left:
            break
        left -= is_row
        end += len(line)
    return text[:end]


def count_titles(rows: Sequence[Sequence[str]], delimiter: str = "\t") -> int:
    """How many rows stand above the header as titles: one cell each, where all others have several.

    Args:
        rows: from the first one on, an empty cell for what is not there.
        delimiter: that cuts them; that of cells that are cut for certain unless given.
    """
    n_titles = next((n for n, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    if not 0 < n_titles <= MAX_LINES_BEFORE:
        return 0
    titles, header, body = rows[:n_titles], rows[n_titles], rows[n_titles + 1 :]
    if not body or any(len(row) != len(header) for row in body) or not all(header) or len(set(header)) < len(header):
        return 0
    if not _may_be_titles(titles, len(header)) or not are_names(header, body):
        return 0
    return n_titles if _has_numbers(body, len(header)) or _are_apart(titles, len(header), delimiter) else 0


def _may_be_titles(rows: Sequence[Sequence[str]], n_cells: int) -> bool:
    """Whether rows are one cell each, in one line: alone, or padded to the cells of the others, as Excel does."""
    return all(
        (len(row) == 1 or (len(row) == n_cells and (row[0] or not any(row)))) and not re.search("[\r\n]", row[0])
        for row in rows
    )


def are_names(header: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether cells name columns for certain: none is a number, but for years that count on over what are no years."""
    places = [place for place, cell in enumerate(header) if _NUMBER.fullmatch(cell)]
    if not places:
        return True
    if not 1 < len(places) < len(header) or not all(YEAR.fullmatch(header[place]) for place in places):
        return False
    steps = {int(header[after]) - int(header[before]) for before, after in pairwise(places)}
    are_years = any(all(YEAR.fullmatch(row[place]) for row in body) for place in places)
    return len(steps) == 1 and not are_years


def _has_numbers(body: Sequence[Sequence[str]], n_cells: int) -> bool:
    """Whether a column holds nothing but numbers and empty cells."""
    columns = ([row[i] for row in body if row[i]] for i in range(n_cells))
    return any(cells and all(map(_NUMBER.fullmatch, cells)) for cells in columns)


def _are_apart(titles: Sequence[Sequence[str]], n_cells: int, delimiter: str) -> bool:
    """What tells titles above a table of words: an empty padded row below words, or cells that are cut for certain.

    An empty row alone tells nothing: rows may be empty.
    """
    if any(map(any, titles)) and any(len(row) > 1 and not any(row) for row in titles):
        return True
    has_words = any(map(any, titles)) and all(" " in row[0].strip() for row in titles if any(row))
    return has_words and (delimiter in _SURE_DELIMITERS or (delimiter != "," and n_cells > 2))


def kind_of(cell: str) -> str:
    """What a cell looks like: int, float, date, time, bool; empty for words."""
    match = _TYPED.fullmatch(cell)
    return str(match.lastgroup) if match else ""


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text with their ends: only line feeds and carriage returns end one."""
    return iter(io.StringIO(text, newline=""))


def _cells(line: str, delimiter: str, dialect: Dialect) -> list[str]:
    try:
        return next(iter(_reader(line, delimiter, dialect)), [])
    except csv.Error:
        return []


def _is_cut_by_blanks(text: str, is_whole: bool) -> bool:
    """Whether single blanks cut all rows into equally many cells, and these are no words of one cell.

    A word beside a number may be an address, two numbers below one name a telephone: what speaks for several columns is
    numbers in two of them or cells in quotes, and a name for each, or for each but the first of three.
    """
    rows = sample_rows(text, " ", is_whole)
    if len(rows) < 3 or len(rows[1]) < 2 or any(len(row) != len(rows[1]) or not all(row) for row in rows[1:]):
        return False
    n_cells, n_names = len(rows[1]), len(rows[0])
    n_numbers = sum(all(_NUMBER.fullmatch(row[i]) for row in rows[1:]) for i in range(n_cells))
    is_sure = n_numbers > 1 or (n_numbers == 1 and '" ' in text)
    return is_sure and (n_names == n_cells or 1 < n_names == n_cells - 1) and all(rows[0])


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
