"""Staged files: the values of a text file as Parquet, the same bytes for the same input."""

import contextlib
import os
import tempfile
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.lake.files import local_path
from lakebed.connectors.storage import arrow_file_system, is_object_store

ROW_GROUP_BYTES = 1 << 25
ROW_GROUP_ROWS = 1 << 20


class StagedWriter:
    """Writes batches to a temporary file that takes the name `path` only when all is written.

    Args:
        path: absolute; of the staged file.
        schema: of every batch.

    Raises:
        ArtifactError: if the file cannot be written.
    """

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._waiting: list[pa.RecordBatch] = []
        self._n_waiting_bytes = self._n_waiting_rows = 0
        self.n_bytes = 0
        self._temporary = ""

    def __enter__(self) -> "StagedWriter":
        try:
            self._open()
        except OSError as error:
            raise _write_error(self._path, error) from error
        return self

    def _open(self) -> None:
        folder = os.path.dirname(local_path(self._path)) if not is_object_store(self._path) else None
        if folder:
            os.makedirs(folder, exist_ok=True)
        handle, self._temporary = tempfile.mkstemp(prefix=".staged-", suffix=".part", dir=folder)
        os.close(handle)
        os.chmod(self._temporary, 0o644)
        self._writer = pq.ParquetWriter(
            self._temporary, self._schema, compression="zstd", compression_level=1, write_statistics=True
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._writer.close()
            if kind is None:
                self.n_bytes = os.path.getsize(self._temporary)
                self._publish()
        except OSError as failure:
            raise _write_error(self._path, failure) from failure
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; they are written a row group at a time."""
        self._waiting.append(batch)
        self._n_waiting_bytes += batch.nbytes
        self._n_waiting_rows += batch.num_rows
        if self._n_waiting_bytes >= ROW_GROUP_BYTES or self._n_waiting_rows >= ROW_GROUP_ROWS:
            try:
                self._flush()
            except OSError as error:
                raise _write_error(self._path, error) from error

    def _flush(self) -> None:
        if self._n_waiting_rows:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=max(1, self._n_waiting_rows))
        self._waiting = []
        self._n_waiting_bytes = self._n_waiting_rows = 0

    def _publish(self) -> None:
        if not is_object_store(self._path):
            os.replace(self._temporary, local_path(self._path))
            return
        store, path = arrow_file_system(self._path)
        with open(self._temporary, "rb") as source, store.open_output_stream(path, compression=None) as target:
            while block := source.read(1 << 23):
                target.write(block)


def _write_error(path: str, error: OSError) -> ArtifactError:
    return ArtifactError(
        "cannot write a staged file",
        value=f"{path}: {error.strerror or error}",
        expected="an artifact root that can be written and has space",
        hint="free some space, or choose another folder with `--artifacts`",
    )
