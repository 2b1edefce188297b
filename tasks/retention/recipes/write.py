"""Writes a rebuilt table in its own format, then reads it as lakebed reads any table and compares."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.delta import open_table
from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.delta_metadata import delta_traits, write_delta
from lakebed.connectors.lake.footer import parquet_traits, write_parquet
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.write import (
    TextStyle,
    csv_text,
    json_text,
    parquet_bytes,
    split_rows,
    text_bytes,
)
from lakebed.connectors.places import temporary_prefix
from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.retention.recipes.attempt import one_line
from lakebed.tasks.retention.recipes.digest import RowDigest, digest_like, strict_hashes
from lakebed.tasks.retention.recipes.files import (
    partitions_of,
    require_like_files,
    unfilled,
    write_streamed_files,
)
from lakebed.tasks.retention.recipes.metadata import require_metadata, write_metadata
from lakebed.tasks.retention.recipes.model import Refusal
from lakebed.tasks.retention.recipes.reader import StreamReader, TableReader, table_traits
from lakebed.tasks.retention.recipes.rebuild import compare, compare_digest, rebuild
from lakebed.tasks.retention.recipes.refs import observe_again
from lakebed.tasks.retention.recipes.row_numbers import read_rows
from lakebed.tasks.retention.recipes.shapes import assembled, schema_from_text
from lakebed.tasks.retention.recipes.streams import (
    digest_stream,
    is_streamed,
    rebuilt_cells,
    rebuilt_digest,
    require_parents,
)
from lakebed.tasks.retention.recipes.traits import Traits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lakebed.connectors.lake.footer import ParquetTraits
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import FileRef, Recipe, TableRef


def write_rebuilt(context: RecipeContext, recipe: Recipe, destination: str) -> tuple[str, ...]:
    """Rebuilds the child and writes it below `destination`, under the paths that it had below the lake root.

    What was written is read back as a table of a lake at `destination`: its strict digest must be the child's.

    Args:
        context: the lake that holds the parents.
        recipe: of the child.
        destination: a folder or prefix; the lake root itself, or one beside it.

    Returns: the paths of the files written, relative to `destination`.

    Raises:
        PlanError: if a parent has moved, something lies at one of the paths, or what was written reads otherwise; then
            it is removed again.
        SourceError: if a parent cannot be read.
    """
    if is_streamed(context, recipe):
        require_parents(context, recipe)
        return _written(context, recipe, destination, partial(_write_stream, context))
    table = rebuild(context, recipe)
    _require_equal(compare(recipe, table, context))
    return write_table_as(context, recipe, table, destination)


def _require_equal(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise PlanError("the rebuilt table differs from the original", value=refusal.reason, hint="lakebed plan")


def write_table_as(context: RecipeContext, recipe: Recipe, table: pa.Table, destination: str) -> tuple[str, ...]:
    """Writes rows that were rebuilt already, reads them back and compares.

    Args:
        context: the lake that holds the parents.
        recipe: of the child.
        table: what `rebuild` gave.
        destination: as for `write_rebuilt`.

    Returns, Raises: as `write_rebuilt`.
    """
    return _written(context, recipe, destination, partial(_write_table, context, table))


def _written(
    context: RecipeContext, recipe: Recipe, destination: str, write: Callable[[Recipe, str], object]
) -> tuple[str, ...]:
    """What `write` has written below a free place, read back and compared; removed again where that fails."""
    child, storage = recipe.child, Storage.at(destination, PlanError)
    _require_free(child, storage)
    try:
        write(recipe, destination)
        _compare(context, recipe, destination)
    except BaseException:
        _remove(child, storage)
        raise
    if child.is_folder:
        return tuple(file.path for file in storage.list_files(child.path))
    return tuple(file.path for file in child.files)


def _write_table(context: RecipeContext, table: pa.Table, recipe: Recipe, destination: str) -> None:
    if recipe.child.format == "delta":
        _write_delta(recipe, table, destination)
        return
    storage = Storage.at(destination, PlanError)
    _write_files(recipe, table, storage)
    if recipe.child.format == "iceberg":
        write_metadata(context, recipe, storage)


def _write_stream(context: RecipeContext, recipe: Recipe, destination: str) -> None:
    """Rebuilds and writes batch by batch; the rows are compared as they pass.

    Raises:
        PlanError: if they are not the child's.
    """
    schema, digests = schema_from_text(recipe.child.schema_ipc), list[RowDigest]()

    def batches() -> Iterator[pa.Table]:
        digests.append(digest := RowDigest(context.key))
        for cells in rebuilt_cells(context, recipe, lambda stored: read_rows(context.folder, stored)):
            digest.add(strict_hashes(cells, context.key))
            yield assembled(schema, cells, context.lake.ignore_column_case)

    if recipe.child.format == "delta":
        plain = (batch for table in batches() for batch in table.combine_chunks().to_batches())
        _write_delta(recipe, pa.RecordBatchReader.from_batches(schema, plain), destination)
    else:
        storage = Storage.at(destination, PlanError)
        write_streamed_files(recipe, batches, storage)
        if recipe.child.format == "iceberg":
            write_metadata(context, recipe, storage)
    for digest in digests:
        _require_equal(compare_digest(recipe, digest.of(schema)))


def verify(context: RecipeContext, recipe: Recipe) -> Refusal | None:
    """Rebuilds the child, compares, writes it to a temporary folder and compares again; None where all is equal.

    Of large tables the traits alone are written, without rows.

    Raises: as `rebuild`.
    """
    if is_streamed(context, recipe):
        return _verify_stream(context, recipe)
    table = rebuild(context, recipe)
    if refusal := compare(recipe, table, context):
        return refusal
    try:
        rehearse(context, recipe, table)
    except LakeError as error:
        return Refusal(code="cannot_be_written", reason=one_line(error))
    return None


def _verify_stream(context: RecipeContext, recipe: Recipe) -> Refusal | None:
    require_parents(context, recipe)
    found = rebuilt_digest(context, recipe, lambda stored: read_rows(context.folder, stored))
    if refusal := compare_digest(recipe, found):
        return refusal
    try:
        if recipe.traits is not None:
            require_traits(recipe.traits, schema_from_text(recipe.child.schema_ipc), recipe.child.name)
        require_like_files(recipe)
        require_metadata(context, recipe)
    except LakeError as error:
        return Refusal(code="cannot_be_written", reason=one_line(error))
    return None


def rehearse(context: RecipeContext, recipe: Recipe, table: pa.Table) -> None:
    """Writes a rebuilt table to a temporary folder and reads it: what is deleted must be possible to write again.

    Raises:
        PlanError, ConfigError: if it cannot be written, or reads otherwise, rows or traits.
    """
    with tempfile.TemporaryDirectory(prefix=temporary_prefix("recipe")) as folder:
        write_table_as(context, recipe, table, folder)


def require_traits(traits: Traits, schema: pa.Schema, table: str) -> None:
    """The same for the traits alone, without rows: cheap, whatever the size of the table.

    Args:
        traits: of the table.
        schema: its own, which matters for Delta only.
        table: its name.

    Raises:
        PlanError: naming a trait that a new table would not have.
    """
    for footer in traits.footers:
        data = write_parquet(footer.arrow_schema.empty_table(), footer)
        written = Traits(footers=(parquet_traits(pa.BufferReader(data)),), footer_of=(0,))
        Traits(footers=(footer,), footer_of=(0,)).require_same(written, table)
    if traits.delta is not None:
        with tempfile.TemporaryDirectory(prefix="lakebed-traits-") as folder:
            write_delta(folder, schema.empty_table(), traits.delta.partition_columns, traits.delta)
            found = delta_traits(open_table(folder))
        Traits(delta=traits.delta).require_same(Traits(delta=found), table)


def _require_free(child: TableRef, storage: Storage) -> None:
    paths = [child.path] if child.is_folder else [file.path for file in child.files]
    taken = next((path for path in paths if storage.exists(path)), None)
    if taken is not None:
        raise PlanError(
            "something lies where the rebuilt table belongs",
            value=storage.uri(taken),
            expected="a free place",
            hint="move it away, or restore to another folder",
        )


def _remove(child: TableRef, storage: Storage) -> None:
    if child.is_folder:
        storage.delete_folder(child.path)
    else:
        for file in child.files:
            storage.delete_file(file.path)


def _write_files(recipe: Recipe, table: pa.Table, storage: Storage) -> None:
    child = recipe.child
    footers = _footers(recipe)
    files = list(_rows_of_files(child, table, footers))
    for path, data in (
        _parquet_files(files, footers) if child.format in ("parquet", "iceberg") else _text_files(child, files)
    ):
        storage.write_bytes_atomic(path, data)


def _footers(recipe: Recipe) -> Mapping[str, ParquetTraits]:
    """By path the footer of each file, where the recipe knows it."""
    if recipe.traits is None or recipe.child.format not in ("parquet", "iceberg"):
        return {}
    return {file.path: recipe.traits.footer(number) for number, file in enumerate(recipe.child.files)}


def _parquet_files(
    files: Sequence[tuple[FileRef, pa.Table]], footers: Mapping[str, ParquetTraits]
) -> Iterator[tuple[str, bytes]]:
    """The bytes of each file, under its own footer where that is known."""
    for file, rows in files:
        footer = footers.get(file.path)
        yield file.path, write_parquet(rows, footer) if footer else parquet_bytes(rows)


def _text_files(child: TableRef, files: Sequence[tuple[FileRef, pa.Table]]) -> Iterator[tuple[str, bytes]]:
    style, make = style_of(child), csv_text if child.format == "csv" else json_text
    for file, rows in files:
        yield file.path, text_bytes(make(rows, style), style, is_packed=file.path.lower().endswith(".gz"))


def style_of(child: TableRef) -> TextStyle:
    """How the child's text is written; of no use where it has none."""
    dialect = child.dialect
    if dialect is None:
        return TextStyle()
    return TextStyle(
        delimiter=dialect.delimiter,
        names=dialect.names if dialect.has_header else (),
        null_text=next(iter(dialect.null_values), ""),
        null_values=dialect.null_values,
        line_end=dialect.line_end,
        encoding=dialect.encoding,
        has_byte_order_mark=dialect.has_byte_order_mark,
        forms=dialect.forms,
        raw=dialect.raw,
        omits_nulls=dialect.omits_nulls,
        quoted=dialect.quoted,
        quotes_header=dialect.quotes_header,
    )


def _rows_of_files(
    child: TableRef, table: pa.Table, footers: Mapping[str, ParquetTraits]
) -> Iterator[tuple[FileRef, pa.Table]]:
    """Each file with its rows, in its own columns: as many as it had, in order, of its partition."""
    for partition, files in partitions_of(child):
        rows = partition.rows(table)
        if rows.num_rows != sum(file.n_rows for file in files):
            raise unfilled(child)
        for file, part in zip(files, split_rows(rows, [file.n_rows for file in files]), strict=True):
            yield file, partition.in_file(part, footers.get(file.path))


def _write_delta(recipe: Recipe, table: pa.Table | pa.RecordBatchReader, destination: str) -> None:
    child = recipe.child
    own = {name.casefold(): name for name in table.schema.names} | {name: name for name in table.schema.names}
    # of tokens the case may be folded
    names = [own[str(path_of(token)[0])] for token in child.partition_columns]
    write_delta(join_uri(destination, child.path), table, names, recipe.traits.delta if recipe.traits else None)


def _with_casts(found: TableRef, wanted: TableRef) -> TableRef:
    """Text as the recipe reads it: by its own casts, whatever types today's rules would give the same cells."""
    if wanted.read_via != "text":
        return found
    casts = {file.path: file.casts for file in wanted.files}
    files = tuple(file.model_copy(update={"casts": casts.get(file.path, file.casts)}) for file in found.files)
    return found.model_copy(update={"files": files, "leaves": wanted.leaves})


def _compare(context: RecipeContext, recipe: Recipe, destination: str) -> None:
    lake = context.lake.model_copy(update={"root": destination})
    is_stream = is_streamed(context, recipe)
    reader = (StreamReader if is_stream else TableReader)(
        lake, _with_casts(observe_again(lake, recipe.child), recipe.child)
    )
    ref = reader.describe()
    if recipe.traits is not None:
        recipe.traits.require_same(table_traits(lake, ref), recipe.child.name)
    if is_stream:
        found = digest_stream(reader, context.key)
    else:
        cells = reader.cells([leaf.token for leaf in ref.leaves])
        found = digest_like(recipe.digest, reader.schema, cells, context)
    has_order = recipe.child.has_order and recipe.order.state != "lost"
    if not found.is_same_table(recipe.digest) or (has_order and found.sequence != recipe.digest.sequence):
        what = "columns" if found.columns != recipe.digest.columns else "rows"
        raise PlanError(
            f"the table as it was written reads with other {what} than the original",
            value=join_uri(destination, recipe.child.path),
            expected=f"digest {recipe.digest.rows[:16]}…",
            hint="keep the table: exclude it with `retention.pins`",
        )
