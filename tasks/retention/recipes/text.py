"""Reads tables of text straight from the lake, with the casts that the inventory chose, and how they are written."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.leaves import LeafArray, batch_leaves, path_of, schema_leaves
from lakebed.connectors.lake.text.csv_lines import CsvReader, RowTooLong
from lakebed.connectors.lake.text.json_exact import NotOneALine
from lakebed.connectors.lake.text.json_lines import JsonReader
from lakebed.connectors.lake.text.renderings import render
from lakebed.connectors.lake.text.scan import MAX_ROW_BYTES, in_its_dialect, in_its_encoding
from lakebed.connectors.lake.text.stream import BLOCK_BYTES, TextStream
from lakebed.connectors.lake.text.types import cast_staged, is_plain_form, timestamp_form
from lakebed.connectors.lake.type_text import column_type
from lakebed.connectors.lake.write import cell_texts
from lakebed.tasks.retention.recipes.model import TextDialect
from lakebed.tasks.retention.recipes.shapes import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lakebed.connectors.lake.config import LakeConfig, TextConfig
    from lakebed.connectors.lake.text.csv_lines import CsvLook
    from lakebed.connectors.lake.text.csv_quotes import Dialect
    from lakebed.connectors.lake.text.model import StagedCast
    from lakebed.connectors.lake.text.shapes import Shape
    from lakebed.tasks.retention.recipes.model import FileRef, TableRef

    _Read = Callable[[LakeConfig, FileRef, TextConfig, "_Seen"], tuple[dict[str, LeafArray], "_Seen"]]

NOT_PLAIN = "a text file that could not be written again as it is"
_HEAD_BYTES = 1 << 16
_RAW_KINDS = {"int", "bigint", "float", "number_text", "json"}


@dataclass
class TextTable:
    """The cells of a table of text, a mapping a file, and its dialect.

    `not_plain` says why it could not be written again byte for byte; empty where it could.
    """

    dialect: TextDialect
    files: list[dict[str, LeafArray]]
    n_rows: list[int]
    not_plain: str = ""

    def batches(
        self, tokens: Sequence[str], constants: Sequence[Mapping[str, pa.Scalar]]
    ) -> Iterator[dict[str, LeafArray]]:
        """The cells of each file; a column that a file lacks is null, a partition column constant."""
        for cells, n_rows, values in zip(self.files, self.n_rows, constants, strict=True):
            yield {
                token: LeafArray(pa.repeat(values[token], n_rows), None)
                if token in values
                else cells.get(token, LeafArray(pa.nulls(n_rows), None))
                for token in tokens
            }

    def schema(self, tokens: Sequence[str]) -> pa.Schema:
        """The columns in the given order, with the types that the casts gave."""
        types: dict[str, pa.DataType] = {}
        for cells in self.files:
            for token, leaf in cells.items():
                if token not in types or pa.types.is_null(types[token]):
                    types[token] = leaf.values.type
        return pa.schema(_fields({path_of(token): types[token] for token in tokens if token in types}))


@dataclass
class _Seen:
    """What the files of a table have shown of their dialect."""

    facts: dict[str, object] = field(default_factory=dict)
    differs: set[str] = field(default_factory=set)
    n_quotes: int = 0
    forms: dict[str, str] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)
    not_plain: str = ""

    def add(self, facts: Mapping[str, object]) -> None:
        """What one more file has shown."""
        self.differs |= {name for name, fact in facts.items() if self.facts.get(name, fact) != fact}
        self.facts |= facts

    def refuse(self, path: str, why: str) -> None:
        """Notes why a file could not be written again; the first reason stays."""
        self.not_plain = self.not_plain or f"{path}: {why}"


def read_text(lake: LakeConfig, ref: TableRef) -> TextTable:
    """Reads all files of a table of text.

    Raises:
        SourceError: if a file cannot be read as such a table.
    """
    config, seen = _pinned(lake.text, ref.dialect), _Seen()
    read = _read_csv if ref.format == "csv" else _read_json
    files = []
    for file in ref.files:
        attempt = partial(_attempt, read, lake, file, seen)
        (cells, seen), _ = in_its_encoding(lake.root, file.path, config.of(file.path), attempt)
        files.append(cells)
    dialect = TextDialect.model_validate(
        {
            **seen.facts,
            "n_quotes": seen.n_quotes if ref.format == "csv" else -1,
            "differs": sorted(seen.differs),
            "null_values": config.null_values,
            "forms": sorted((token, form) for token, form in seen.forms.items() if form),
            "raw": sorted(seen.raw),
        }
    )
    return TextTable(dialect, files, [file.n_rows for file in ref.files], seen.not_plain)


def _attempt(
    read: _Read, lake: LakeConfig, file: FileRef, before: _Seen, config: TextConfig
) -> tuple[dict[str, LeafArray], _Seen]:
    """The cells of a file, and what was seen up to it: what an attempt in another encoding saw does not count."""
    return read(lake, file, config, deepcopy(before))


def _pinned(config: TextConfig, dialect: TextDialect | None) -> TextConfig:
    """The config with what is known of the table's dialect instead of guesses."""
    if dialect is None:
        return config
    known = {"encoding": dialect.encoding, "null_values": dialect.null_values}
    if dialect.delimiter:
        known |= {"delimiter": dialect.delimiter, "header": "yes" if dialect.has_header else "no"}
    return config.model_copy(update=known)


def _read_csv(lake: LakeConfig, file: FileRef, config: TextConfig, seen: _Seen) -> tuple[dict[str, LeafArray], _Seen]:
    return in_its_dialect(_CsvJob(lake, file, config, seen).read)


@dataclass(frozen=True)
class _CsvJob:
    """A CSV file to be read by one dialect after the other; what an attempt saw counts where it succeeds."""

    lake: LakeConfig
    file: FileRef
    config: TextConfig
    before: _Seen

    def read(self, dialect: Dialect, is_sure: bool, look: CsvLook) -> tuple[dict[str, LeafArray], _Seen]:
        """Its cells and what was seen.

        Raises:
            OddQuotes, SourceError: as `CsvReader`.
        """
        block_bytes = BLOCK_BYTES
        while True:
            with TextStream(self.lake.root, self.file.path, self.config.encoding) as stream:
                reader = CsvReader(stream, self.config, block_bytes, dialect, is_sure=is_sure)
                look.note(reader)
                try:
                    return self._read_blocks(stream, reader, is_forced=is_sure and dialect == "rfc")
                except RowTooLong as error:
                    block_bytes *= 8
                    if block_bytes > MAX_ROW_BYTES:
                        raise SourceError(
                            f"a row of {self.file.path} does not fit into memory", value=str(error)
                        ) from error

    def _read_blocks(
        self, stream: TextStream, reader: CsvReader, *, is_forced: bool
    ) -> tuple[dict[str, LeafArray], _Seen]:
        seen, shape, path = deepcopy(self.before), reader.shape, self.file.path
        facts = {
            "delimiter": shape.delimiter,
            "has_header": shape.has_header,
            "names": shape.first if shape.has_header else (),
            "line_end": shape.line_end,
            "quotes_header": shape.quotes_first and shape.has_header,
            "quoted": shape.quoted,
        }
        seen.add(facts | _facts(stream))
        batches = list(reader.batches())
        for note in (*stream.notes, *reader.notes):
            seen.refuse(path, note)
        if is_forced:
            seen.refuse(path, "quoted cells over several lines, where most files have no quoting")
        seen.n_quotes += reader.n_quotes
        return _cells(batches, reader.schema, self.lake, self.file, seen), seen


def _read_json(lake: LakeConfig, file: FileRef, config: TextConfig, seen: _Seen) -> tuple[dict[str, LeafArray], _Seen]:
    try:
        return _read_objects(lake, file, config, deepcopy(seen), is_lines=True)
    except NotOneALine as error:
        seen.refuse(file.path, "its objects lie over several lines, or in one array")
        try:
            return _read_objects(lake, file, config, seen, is_lines=False)
        except NotOneALine:
            raise error.args[0] from None


def _read_objects(
    lake: LakeConfig, file: FileRef, config: TextConfig, seen: _Seen, *, is_lines: bool
) -> tuple[dict[str, LeafArray], _Seen]:
    with TextStream(lake.root, file.path, config.encoding) as stream:
        head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        with JsonReader(stream, is_lines=is_lines) as reader:
            leaves = schema_leaves(reader.schema)
            seen.raw |= {leaf.token for leaf in leaves if _kind(reader.shape, leaf.path) in _RAW_KINDS}
            seen.add(_facts(stream) | {"line_end": "\r\n" if b"\r\n" in head else "\n"})
            seen.facts["omits_nulls"] = bool(seen.facts.get("omits_nulls", True)) and b"null" not in head
            return _cells(list(reader.batches()), reader.schema, lake, file, seen, is_json=True), seen


def _cells(
    batches: Sequence[pa.RecordBatch],
    schema: pa.Schema,
    lake: LakeConfig,
    file: FileRef,
    seen: _Seen,
    *,
    is_json: bool = False,
) -> dict[str, LeafArray]:
    leaves = schema_leaves(schema, lake.ignore_column_case)
    casts = cast("dict[str, StagedCast]", dict(file.casts))
    result: dict[str, LeafArray] = {}
    parts: dict[str, list[LeafArray]] = defaultdict(list)
    for batch in batches:
        for token, cells in batch_leaves(batch, leaves).items():
            parts[token].append(cells)
    for leaf in leaves:
        whole = joined(parts[leaf.token], leaf.type)
        rule = casts.get(leaf.token, "")
        values = _typed(whole.values, rule)
        if whole.values.null_count < len(whole.values):
            form, is_written = _form(whole.values, values, rule, is_json=is_json)
            if not is_written or seen.forms.setdefault(leaf.token, form) != form:
                seen.refuse(file.path, f"column {path_of(leaf.token)[0]} is text that was typed by a rendering")
        result[leaf.token] = LeafArray(values, whole.null_depth)
    return result


def _form(cells: pa.Array, values: pa.Array, rule: StagedCast, *, is_json: bool) -> tuple[str, bool]:
    """The form in which the cells of a file, some of them filled, are written, and whether it gives them all."""
    if ":" in rule:
        written = render(values, rule)
        return rule, written is not None and written.equals(cells.cast(written.type))
    form = timestamp_form(cells.drop_null()[0].as_py()) if rule == "timestamp" else ""
    if is_json and rule in ("date", "timestamp"):
        return form, cell_texts(values, form).equals(cells)
    # the writer of recipes knows one rendering of the other types
    return form, not form or is_plain_form(form)


def _typed(values: pa.Array, rule: StagedCast) -> pa.Array:
    if pa.types.is_null(values.type):
        return values.cast(column_type(rule)) if rule not in ("", "json") else values
    return cast_staged(values, rule)


def _kind(shape: Shape, path: Sequence[str | int]) -> str:
    for name in path:
        shape = dict(shape.members)[str(name)]
    return shape.kind


def _facts(stream: TextStream) -> dict[str, object]:
    return {"encoding": stream.encoding, "has_byte_order_mark": stream.has_mark}


def _fields(types: Mapping[tuple[str | int, ...], pa.DataType]) -> list[pa.Field]:
    """Fields in order of appearance; paths of several names become structs, occurrences of a name come again."""
    fields: dict[tuple[str | int, ...], dict[tuple[str | int, ...], pa.DataType] | pa.DataType] = {}
    for path, type_ in types.items():
        n_steps = 2 if len(path) > 1 and isinstance(path[1], int) else 1
        step, rest = path[:n_steps], path[n_steps:]
        if rest:
            members = fields.setdefault(step, {})
            if isinstance(members, dict):
                members[rest] = type_
        else:
            fields[step] = type_
    return [
        pa.field(str(step[0]), pa.struct(_fields(held)) if isinstance(held, dict) else held)
        for step, held in fields.items()
    ]
