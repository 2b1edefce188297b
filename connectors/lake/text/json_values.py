"""JSON that is not one object a line: an array of objects, or objects with any white space in and between them.

The values are cut out at their brackets and given on as lines, each with the number of the line on which it began.
"""

import re
from collections.abc import Iterator, Sequence

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text.stream import BLOCK_BYTES, TextStream

MAX_VALUE_BYTES = 1 << 28
# a string that is whole, a bracket, a line break, or the quote of a string that is not whole
_TOKEN = re.compile(rb'"(?:[^"\\\n]++|\\.)*+"|[{}\[\]\n"]')
_KINDS = {b"{": "an object", b"[": "an array", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}

Lines = tuple[bytes, Sequence[int]]
"""Whole lines, and the number of each."""


def value_lines(stream: TextStream) -> Iterator[Lines]:
    """The objects of a file as blocks of lines.

    Args:
        stream: at its beginning.

    Raises:
        SourceError: for a value that is no object, one that is not closed, or anything else between them.
    """
    cutter = _Cutter(stream.path)
    lines: list[bytes] = []
    numbers: list[int] = []
    n_bytes = 0
    while block := stream.read(BLOCK_BYTES):
        for number, value in cutter.cut(block):
            lines.append(value)
            numbers.append(number)
            n_bytes += len(value)
            if n_bytes >= BLOCK_BYTES:
                yield b"\n".join(lines) + b"\n", numbers
                lines, numbers, n_bytes = [], [], 0
    cutter.finish()
    if lines:
        yield b"\n".join(lines) + b"\n", numbers


def kind_of(text: bytes) -> str:
    """What a JSON text is, by its first character, as people say it."""
    head = text.lstrip()[:1]
    return _KINDS.get(head, "a number" if head.isdigit() or head == b"-" else "no JSON")


class _Cutter:
    """Cuts objects out of bytes that come in blocks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = b""
        self._place = 0  # from here on nothing has been looked at
        self._gap = 0  # end of the last value
        self._start: int | None = None  # of the open value
        self._line = self._start_line = 1
        self._depth = 0
        self._base = 0  # 1 inside of an array
        self._n_values = 0
        self._is_closed = False

    def cut(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """The values that end in this block, with their first line's number."""
        keep = self._gap if self._start is None else self._start
        self._data = self._data[keep:] + block
        self._place, self._gap = self._place - keep, max(0, self._gap - keep)
        self._start = None if self._start is None else 0
        if len(self._data) > MAX_VALUE_BYTES:
            raise self._error(self._start_line, f"a value is longer than {MAX_VALUE_BYTES >> 20} MiB")
        for token in _TOKEN.finditer(self._data, self._place):
            text, self._place = token[0], token.end()
            if text == b"\n":
                self._line += 1
            elif text in b"{[":
                self._open(token.start(), text)
            elif text in b"}]":
                if value := self._close(token.end(), text):
                    yield self._start_line, value
            elif text == b'"':
                self._place = token.start()
                if b"\n" in self._data[self._place :]:
                    raise self._error(self._line, "a string is not closed")
                return
        self._place = len(self._data)

    def finish(self) -> None:
        """Checks what is left behind the last value.

        Raises:
            SourceError: if anything is.
        """
        if self._start is not None:
            raise self._error(self._start_line, "an object is not closed")
        self._check_gap(len(self._data), is_end=True)
        if self._base and not self._is_closed:
            raise self._error(self._line, "the array is not closed")
        if not self._n_values:
            raise self._error(1, "an empty array" if self._base else "no object")

    def _open(self, place: int, text: bytes) -> None:
        if self._is_closed:
            raise self._error(self._line, f"{kind_of(text)} behind the array")
        if self._depth == self._base and not (self._is_first_bracket and text == b"["):
            self._check_gap(place)
            if text == b"[":
                raise self._error(self._line, "an array instead of an object")
            self._start, self._start_line = place, self._line
        elif self._depth == self._base:
            self._check_gap(place)
            self._base, self._gap = 1, place + 1
        self._depth += 1

    @property
    def _is_first_bracket(self) -> bool:
        return not self._base and not self._n_values

    def _close(self, end: int, text: bytes) -> bytes | None:
        self._depth -= 1
        if self._depth == 0 and self._base and text == b"]" and self._start is None:
            self._check_gap(end - 1, is_end=True)
            self._is_closed, self._gap, self._base = True, end, 1
            return None
        if self._depth < self._base or self._is_closed:
            raise self._error(self._line, f"{text.decode()} closes nothing")
        if self._depth > self._base or self._start is None:
            return None
        value = self._data[self._start : end]
        self._start, self._gap, self._n_values = None, end, self._n_values + 1
        return value.replace(b"\n", b" ")

    def _check_gap(self, end: int, *, is_end: bool = False) -> None:
        """Between values stands a comma inside of an array, and white space elsewhere."""
        between = self._data[self._gap : end]
        gap = between.strip()
        wanted = b"," if self._base and self._n_values and not is_end and not self._is_closed else b""
        if gap == wanted:
            return
        rest = gap.removeprefix(b",").strip()
        if rest:
            line = self._line - between.lstrip().count(b"\n")
            raise self._error(line, f"{kind_of(rest)} instead of an object")
        raise self._error(self._line, "a comma too many" if gap else "no comma between two objects")

    def _error(self, line: int, why: str) -> SourceError:
        return json_error(self._path, line, why)


def json_error(path: str, line: int, why: str) -> SourceError:
    """The error for a line of JSON."""
    return SourceError(
        f"cannot read {path} as JSON: line {line}",
        value=why,
        expected="JSON objects, each key once: one a line, one behind the other, or in one array",
        hint="mend the file, or leave it out with `lake.exclude`",
    )
