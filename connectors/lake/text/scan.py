"""Text files become staged Parquet: each is read once, and no later stage opens the text again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import ColumnType, TextConfig
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.leaves import Leaf, batch_leaves, path_of, schema_leaves
from lakebed.connectors.lake.text.csv_lines import CsvReader, RowTooLong
from lakebed.connectors.lake.text.json_exact import NotOneALine
from lakebed.connectors.lake.text.json_lines import JsonReader
from lakebed.connectors.lake.text.model import ColumnKind, TextFormat, TextScan
from lakebed.connectors.lake.text.profile import ColumnProfile, UncastableCell
from lakebed.connectors.lake.text.shapes import Shape
from lakebed.connectors.lake.text.staged import StagedWriter
from lakebed.connectors.lake.text.stream import BLOCK_BYTES, TextStream

MAX_ROW_BYTES = 1 << 28


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
    try:
        scan = _scan_csv if format == "csv" else _scan_json
        return scan(root, path, out_path, config, type_overrides)
    except UncastableCell as error:
        raise _uncastable(path, error) from error


def _scan_csv(root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType]) -> TextScan:
    block_bytes = BLOCK_BYTES
    while True:
        try:
            return _scan_csv_blocks(root, path, out_path, config, overrides, block_bytes)
        except RowTooLong as error:
            # rows longer than a block are rare enough to begin again for them
            block_bytes *= 8
            if block_bytes > MAX_ROW_BYTES:
                raise _too_long(path) from error


def _scan_csv_blocks(
    root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType], block_bytes: int
) -> TextScan:
    with TextStream(root, path, config.encoding) as stream:
        reader = CsvReader(stream, config, block_bytes)
        leaves = schema_leaves(reader.schema)
        profiles = _profiles(leaves, ["csv"] * len(leaves), overrides, path)
        n_rows, staged_bytes = _stage(reader.batches(), reader.schema, profiles, leaves, out_path)
        return TextScan(
            path,
            "csv",
            n_rows,
            stream.n_bytes,
            tuple(profile.finish() for profile in profiles),
            reader.schema,
            staged_bytes,
            reader.shape.delimiter,
            reader.shape.has_header,
        )


def _scan_json(
    root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType]
) -> TextScan:
    try:
        return _scan_objects(root, path, out_path, config, overrides, is_lines=True)
    except NotOneALine as error:
        try:
            return _scan_objects(root, path, out_path, config, overrides, is_lines=False)
        except NotOneALine:
            raise error.args[0] from None


def _scan_objects(
    root: str, path: str, out_path: str, config: TextConfig, overrides: Mapping[str, ColumnType], *, is_lines: bool
) -> TextScan:
    with TextStream(root, path, config.encoding) as stream, JsonReader(stream, is_lines=is_lines) as reader:
        leaves = schema_leaves(reader.schema)
        profiles = _profiles(leaves, [_kind(reader.shape, leaf) for leaf in leaves], overrides, path)
        n_rows, staged_bytes = _stage(reader.batches(), reader.schema, profiles, leaves, out_path)
        columns = tuple(profile.finish() for profile in profiles)
        return TextScan(path, "json", n_rows, stream.n_bytes, columns, reader.schema, staged_bytes)


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
    leaves: Sequence[Leaf], kinds: Sequence[ColumnKind], overrides: Mapping[str, ColumnType], path: str
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
    return [ColumnProfile(leaf.token, kind, type_) for leaf, kind, type_ in zip(leaves, kinds, given, strict=True)]


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
