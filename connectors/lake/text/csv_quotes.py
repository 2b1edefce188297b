"""How the cells of a CSV file are quoted: checked while it is read, so that nothing is read otherwise without a word.

By RFC 4180 a quote opens a cell at its beginning, a quote inside is doubled, and behind the closing quote comes a
delimiter or the line's end. Arrow's reader lets everything else pass and changes cells, so the bytes are checked. What
breaks the rule is read by another dialect where all of the file fits it, and else refused with its line.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text.stream import TextStream

Dialect = Literal["rfc", "literal", "backslash", "none", "single"]

WORDS: dict[Dialect, str] = {
    "rfc": "quotes doubled inside of quotes",
    "literal": "quotes doubled inside of quotes, and literal ones inside of bare cells",
    "backslash": "quotes escaped by a backslash",
    "none": "no quoting: quotes are characters as all others",
    "single": "single quotes, doubled inside of quotes",
}
# delimiters that words seldom hold, so that files of them are often written without quoting
UNQUOTED = ("\t", "\x01", "|")
_MAX_CELL_BYTES = 1 << 20
_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")


class OddQuotes(Exception):
    """Quotes that break the rule of a dialect."""

    def __init__(self, path: str, line: int, why: str, found: bytes) -> None:
        super().__init__(path, line, why)
        self.error = SourceError(
            f"{why} in {path}, line {line}",
            value=found[:60].decode("utf-8", "replace"),
            expected="cells quoted as RFC 4180 says, or by one other rule throughout",
            hint="mend the quotes, or leave the file out with `lake.exclude`",
        )


def other_dialects(delimiter: str, is_broken: bool) -> tuple[Dialect, ...]:
    """What to try where the rule does not hold: cells between tabs or bars are often written without any quoting.

    Args:
        delimiter: of the file.
        is_broken: False where the rule holds, but a quoted cell between UNQUOTED runs over several lines; of bars,
            `scan.in_its_dialect` weighs both readings.
    """
    if delimiter in ("\t", "\x01"):
        return ("none", "backslash") if is_broken else ("none", "literal")
    if delimiter in UNQUOTED:
        return ("literal", "backslash", "none") if is_broken else ()
    return ("literal", "backslash")


@dataclass
class CheckedText:
    """A text that Arrow's reader takes its bytes from, its quotes counted and checked on the way.

    Args:
        stream: of the file.
        delimiter: between cells.
        dialect: whose rule must hold.
        n_skipped: bytes of the text before.
    """

    stream: TextStream
    delimiter: str
    dialect: Dialect
    n_skipped: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self._n_bytes = 0
        self._is_inside = self._is_open_end = False
        self._last = _NEWLINE
        self._rest = b""
        self._allowed = np.zeros(256, np.bool_)
        self._allowed[[ord(self.delimiter), _NEWLINE, _RETURN, _QUOTE]] = True
        self._cells = _pattern(self.dialect, self.delimiter)
        self.n_escapes = self.n_quotes = 0
        self.has_line_breaks = False

    def readable(self) -> bool:
        """True: part of what Arrow asks of a file."""
        return True

    def close(self) -> None:
        """Nothing: the stream is closed by who opened it."""
        self.closed = True

    def read(self, n_bytes: int = -1) -> bytes:
        """The next bytes.

        Raises:
            OddQuotes: if they break the dialect's rule.
            SourceError: as the stream.
        """
        data = self.stream.read(n_bytes)
        if self.dialect == "rfc":
            self._check_fast(data)
        else:
            self.n_quotes += data.count(b'"')
            if self._cells is not None:
                self._check_cells(data, self._cells)
        return data

    def _check_fast(self, data: bytes) -> None:
        """The rule of RFC 4180 over whole blocks: quotes open and close in turn, each beside what may stand there."""
        if not data:
            if self._is_inside:
                raise self._odd("a quote is never closed", 0, b"")
            return
        if self._is_open_end and not self._allowed[data[0]]:
            raise self._odd("text after a closing quote", 0, data)
        if b'"' in data:
            self._check_quotes(np.frombuffer(data, np.uint8), data)
        else:
            self._is_open_end = False
            self.has_line_breaks |= self._is_inside and b"\n" in data
        self._n_bytes += len(data)
        self._last = data[-1]

    def _check_quotes(self, block: np.ndarray, data: bytes) -> None:
        places = np.flatnonzero(block == _QUOTE)
        self.n_quotes += len(places)
        opening, closing = places[int(self._is_inside) :: 2], places[1 - int(self._is_inside) :: 2]
        ends = closing[:-1] if len(closing) and closing[-1] == len(block) - 1 else closing
        before = block.take(opening - 1, mode="wrap")
        if len(opening) and opening[0] == 0:
            before[0] = self._last
        is_right, is_closed = self._allowed.take(before), self._allowed.take(block.take(ends + 1))
        if not (is_right.all() and is_closed.all()):
            wrong = [int(where[~fits][0]) for where, fits in ((opening, is_right), (ends, is_closed)) if not fits.all()]
            why = "a quote inside of a cell" if min(wrong) in opening else "text after a closing quote"
            raise self._odd(why, min(wrong), data[max(0, min(wrong) - 30) : min(wrong) + 30])
        if self.delimiter in UNQUOTED and not self.has_line_breaks:
            breaks = np.flatnonzero(block == _NEWLINE)
            self.has_line_breaks = bool(((np.searchsorted(places, breaks) + self._is_inside) % 2 == 1).any())
        self._is_open_end = len(ends) < len(closing)
        self._is_inside = (len(places) + self._is_inside) % 2 == 1

    def _check_cells(self, data: bytes, cells: re.Pattern[bytes]) -> None:
        """The rule of another dialect, cell by cell."""
        # the file's end closes the last cell
        text = self._rest + (data or b"\n" if self._rest else data)
        end = cells.match(text).end()  # type: ignore[union-attr] # no cell at all is a match
        self.n_escapes += data.count(b'\\"')
        left = text[end:]
        if left and (not data or self._is_wrong(left) or len(left) > len(data) + _MAX_CELL_BYTES):
            raise self._odd("a quote that fits no rule", end - len(self._rest), left)
        self._n_bytes += len(data)
        self._rest = left

    def _is_wrong(self, left: bytes) -> bool:
        """Whether what the rule did not take cannot become right by more bytes: a bare cell that is over."""
        quote = b"'" if self.dialect == "single" else b'"'
        return bool(left) and not left.startswith(quote) and b"\n" in left

    def _odd(self, why: str, place: int, found: bytes) -> OddQuotes:
        """The error for a place in the block at hand; its line is counted only now."""
        with self.stream.again() as again:
            before = again.read(self.n_skipped + self._n_bytes + place)
        return OddQuotes(self.stream.path, before.count(b"\n") + 1, why, found)


def _pattern(dialect: Dialect, delimiter: str) -> "re.Pattern[bytes] | None":
    """As many whole cells as there are, each with the delimiter or line end behind it."""
    end = rb"(?:%s|\r?\n|\r)" % re.escape(delimiter.encode())
    bare = rb"[^%s\r\n]" % re.escape(delimiter.encode())
    cells = {
        "literal": rb'(?:"(?:[^"]++|"")*+"|(?!")%s*+)' % bare,
        "backslash": rb'(?:"(?:[^"\\]++|\\["\\])*+"|(?:(?!["\\])%s)*+)' % bare,
        "single": rb"(?:'(?:[^']++|'')*+'|(?!')%s*+)" % bare,
    }
    return re.compile(rb"(?:%s%s)*+" % (cells[dialect], end)) if dialect in cells else None


def has_single_quotes(sample: bytes, delimiter: str) -> bool:
    """Whether cells in single quotes hold the delimiter."""
    if b"'" not in sample:
        return False
    d = re.escape(delimiter.encode())
    return bool(re.search(rb"(?m)(?:^|%s)'[^'\n]*%s[^'\n]*'(?:%s|\r?$)" % (d, d, d), sample))
