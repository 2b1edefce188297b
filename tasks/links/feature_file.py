"""Node features in a file of their own, for trainings whose features are larger than the memory they may have.

The file has no name: nobody else can change it, and its room is free again once the process ends, however it ends.
What a disk returns is held to a check of each row all the same.
"""

import mmap
import tempfile
from io import RawIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError, GraphError
from lakebed.connectors.local_files import storage_error
from lakebed.tasks.links.kernel.row_cache import copy_checked, row_checks

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
BLOCK_BYTES = 4 << 20


class FeatureFile:
    """Rows of finite numbers on disk. Shapes: (n, d) float32; 4 bytes a node are held in memory.

    `n_bytes_read` counts the bytes of the rows that were read.
    """

    def __init__(self, rows: Float32, folder: Path | None = None) -> None:
        """Writes the rows into a folder, by default that for temporary files.

        Raises:
            GraphError: if a number is not finite.
            ArtifactError: if they cannot be written, as on a full disk; nothing of them stays.
        """
        self.shape = (int(rows.shape[0]), int(rows.shape[1]))
        self.n_bytes_read = 0
        self._where = str(folder or tempfile.gettempdir())
        self._checks = np.empty(len(rows), np.uint32)
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                self._write(file, rows)
                # a mapping keeps a handle of its own on the file, and lets go of it at the end of this object
                self._map = mmap.mmap(file.fileno(), self.n_bytes, access=mmap.ACCESS_READ) if self.n_bytes else None
        except OSError as error:
            raise storage_error(error, f"keep {rows.nbytes:,} bytes of node features on disk", self._where) from error

    @property
    def n_bytes(self) -> int:
        """The length of the file."""
        return 4 * self.shape[0] * self.shape[1]

    def gather(self, nodes: Int64, out: Float32, places: Int64) -> None:
        """Reads the rows of ascending nodes into those places of `out`.

        Raises: ArtifactError: if the file is shorter than it was, or a row is not what was written.
        """
        if not len(nodes) or self._map is None:
            return
        if self._map.size() < self.n_bytes:
            raise self._damaged("the file is shorter than it was")
        rows = np.frombuffer(self._map, np.uint32).reshape(self.shape)
        bad = copy_checked(rows, self._checks, nodes, out.view(np.uint32), places)
        del rows
        # what was read is in `out`; the file's pages are no part of this process's memory from here on
        self._map.madvise(mmap.MADV_DONTNEED)
        if bad >= 0:
            raise self._damaged(f"the row of node {bad}")
        self.n_bytes_read += 4 * self.shape[1] * len(nodes)

    def mapped(self) -> Float32:
        """All rows as an array that the system pages in as they are touched, and out as it likes; without checks."""
        return np.frombuffer(self._map or b"", np.float32).reshape(self.shape)

    def _write(self, file: RawIOBase, rows: Float32) -> None:
        n_rows = max(1, BLOCK_BYTES // max(4 * self.shape[1], 1))
        for start in range(0, len(rows), n_rows):
            part = np.ascontiguousarray(rows[start : start + n_rows], np.float32)
            _require_finite(part, start)
            row_checks(part.view(np.uint32), self._checks[start : start + n_rows])
            left = memoryview(part.tobytes())
            while left:
                left = left[file.write(left) or 0 :]

    def _damaged(self, what: str) -> ArtifactError:
        return ArtifactError(
            "node features on disk are not what was written",
            value=what,
            expected="the bytes that this training wrote",
            hint=f"see whether the disk of {self._where} is sound, then run again: training goes on from a checkpoint",
        )


def _require_finite(rows: Float32, first: int) -> None:
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = bad[0].tolist()
        raise GraphError(
            "a node feature is no finite number",
            value=f"node {first + row}, column {column}: {rows[row, column]}",
            expected="finite numbers",
            hint="leave the column out, or fill what is missing",
        )
