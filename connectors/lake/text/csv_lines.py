"""Reads CSV in blocks, every column as strings.

An unquoted cell that is one of the config's null words is null; a quoted one is a string, the empty string included.
Rows without any cell (blank lines) are no rows, except in a table of one column, where a blank line after the first
row is a cell: it is null. Row 1 of messages is the file's first row, the header if it has one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.no_table import is_json_lines
from lakebed.connectors.lake.text.csv_quotes import WORDS, CheckedText, Dialect, OddQuotes, other_dialects
from lakebed.connectors.lake.text.sniff import SAMPLE_BYTES, CsvShape, sniff_csv
from lakebed.connectors.lake.text.stream import TextStream, encoding_error

_NUMBER = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"


class RowTooLong(Exception):
    """A row that does not fit into a block; reading again with larger blocks may help."""


@dataclass
class CsvLook:
    """What a file looks like by RFC 4180, which tells the other dialects to try.

    Attributes:
        delimiter: between cells.
        has_single_quotes: whether cells in single quotes hold the delimiter.
        kinds: by place of a column, whether it holds numbers, and whether words; of the last reader that was sure.
    """

    delimiter: str = ","
    has_single_quotes: bool = False
    kinds: dict[int, tuple[bool, bool]] = field(default_factory=dict)

    def note(self, reader: "CsvReader") -> None:
        """What a reader has found; what it will find of the columns is seen as it reads."""
        self.delimiter = reader.shape.delimiter
        self.has_single_quotes = reader.dialect == "rfc" and reader.shape.has_single_quotes
        self.kinds = reader.kinds

    def numbers(self) -> set[int]:
        """Places of the columns that hold numbers and no words."""
        return {place for place, kinds in self.kinds.items() if kinds == (True, False)}


class CsvReader:
    """The rows of one CSV file.

    Args:
        stream: at its beginning.
        config: how text is read.
        block_bytes: how much is parsed at once; no row can be longer.
        dialect: how its cells are quoted.

    Raises:
        SourceError: if the file has no rows at all.
    """

    def __init__(
        self,
        stream: TextStream,
        config: TextConfig,
        block_bytes: int,
        dialect: Dialect = "rfc",
        *,
        is_sure: bool = True,
    ) -> None:
        self._stream, self._config, self._block_bytes = stream, config, block_bytes
        self.dialect, self._is_sure = dialect, is_sure
        self.kinds: dict[int, tuple[bool, bool]] = {}
        sample = stream.peek(SAMPLE_BYTES)
        n_blank = len(sample) - len(sample.lstrip(b"\r\n"))
        stream.skip(n_blank)
        if not sample.strip():
            raise _empty(stream)
        if config.delimiter == "auto" and is_json_lines(sample):
            raise SourceError(f"{stream.path} is no CSV file", value="JSON lines", hint="call it .jsonl")
        self.shape: CsvShape = sniff_csv(sample[n_blank:], stream.is_at_end, stream.path, config, dialect)
        stream.skip(self.shape.n_skipped_bytes)
        self._text = CheckedText(stream, self.shape.delimiter, dialect, n_blank + self.shape.n_skipped_bytes)
        self.schema = pa.schema([pa.field(name, pa.string()) for name in self.shape.names])
        self._ragged: csv.InvalidRow | None = None
        self.n_comments = self.n_ragged = 0

    @property
    def notes(self) -> list[str]:
        """What is said of how the file was read, where it is not plain; complete when it is read."""
        notes = list(self.shape.notes)
        if self.dialect != "rfc":
            notes.append(f"quoting: {WORDS[self.dialect]}")
        if self.n_comments:
            notes.append(f"{self.n_comments} comment lines left out")
        if self.n_ragged:
            notes.append(f"{self.n_ragged} ragged rows left out, as `lake.text.ragged` says")
        return notes

    @property
    def n_quotes(self) -> int:
        """Quotation marks in what was read below a header that was skipped."""
        return self._text.n_quotes

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows below the header, in order.

        Raises:
            SourceError: for a row with too many or too few cells, or bytes that are no text.
            OddQuotes: for quotes that break the dialect's rule.
            RowTooLong: for a row that is longer than a block.
        """
        try:
            is_first = self.shape.has_header and not self.shape.is_header_skipped
            for batch in self._open() if self._has_rows() else ():
                rows = batch.slice(1) if is_first else batch
                is_first = False
                self._look_at(rows)
                yield pa.RecordBatch.from_arrays(rows.columns, schema=self.schema)
            self._check_dialect()
        except pa.ArrowInvalid as error:
            raise self._error(error) from error

    def _look_at(self, rows: pa.RecordBatch) -> None:
        """Notes what the columns between bars hold, where another dialect may fit too."""
        if not self._is_sure or self.shape.delimiter != "|":
            return
        for place, cells in enumerate(rows.columns):
            has_numbers, has_words = self.kinds.get(place, (False, False))
            if not has_words:
                found = pc.unique(pc.match_substring_regex(cells, _NUMBER)).to_pylist()
                self.kinds[place] = has_numbers or True in found, False in found

    def _has_rows(self) -> bool:
        """Whether anything is left behind a header that was skipped."""
        return not self.shape.is_header_skipped or bool(self._stream.peek(1).strip())

    def _check_dialect(self) -> None:
        """A dialect needs its evidence; a TSV whose quoted cells run over lines may have no quoting at all."""
        if self.dialect == "backslash" and not self._text.n_escapes:
            raise self._odd("quotes that fit no rule")
        if self.dialect == "rfc" and not self._is_sure and self._text.has_line_breaks:
            raise self._odd("a quoted cell over several lines")

    def _odd(self, why: str) -> OddQuotes:
        return OddQuotes(self._stream.path, 1, why, b"")

    def _open(self) -> csv.CSVStreamingReader:
        # names that cannot repeat: Arrow finds a column's type by its name
        names = [str(n) for n in range(len(self.shape.names))]
        quotes: dict[str, str | bool] = {"none": False, "single": "'"}
        return csv.open_csv(
            pa.PythonFile(self._text, mode="r"),
            read_options=csv.ReadOptions(use_threads=False, block_size=self._block_bytes, column_names=names),
            parse_options=csv.ParseOptions(
                delimiter=self.shape.delimiter,
                quote_char=quotes.get(self.dialect, '"'),
                escape_char="\\" if self.dialect == "backslash" else False,
                newlines_in_values=self.dialect != "none",
                ignore_empty_lines=len(names) > 1,
                invalid_row_handler=self._note_ragged,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(self._config.null_values),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _note_ragged(self, row: csv.InvalidRow) -> str:
        if self.shape.comment and row.text.lstrip().startswith(self.shape.comment):
            self.n_comments += 1
            return "skip"
        if self._config.ragged == "skip":
            self.n_ragged += 1
            return "skip"
        self._ragged = self._ragged or row
        return "error"

    def _error(self, error: pa.ArrowInvalid) -> Exception:
        message, path = str(error), self._stream.path
        if self._ragged is not None:
            return _ragged_error(path, self._ragged, self.shape.delimiter)
        if "straddl" in message:
            return RowTooLong(message)
        if "UTF8" in message:
            return encoding_error(path, _where(message))
        return SourceError(f"cannot read {path} as CSV", value=message, hint="check the file, or leave it out")


def is_over_lines(odd: OddQuotes) -> bool:
    """Whether the rule of RFC 4180 holds, but each line may be a row too."""
    return "several lines" in str(odd.args[2])


def dialects_to_try(delimiter: str, odd: OddQuotes, *, has_single_quotes: bool) -> tuple[Dialect, ...]:
    """What to read a file by whose quotes break the rule of RFC 4180."""
    is_broken = not is_over_lines(odd)
    dialects = other_dialects(delimiter, is_broken)
    return (*dialects, "single") if is_broken and has_single_quotes else dialects


def _where(message: str) -> str:
    """Row and column out of Arrow's message, which counts columns from 0."""
    match = re.search(r"column #([0-9]+): Row #([0-9]+)", message)
    return f"row {match[2]}, column {int(match[1]) + 1}: invalid UTF-8" if match else message


def _ragged_error(path: str, row: csv.InvalidRow, delimiter: str) -> SourceError:
    number = "" if row.number is None else f"row {row.number} "
    text = row.text if len(row.text) <= 80 else row.text[:79] + "…"
    return SourceError(
        f"ragged rows in {path}: {number}has {row.actual_columns} cell{'s' * (row.actual_columns != 1)}",
        value=text,
        expected=f"{row.expected_columns} cells, as in row 1 (delimiter {delimiter!r})",
        hint="mend the row, set `lake.text.delimiter` or `lake.text.ragged`, or leave the file out with `lake.exclude`",
    )


def _empty(stream: TextStream) -> SourceError:
    is_nothing = not stream.peek(1)
    return SourceError(
        f"empty file: no header, no rows: {stream.path}" if is_nothing else f"only white space: {stream.path}",
        value=f"{stream.n_bytes} bytes",
        expected="a header or rows",
        hint="leave it out with `lake.exclude`",
    )
