"""Work on files that may kill the process which does it.

Some flipped bits in a Parquet footer make pyarrow's C++ throw where nothing catches (`ColumnChunkMetaData.statistics`,
`RowGroupMetaData.column`), which aborts the process. Forked children do such work: a child's death costs one file. They
also share out what Python's lock would serialise.
"""

import faulthandler
import itertools
import os
import pickle
import select
import signal
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

STALL_S = 60.0
_LENGTH = struct.Struct("<Q")


def isolated_map(
    work: Callable[[Item], Result], items: Sequence[Item], n_processes: int, on_death: Callable[[Item], Result]
) -> list[Result]:
    """`work` of each item, in order, done in forked children; `on_death` of an item that killed its child.

    Args:
        work: raises nothing; its results can be pickled. It must need no thread of the parent.
        items: any number.
        n_processes: children at a time.
        on_death: makes the result of an item on which two children died, or made no progress for a minute.
    """
    n_shares = max(1, min(n_processes, len(items)))
    bounds = [len(items) * share // n_shares for share in range(n_shares + 1)]
    shares = [items[start:stop] for start, stop in itertools.pairwise(bounds)]
    with ThreadPoolExecutor(n_shares) as pool:
        return [result for done in pool.map(lambda share: _do_share(work, share, on_death), shares) for result in done]


def _do_share(
    work: Callable[[Item], Result], items: Sequence[Item], on_death: Callable[[Item], Result]
) -> list[Result]:
    results: list[Result] = []
    while len(results) < len(items):
        results += _in_child(work, items[len(results) :])
        if len(results) < len(items):
            item = items[len(results)]
            # a child may have died of something else: the item gets a second one, for itself
            results += list(_in_child(work, [item])) or [on_death(item)]
    return results


def _in_child(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results of a child, until it has none left or is dead."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # newer Pythons warn of threads; the child takes no lock that another thread may have held
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _serve(work, items, writer)
    os.close(writer)
    try:
        inbox = _Inbox(reader)
        while (message := inbox.receive()) is not None:
            yield pickle.loads(message)  # noqa: S301 - our own child's bytes
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(work: Callable[[Item], Result], items: Sequence[Item], writer: int) -> None:
    """The child: never returns, and runs nothing of the parent's at its end."""
    try:
        # the last words of a dying C++ library are no message for a user
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for item in items:
            data = pickle.dumps(work(item), pickle.HIGHEST_PROTOCOL)
            _write_all(writer, _LENGTH.pack(len(data)) + data)
    finally:
        os._exit(0)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


class _Inbox:
    """Messages from a pipe."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._data = bytearray()

    def receive(self) -> bytes | None:
        """The next message; None at the end, on half a message, and where nothing comes for too long."""
        head = self._take(_LENGTH.size)
        return None if head is None else self._take(_LENGTH.unpack(head)[0])

    def _take(self, n_bytes: int) -> bytes | None:
        while len(self._data) < n_bytes:
            ready, _, _ = select.select([self._handle], [], [], STALL_S)
            block = os.read(self._handle, 1 << 20) if ready else b""
            if not block:
                return None
            self._data += block
        taken = bytes(self._data[:n_bytes])
        del self._data[:n_bytes]
        return taken
