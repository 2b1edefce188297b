"""Guesses about a CSV file from its beginning: delimiter and header."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text.csv_quotes import Dialect, has_single_quotes
from lakebed.connectors.lake.text.csv_start import (
    N_SAMPLE_ROWS,
    YEAR,
    Start,
    find_start,
    kind_of,
    lines_of,
    sample_rows,
)

SAMPLE_BYTES = 1 << 20
_NULL_WORDS = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "\\n", "#n/a", "missing"}


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
        n_skipped_bytes: of lines before the first row, and of a header that has other cells than the rows.
        is_header_skipped: whether the header is among them.
        comment: what comment lines begin with; empty if there are none.
        has_single_quotes: whether cells in single quotes hold the delimiter.
        notes: what is not plain, in words.
    """

    delimiter: str
    has_header: bool
    names: tuple[str, ...]
    first: tuple[str, ...]
    line_end: str
    quotes_first: bool
    quoted: tuple[int, ...]
    n_skipped_bytes: int = 0
    is_header_skipped: bool = False
    comment: str = ""
    has_single_quotes: bool = False
    notes: tuple[str, ...] = ()


def sniff_csv(sample: bytes, is_whole: bool, path: str, config: TextConfig, dialect: Dialect = "rfc") -> CsvShape:
    """Delimiter, header and column names.

    Columns without a header are named c1, c2, …, as are header cells that are empty.

    Args:
        sample: beginning of the file, UTF-8, without leading blank lines.
        is_whole: whether the sample is the whole file.
        path: whose ending may tell the delimiter.
        config: settings that win over guesses.
        dialect: how cells are quoted.
    """
    text = sample.decode("utf-8", errors="replace")
    may_have_titles = config.header != "no"
    start = find_start(text, is_whole, path, _set_delimiter(config), dialect, may_have_titles=may_have_titles)
    delimiter = start.delimiter
    rows = sample_rows(text[len(start.skipped) :], delimiter, is_whole, dialect)
    start, rows, has_header = _with_header(start, rows, config, dialect)
    text, first = text[len(start.skipped) :], rows[0] if rows else [""]
    given = frozenset(first if has_header else ())
    names = tuple(cell if has_header and cell else _free_name(n, given) for n, cell in enumerate(first, start=1))
    shape = CsvShape(delimiter, has_header, names, tuple(first), *_style(text, delimiter))
    shape = replace(
        shape,
        n_skipped_bytes=len(start.skipped.encode()),
        comment="#" if start.has_comments else "",
        has_single_quotes=has_single_quotes(sample[: 1 << 16], delimiter),
        notes=start.notes,
    )
    return _with_other_header(shape, rows, text, dialect) if has_header else shape


def _free_name(n: int, given: frozenset[str]) -> str:
    """The name of the n-th column, which has none: c1, c2, …; a column that is called so keeps its own."""
    name = f"c{n}"
    while name in given:
        name += "_"
    return name


def _with_header(
    start: Start, rows: list[list[str]], config: TextConfig, dialect: Dialect
) -> tuple[Start, list[list[str]], bool]:
    """Where rows begin, the rows, and whether the first is their header.

    Below titles it is, or they were none. Below a comment that may name the columns, as numpy writes it, a first row of
    words is none unless the columns below it are typed, or the config says that there is a header.
    """
    if config.header == "no" or start.has_titles:
        return start, rows, config.header != "no"
    first, body = rows[0] if rows else [""], rows[1:]
    is_named = is_header(first, body)
    lines = list(lines_of(start.skipped)) if start.has_comments and rows else []
    names = _names_in(lines, rows, start.delimiter, dialect)
    is_sure = config.header == "yes" or any(vote > 0 for vote in _votes(first, body)) or any(map(kind_of, names))
    if not names or (is_named and is_sure):
        return start, rows, is_named or config.header == "yes"
    notes = ("the last comment line names the columns",)
    return replace(start, skipped="".join(lines[:-1]), notes=notes), [names, *rows], True


def _names_in(comments: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str, dialect: Dialect) -> list[str]:
    """The columns' names, of which the last comment line has one each; empty where it is prose, or has none.

    Prose has colons, or blanks behind commas where the rows have none. Other comments that are cut as the rows are
    speak for rows that were commented out, and a name that the first row has, too, for a header there.
    """
    cut = [sample_rows(line, delimiter, True, dialect) for line in comments]
    as_rows = [cells[0] for cells in cut if len(cells) == 1 and len(cells[0]) == len(rows[0]) > 1]
    if len(as_rows) != 1 or cut[-1] != as_rows:
        return []
    names = [as_rows[0][0].removeprefix("#").strip(), *as_rows[0][1:]]
    has_blanks, *others = [any(cell.startswith(" ") for cell in row[1:]) for row in (names, *rows)]
    is_prose = (delimiter == "," and has_blanks and not any(others)) or any(re.search(":(?: |//|$)", n) for n in names)
    is_again = any(name.strip().lower() == cell.strip().lower() for name, cell in zip(names, rows[0], strict=True))
    is_whole = all(names) and len(set(names)) == len(names)
    return names if is_whole and not is_prose and not is_again and is_header(names, rows) else []


def _with_other_header(shape: CsvShape, rows: Sequence[Sequence[str]], text: str, dialect: Dialect) -> CsvShape:
    """Rows with one cell more than the header: a first column without a name (as R writes), or an empty last one."""
    n_names, body = len(shape.first), rows[1:]
    if n_names < 2 or not body or any(len(row) != n_names + 1 for row in body):
        return shape
    line = next(lines_of(text))
    is_one_line = sample_rows(line, shape.delimiter, True, dialect) == [list(shape.first)]
    if not is_one_line or (shape.has_single_quotes and dialect != "single"):
        return shape
    is_trailing = all(not row[-1] for row in body)
    given = frozenset(shape.first)
    names = (*shape.names, _free_name(n_names + 1, given)) if is_trailing else (_free_name(1, given), *shape.names)
    what = "the rows end in a delimiter" if is_trailing else "the header lacks the name of the first column"
    return replace(
        shape,
        names=names,
        n_skipped_bytes=shape.n_skipped_bytes + len(line.encode()),
        is_header_skipped=True,
        notes=(*shape.notes, what),
    )


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

    Each column votes. For a header: the body is typed (numbers, dates, times, booleans) under a name that is not so
    typed (and is no word for null); or the name is empty over numbers that count the rows. Against: the name is typed
    as the body is, but for names that are years, or that count on, beside names of words. One vote for it decides, or
    names that count all columns (0, 1, 2, as pandas does) where the body is of other kinds; else one against. Where no
    column votes, as in a table of words, the row is a header unless its cells are typed (but over words alone), come
    again in their own columns all of them, or come again in the row and below it. Rows that are the first one again, as
    in files that were put together, have no vote.
    """
    votes = _votes(first, body)
    if any(vote > 0 for vote in votes):
        return True
    if any(vote < 0 for vote in votes):
        return False
    others, columns = _below(first, body)
    names = [(cell, values) for cell, values in zip(first, columns, strict=True) if not _is_null(cell)]
    if not names or len(others) < len(body):
        return False
    if all(kind_of(cell) for cell, _ in names):
        return len(names) > 1 and len(others) > 1 and all(map(_are_words, columns))
    comes_again = [cell in values for cell, values in names]
    is_twice = len({cell for cell, _ in names}) < len(names)
    return not all(comes_again) and not (is_twice and (any(comes_again) or not body))


def _below(first: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[list[Sequence[str]], list[list[str]]]:
    """The rows below that are not the first one again, and their columns."""
    others = [row for row in body if list(row) != list(first)]
    return others, [[row[i] for row in others if i < len(row)] for i in range(len(first))]


def _votes(first: Sequence[str], body: Sequence[Sequence[str]]) -> list[int]:
    """Each column's vote for the first row as a header, or against it; names that count all columns have one more."""
    _, columns = _below(first, body)
    has_words = any(cell.strip() and not kind_of(cell) for cell in first)
    counting = _counting(first) if has_words else set()
    votes = [
        _vote(i, cell, values, has_words=has_words, is_counting=i in counting)
        for i, (cell, values) in enumerate(zip(first, columns, strict=True))
    ]
    return [*votes, int(_counts_columns(first, columns))]


def _vote(place: int, name: str, values: Sequence[str], *, has_words: bool, is_counting: bool) -> int:
    values = [value for value in values if not _is_null(value)]
    if not name.strip():
        return int(place == 0 and _counts_rows(values))
    kinds, kind = {kind_of(value) for value in values}, kind_of(name)
    if _is_null(name) or not values:
        return -int(bool(kind) and not YEAR.fullmatch(name) and not _is_null(name))
    if not kind:
        return int("" not in kinds)
    if "" in kinds:
        return 0
    if kind == "date" and kinds <= {"int", "float"}:
        return 1
    is_year = kind == "int" and YEAR.fullmatch(name) and not all(YEAR.fullmatch(value) for value in values)
    return 0 if has_words and (is_year or is_counting) else -1


def _counting(first: Sequence[str]) -> set[int]:
    """Places of cells that count on: 1, 2, 3, three at least."""
    places: set[int] = set()
    for i in range(len(first) - 2):
        part = first[i : i + 3]
        if all(re.fullmatch("0|[1-9][0-9]{0,5}", cell) for cell in part):
            a, b, c = map(int, part)
            places |= {i, i + 1, i + 2} if b - a == c - b == 1 else set()
    return places


def _counts_columns(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether names are the numbers of their columns, from 0, over a column of words or over no integers at all."""
    if len(first) < 2 or list(first) != [str(i) for i in range(len(first))] or not all(columns):
        return False
    has_integers = any(kind_of(value) == "int" for values in columns for value in values)
    return not has_integers or any(len(values) > 1 and _are_words(values) for values in columns)


def _are_words(values: Sequence[str]) -> bool:
    """Whether there are values, and all of them are words."""
    kinds = {kind_of(value) for value in values if not _is_null(value)}
    return kinds == {""}


def _counts_rows(values: Sequence[str]) -> bool:
    """Whether values number the rows, from 0 or from 1."""
    return bool(values) and all(values[i] == str(i + int(values[0] == "1")) for i in range(len(values)))


def _is_null(cell: str) -> bool:
    return cell.strip().lower() in _NULL_WORDS


def _set_delimiter(config: TextConfig) -> str:
    return "" if config.delimiter == "auto" else config.delimiter.replace("\\t", "\t")
