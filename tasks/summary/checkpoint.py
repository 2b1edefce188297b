"""The merges so far, kept after each iteration: what a killed run goes on from."""

import io
import zipfile

import numpy as np

from lakebed.connectors.storage import Storage
from lakebed.tasks.summary.kernel.merging import MergeLog

_FILE = "merges.npz"


class Checkpoint:
    """One file below `folder`, replaced at once by each iteration.

    `identity` says of which graph and config the merges are; those of others are not taken over.
    """

    def __init__(self, storage: Storage, folder: str, identity: str) -> None:
        self._storage, self._folder, self._identity = storage, folder, identity
        self._path = f"{folder}/{_FILE}" if folder else _FILE

    def load(self) -> MergeLog:
        """The merges of the last finished iteration; none where there is no file, a damaged or a foreign one."""
        if self._storage.stat(self._path) is None:
            return MergeLog.none()
        try:
            with np.load(io.BytesIO(self._storage.read_bytes(self._path)), allow_pickle=False) as found:
                if str(found["identity"]) != self._identity:
                    return MergeLog.none()
                return MergeLog(found["absorbed"], found["kept"], found["ends"], found["work"])
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return MergeLog.none()

    def save(self, log: MergeLog) -> None:
        """Replaces the file."""
        data = io.BytesIO()
        np.savez(
            data,
            identity=np.array(self._identity),
            absorbed=log.absorbed,
            kept=log.kept,
            ends=log.ends,
            work=log.work,
        )
        self._storage.write_bytes_atomic(self._path, data.getvalue())

    def clear(self) -> None:
        """Removes the file, and the folder that was its own."""
        if self._folder:
            self._storage.delete_folder(self._folder)
        else:
            self._storage.delete_file(self._path)
