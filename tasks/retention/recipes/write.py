"""Writes a rebuilt table in its own format, then reads it as lakebed reads any table and compares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.read import partition_scalar
from lakebed.connectors.lake.write import TextStyle, csv_bytes, json_bytes, parquet_bytes, rows_where, split_rows
from lakebed.connectors.object_client import delta_options
from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.retention.recipes.digest import digest_table
from lakebed.tasks.retention.recipes.rebuild import compare, rebuild
from lakebed.tasks.retention.recipes.refs import observe_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

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
    table = rebuild(context, recipe)
    if refusal := compare(recipe, table, context):
        raise PlanError("the rebuilt table differs from the original", value=refusal.reason, hint="lakebed plan")
    return write_table_as(context, recipe, table, destination)


def write_table_as(context: RecipeContext, recipe: Recipe, table: pa.Table, destination: str) -> tuple[str, ...]:
    """Writes rows that were rebuilt already, reads them back and compares.

    Args:
        context: the lake that holds the parents.
        recipe: of the child.
        table: what `rebuild` gave.
        destination: as for `write_rebuilt`.

    Returns, Raises: as `write_rebuilt`.
    """
    child, storage = recipe.child, Storage.at(destination, PlanError)
    _require_free(child, storage)
    try:
        written = (
            _write_delta(child, table, destination) if child.format == "delta" else _write_files(child, table, storage)
        )
        _compare(context, recipe, destination)
    except BaseException:
        _remove(child, storage)
        raise
    return written


def _require_free(child: TableRef, storage: Storage) -> None:
    paths = [child.path] if child.format == "delta" else [file.path for file in child.files]
    taken = next((path for path in paths if storage.exists(path)), None)
    if taken is not None:
        raise PlanError(
            "something lies where the rebuilt table belongs",
            value=storage.uri(taken),
            expected="a free place",
            hint="move it away, or restore to another folder",
        )


def _remove(child: TableRef, storage: Storage) -> None:
    if child.format == "delta":
        storage.delete_folder(child.path)
    else:
        for file in child.files:
            storage.delete_file(file.path)


def _write_files(child: TableRef, table: pa.Table, storage: Storage) -> tuple[str, ...]:
    style = style_of(child)
    for file, rows in _rows_of_files(child, table):
        is_packed = file.path.lower().endswith(".gz")
        if child.format == "parquet":
            data = parquet_bytes(rows)
        elif child.format == "csv":
            data = csv_bytes(rows, style, is_packed=is_packed)
        else:
            data = json_bytes(rows, style, is_packed=is_packed)
        storage.write_bytes_atomic(file.path, data)
    return tuple(file.path for file in child.files)


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
    )


def _rows_of_files(child: TableRef, table: pa.Table) -> Iterator[tuple[FileRef, pa.Table]]:
    """Each file with its rows, without the partition columns: as many as it had, in order, of its partition."""
    names = {token: str(path_of(token)[0]) for token in child.partition_columns}
    types = {leaf.token: leaf.type for leaf in child.leaves}
    pools: dict[tuple[object, ...], list[FileRef]] = {}
    for file in child.files:
        values = tuple(partition_scalar(text, types[token]) for token, text in file.partition_values)
        pools.setdefault(values, []).append(file)
    for values, files in pools.items():
        tokens = [token for token, _ in files[0].partition_values]
        wanted = {names[token]: value for token, value in zip(tokens, values, strict=True)}
        rows = rows_where(table, wanted) if wanted else table
        rows = rows.drop_columns(list(names.values())) if names else rows
        if rows.num_rows != sum(file.n_rows for file in files):
            raise PlanError("the rebuilt rows do not fill the table's files", value=child.name, hint="lakebed plan")
        yield from zip(files, split_rows(rows, [file.n_rows for file in files]), strict=True)


def _write_delta(child: TableRef, table: pa.Table, destination: str) -> tuple[str, ...]:
    from deltalake import write_deltalake

    uri = join_uri(destination, child.path)
    names = [str(path_of(token)[0]) for token in child.partition_columns]
    try:
        Storage.at(uri, PlanError).make_folder()
        write_deltalake(uri, table, mode="error", partition_by=names or None, storage_options=delta_options(uri))
    except LakeError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PlanError(f"cannot write the Delta table: {reason}", value=uri) from error
    files = Storage.at(destination, PlanError).list_files(child.path)
    return tuple(file.path for file in files)


def _compare(context: RecipeContext, recipe: Recipe, destination: str) -> None:
    lake = context.lake.model_copy(update={"root": destination})
    there = replace(context, lake=lake)
    found = digest_table(there, observe_again(lake, recipe.child))
    has_order = recipe.child.is_one_file and recipe.order.state != "lost"
    if not found.is_same_table(recipe.digest) or (has_order and found.sequence != recipe.digest.sequence):
        what = "columns" if found.columns != recipe.digest.columns else "rows"
        raise PlanError(
            f"the table as it was written reads with other {what} than the original",
            value=join_uri(destination, recipe.child.path),
            expected=f"digest {recipe.digest.rows[:16]}…",
            hint="keep the table: exclude it with `retention.pins`",
        )
