"""Text files become staged Parquet: each is read once, and no later stage opens the text again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import pyarrow as pa

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.config import ColumnType, TextConfig
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.leaves import Leaf, batch_leaves, path_of, schema_leaves
from lakebed.connectors.lake.text.csv_lines import CsvLook, CsvReader, RowTooLong, dialects_to_try, is_over_lines
from lakebed.connectors.lake.text.csv_quotes import Dialect, OddQuotes
from lakebed.connectors.lake.text.encodings import SAMPLE_BYTES, guess_encoding
from lakebed.connectors.lake.text.json_exact import NotOneALine
from lakebed.connectors.lake.text.json_lines import JsonReader
from lakebed.connectors.lake.text.model import ColumnKind, TextFormat, TextScan
from lakebed.connectors.lake.text.profile import ColumnProfile, UncastableCell, Unsettled
from lakebed.connectors.lake.text.shapes import Shape
from lakebed.connectors.lake.text.staged import StagedWriter
from lakebed.connectors.lake.text.stream import BLOCK_BYTES, EncodingError, TextStream

MAX_ROW_BYTES = 1 << 28
T = TypeVar("T")


def scan_text_file(
    root: str,
    path: str,
    format: TextFormat,
    out_path: str,
    config: TextConfig,
    type_overrides: Mapping[str, ColumnType],
) -> TextScan:
    """Reads a text file once, in bounded memory, and writes its values as Parquet.

    Args:
        root: of the lake.
        path: of the file, relative to the root; `.gz` at its end means gzip.
        format: `csv` (any delimiter) or `json` (one object a line).
        out_path: of the staged file, absolute; appears only when it is whole.
        config: how text is read.
        type_overrides: column name, or token of a leaf → type.

    Raises:
        SourceError: if the file cannot be read as such a table.
        ArtifactError: if the staged file cannot be written.
        ConfigError: if the config's encoding or delimiter is none.
    """
    config = config.of(path)
    scan = _scan_csv if format == "csv" else _scan_json
    try:
        found, said = in_its_encoding(
            root, path, config, lambda config: scan(root, path, out_path, config, type_overrides)
        )
    except UncastableCell as error:
        raise _uncastable(path, error) from error
    return replace(found, notes=(said, *found.notes)) if said else found


def in_its_encoding(root: str, path: str, config: TextConfig, read: Callable[[TextConfig], T]) -> tuple[T, str]:
    """What `read` finds in a text file, and what is to be said of its encoding; empty where it is the config's.

    A file that is no UTF-8, though it should be, is read by the encoding that charset-normalizer is most sure of.

    Raises:
        SourceError: what `read` raises; the first error where no other encoding makes it right.
    """
    try:
        return read(config), ""
    except EncodingError as error:
        guess = guess_encoding(_odd_lines(root, path)) if config.encoding == "utf-8" else None
        if guess is None:
            raise
        try:
            found = read(config.model_copy(update={"encoding": guess.encoding}))
        except SourceError:
            raise error from None
        said = f"read as {guess.encoding}, since it is not UTF-8 (charset-normalizer, {guess.confidence:.0%} sure)"
        return found, said


def _odd_lines(root: str, path: str) -> bytes:
    """The first lines with bytes beyond ASCII, up to a mebibyte."""
    lines = bytearray()
    with TextStream(root, path, "utf-8") as stream:
        while len(lines) < SAMPLE_BYTES and (block := stream.read(BLOCK_BYTES)):
            lines += b"\n".join(line for line in block.split(b"\n") if not line.isascii()) + b"\n"
    return bytes(lines[:SAMPLE_BYTES])


def _scan_csv(root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType]) -> TextScan:
    return in_its_dialect(_CsvJob(root, path, out_path, config, overrides).scan)


def in_its_dialect(read: Callable[[Dialect, bool, CsvLook], T]) -> T:
    """Reads by RFC 4180; where the file breaks it, by the first other dialect that all of the file fits.

    Args:
        read: by a dialect, sure of it or not, noting what the file looks like.

    Raises:
        SourceError: what `read` raises by RFC 4180, where no dialect fits.
    """
    look = CsvLook()
    try:
        return read("rfc", False, look)
    except OddQuotes as odd:
        if look.delimiter == "|" and is_over_lines(odd):
            return _between_bars(read, look)
        for dialect in dialects_to_try(look.delimiter, odd, has_single_quotes=look.has_single_quotes):
            try:
                return read(dialect, True, look)
            except SourceBusyError:
                raise
            except (OddQuotes, SourceError):
                continue
        if is_over_lines(odd):
            return read("rfc", True, look)
        raise odd.error from odd
    except SourceError as error:
        if isinstance(error, SourceBusyError) or not look.has_single_quotes:
            raise
        try:
            return read("single", True, look)
        except SourceBusyError:
            raise
        except (OddQuotes, SourceError):
            raise error from None


def _between_bars(read: Callable[[Dialect, bool, CsvLook], T], look: CsvLook) -> T:
    """Reads what fits RFC 4180 with cells over several lines: by it, or without quoting, each line as a row.

    Lines of a cell seem to be rows where they hold as many bars, but hardly where rows have their numbers. So each
    line is a row only if there are columns of numbers, and each of them stays one.
    """
    try:
        read("none", True, look)
    except SourceBusyError:
        raise
    except (OddQuotes, SourceError):
        return read("rfc", True, look)
    by_lines = look.numbers()
    found = read("rfc", True, look)
    numbers = look.numbers()
    return read("none", True, look) if numbers and numbers <= by_lines else found


@dataclass
class _CsvJob:
    """One CSV file on its way to Parquet, tried by several dialects."""

    root: str
    path: str
    out_path: str
    config: TextConfig
    overrides: Mapping[str, ColumnType]
    is_thorough: bool = False

    def scan(self, dialect: Dialect, is_sure: bool, look: CsvLook) -> TextScan:
        """Reads the file once.

        Raises:
            OddQuotes, SourceError: as `CsvReader`.
        """
        block_bytes = BLOCK_BYTES
        while True:
            try:
                return self._scan_blocks(dialect, block_bytes, is_sure, look)
            except Unsettled:
                self.is_thorough = True
            except RowTooLong as error:
                # rows longer than a block are rare enough to begin again for them
                block_bytes *= 8
                if block_bytes > MAX_ROW_BYTES:
                    raise _too_long(self.path) from error

    def _scan_blocks(self, dialect: Dialect, block_bytes: int, is_sure: bool, look: CsvLook) -> TextScan:
        with TextStream(self.root, self.path, self.config.encoding) as stream:
            reader = CsvReader(stream, self.config, block_bytes, dialect, is_sure=is_sure)
            look.note(reader)
            leaves = schema_leaves(reader.schema)
            profiles = _profiles(
                leaves, ["csv"] * len(leaves), self.overrides, self.path, self.config, self.is_thorough
            )
            n_rows, staged_bytes = _stage(reader.batches(), reader.schema, profiles, leaves, self.out_path)
            return TextScan(
                self.path,
                "csv",
                n_rows,
                stream.n_bytes,
                tuple(profile.finish() for profile in profiles),
                reader.schema,
                staged_bytes,
                reader.shape.delimiter,
                reader.shape.has_header,
                (*stream.notes, *reader.notes),
            )


def _scan_json(
    root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType]
) -> TextScan:
    is_lines, is_thorough, first = True, False, None
    while True:
        try:
            with TextStream(root, path, config.encoding) as stream, JsonReader(stream, is_lines=is_lines) as reader:
                leaves = schema_leaves(reader.schema)
                kinds = [_kind(reader.shape, leaf) for leaf in leaves]
                profiles = _profiles(leaves, kinds, overrides, path, config, is_thorough)
                n_rows, staged_bytes = _stage(reader.batches(), reader.schema, profiles, leaves, out_path)
                columns = tuple(profile.finish() for profile in profiles)
                notes = (*stream.notes, *(() if is_lines else ("objects over several lines, or in one array",)))
                return TextScan(path, "json", n_rows, stream.n_bytes, columns, reader.schema, staged_bytes, notes=notes)
        except Unsettled:
            is_thorough = True
        except NotOneALine as error:
            if not is_lines:
                raise (first or error).args[0] from None
            is_lines, first = False, error


def _stage(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    profiles: Sequence[ColumnProfile],
    leaves: Sequence[Leaf],
    out_path: str,
) -> tuple[int, int]:
    """Write and profile the rows; returns their number and the staged file's bytes."""
    n_rows = 0
    with StagedWriter(out_path, schema) as writer:
        for batch in batches:
            alive()
            writer.write(batch)
            n_rows += batch.num_rows
            for profile, cells in zip(profiles, batch_leaves(batch, leaves).values(), strict=True):
                profile.add(cells.values)
    return n_rows, writer.n_bytes


def _profiles(
    leaves: Sequence[Leaf],
    kinds: Sequence[ColumnKind],
    overrides: Mapping[str, ColumnType],
    path: str,
    config: TextConfig,
    is_thorough: bool,
) -> list[ColumnProfile]:
    """A profile for each leaf, with the type that the config gives by the leaf's token or its column's name.

    Raises:
        SourceError: if the config gives a type to a column that a CSV file lacks.
    """
    names = {leaf.token: leaf.path[0] for leaf in leaves}
    unknown = [name for name in overrides if name not in names and name not in names.values()]
    # objects of JSON lines may lack a key in one file of several
    if unknown and "csv" in kinds:
        raise SourceError(
            f"{path} has no column {unknown[0]!r}, for which the config gives a type",
            value=unknown[0],
            expected=", ".join(map(str, list(names.values())[:8])),
            hint="mend the column's name under `lake.text.types`",
        )
    given = [overrides.get(leaf.token) or overrides.get(str(leaf.path[0])) for leaf in leaves]
    is_canonical = config.renderings == "canonical"
    return [
        ColumnProfile(leaf.token, kind, type_, is_canonical=is_canonical, is_thorough=is_thorough)
        for leaf, kind, type_ in zip(leaves, kinds, given, strict=True)
    ]


def _kind(shape: Shape, leaf: Leaf) -> ColumnKind:
    """What a JSON leaf holds."""
    for name in leaf.path:
        shape = dict(shape.members)[str(name)]
    return cast("ColumnKind", "int" if shape.kind == "bigint" else shape.kind)


def _uncastable(path: str, error: UncastableCell) -> SourceError:
    return SourceError(
        f"{path}: data row {error.row + 1} of column {path_of(error.token)[0]!r} is no {error.type}",
        value=repr(error.cell),
        expected=f"{error.type} in every row, because the config says so",
        hint="mend the row, or the type under `lake.text.types`",
    )


def _too_long(path: str) -> SourceError:
    return SourceError(
        f"a row of {path} is longer than {MAX_ROW_BYTES >> 20} MiB",
        value="most often a quote that is never closed",
        expected="rows that fit into memory",
        hint="mend the quote, or leave the file out with `lake.exclude`",
    )
