"""The metadata of Iceberg tables, kept beside recipes: Parquet of paths and bytes, named by its content."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.connectors.lake.batches import reason_of
from lakebed.connectors.lake.iceberg.kept import FOREIGN, read_kept, restored
from lakebed.connectors.lake.iceberg.model import READING, FileReading
from lakebed.connectors.storage import Storage
from lakebed.tasks.retention.recipes.attempt import Refused, one_line
from lakebed.tasks.retention.recipes.model import KeptFile, StoredMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import Recipe, TableRef

_SCHEMA = pa.schema([pa.field("path", pa.string(), nullable=False), pa.field("data", pa.binary(), nullable=False)])


def keep_metadata(context: RecipeContext, child: TableRef) -> StoredMetadata | None:
    """Keeps what a child has beside its rows in the folder of recipes; None of a table that is none of Iceberg's.

    Raises:
        Refused: if the table cannot be written again with all that it has.
        PlanError: if it cannot be kept.
    """
    if child.format != "iceberg":
        return None
    if child.read_via != "arrow":
        reason = "its files are not read as they lie: they have deletes, or columns of other names or types"
        raise Refused("cannot_be_written", reason)
    data = {file.path: FileReading.from_text(dict(file.casts)[READING]) for file in child.files}
    try:
        kept = read_kept(context.lake.root, child.path, data)
    except SourceError as error:
        raise Refused("cannot_be_written", one_line(error)) from error
    except FOREIGN as error:
        raise Refused("cannot_be_written", f"its metadata is damaged: {reason_of(error)}") from error
    sink = io.BytesIO()
    pq.write_table(pa.table([[*kept], [*kept.values()]], schema=_SCHEMA), sink, compression="zstd")
    packed = sink.getvalue()
    digest = _sha256(packed)
    stored = StoredMetadata(
        path=f"{digest}.parquet",
        n_bytes=len(packed),
        sha256=digest,
        files=tuple(KeptFile(path=path, size=len(data), sha256=_sha256(data)) for path, data in kept.items()),
    )
    Storage.at(context.folder, PlanError).write_bytes_atomic(stored.path, packed)
    return stored


def write_metadata(context: RecipeContext, recipe: Recipe, storage: Storage) -> None:
    """Writes the metadata of an Iceberg table below a root where its data files have been written already.

    Raises:
        PlanError: if what was kept is not there or has changed, or if the files cannot have other rows than they had.
    """
    child = recipe.child
    sizes = {file.path: found.size for file in child.files if (found := storage.stat(file.path)) is not None}
    for path, data in _restored(context, recipe, storage.root, sizes):
        storage.write_bytes_atomic(path, data)


def require_metadata(context: RecipeContext, recipe: Recipe) -> None:
    """The same without writing.

    Raises: as `write_metadata`.
    """
    sizes = {file.path: file.size for file in recipe.child.files}
    for _ in _restored(context, recipe, context.lake.root, sizes) if recipe.metadata else ():
        pass


def _restored(context: RecipeContext, recipe: Recipe, root: str, sizes: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    if recipe.metadata is None:
        raise PlanError(
            "a recipe lacks the metadata of its Iceberg table", value=recipe.child.name, hint="lakebed plan"
        )
    kept = _read(context.folder, recipe.metadata)
    is_exact = recipe.order.state != "lost"
    try:
        yield from restored(root, recipe.child.path, kept, sizes, is_exact=is_exact)
    except FOREIGN as error:
        raise PlanError("an Iceberg table's metadata cannot be written again", value=reason_of(error)) from error
    except SourceError as error:
        raise PlanError(
            error.what, value=error.value, hint="keep the table: exclude it with `retention.pins`"
        ) from error


def _read(folder: str, stored: StoredMetadata) -> dict[str, bytes]:
    storage = Storage.at(folder, PlanError)
    packed = storage.read_bytes(stored.path)
    if _sha256(packed) != stored.sha256:
        raise PlanError(
            "the metadata that a recipe keeps has changed",
            value=storage.uri(stored.path),
            expected=f"SHA-256 {stored.sha256}",
            hint="lakebed plan",
        )
    table = pq.read_table(pa.BufferReader(packed), use_threads=False)
    return dict(zip(table["path"].to_pylist(), table["data"].to_pylist(), strict=True))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
