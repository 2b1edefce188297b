"""Work on files that may kill the process which does it, hang it, or take all of its memory.

Some flipped bits in a Parquet footer make pyarrow's C++ throw where nothing catches, and its JSON reader dies on lines
of `null`. Children do such work: a child's death costs one file. They also share out what Python's lock would
serialise. A child is forked; where the parent has a client of an object store, whose threads do not survive a fork,
it is a new process.
"""

import contextlib
import faulthandler
import itertools
import os
import pickle
import select
import signal
import struct
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from lakebed.connectors.python_process import module_environment

Item = TypeVar("Item")
Result = TypeVar("Result")
OnDeath = Callable[[Item, str], Result]

# without a result, a block read or a batch
STALL_S = 30.0
# how often a wait of that time looks up
_LOOKS = 3
# that a child may take beyond what its parent had
MEMORY_BYTES = 4 << 30
_LENGTH = struct.Struct("<Q")
_BEAT = _LENGTH.pack(0)
_outbox: list[int] = []

# held by a thread that imports what readers may need too: a child must not find a module half imported
importing = threading.Lock()
# set once the readers of a lake's metadata are forked: a good time to import, since their parent waits for them
forked = threading.Event()
# set while stages work side by side: a fork would keep for ever what lock another thread holds just then
crowded = threading.Event()


def isolated_map(
    work: Callable[[Item], Result], items: Sequence[Item], n_processes: int, on_death: OnDeath[Item, Result]
) -> list[Result]:
    """`work` of each item, in order, done in forked children.

    Args:
        work: raises nothing; its results can be pickled. It must need no thread of the parent.
        items: any number.
        n_processes: children at a time.
        on_death: makes the result of an item on which two children died, or one hung, of the item and the reason.
    """
    if not items:
        return []
    n_shares = max(1, min(n_processes, len(items)))
    bounds = [len(items) * share // n_shares for share in range(n_shares + 1)]
    children = [_Child(work, items[start:stop], is_forked=True) for start, stop in itertools.pairwise(bounds)]
    forked.set()
    with ThreadPoolExecutor(n_shares) as pool:
        done = pool.map(lambda child: list(_survived(child, on_death)), children)
        return [result for results in done for result in results]


def isolated(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    on_death: OnDeath[Item, Result],
    *,
    is_forked: bool = True,
) -> Iterator[Result]:
    """`work` of each item, in order, as a child gets it done.

    Args:
        work: raises nothing; its results can be pickled. What takes long calls `alive` in between.
        items: any number.
        on_death: as `isolated_map`.
        is_forked: whether the child is a fork; otherwise, and where stages work side by side, it is a new process, and
            `work` and the items are pickled.
    """
    if items:
        yield from _survived(_Child(work, items, is_forked and not crowded.is_set()), on_death)


def _survived(child: "_Child[Item, Result]", on_death: OnDeath[Item, Result]) -> Iterator[Result]:
    """What comes of a child's items, from it and from those that take its place when it dies."""
    while True:
        n_done = 0
        for result in child.results():
            n_done += 1
            yield result
        if n_done == len(child.items):
            return
        # a child may have died of something else: the item gets a second one, for itself
        dead, left = child, child.items[n_done + 1 :]
        again = None if dead.has_hung else _Child(dead.work, [dead.items[n_done]], dead.is_forked)
        found = list(again.results()) if again else []
        yield from found or [on_death(dead.items[n_done], (again and again.end) or dead.end)]
        if not left:
            return
        child = _Child(dead.work, left, dead.is_forked)


def alive() -> None:
    """Tells the parent that a child goes on; nothing elsewhere."""
    if _outbox:
        _write_all(_outbox[0], _BEAT)


class _Child(Generic[Item, Result]):
    """A process that does `work` of items from now on; `end` says in words how it ended before it was done."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item], is_forked: bool) -> None:
        self.work, self.items, self.is_forked = work, items, is_forked
        self.end = ""
        self.has_hung = False
        self._reader, writer = os.pipe()
        self._pid = (_fork if is_forked else _spawn)(work, items, writer)
        os.close(writer)

    def results(self) -> Iterator[Result]:
        """What comes of the items, until the child is done, dead, or silent for too long."""
        inbox, n_left = _Inbox(self._reader), len(self.items)
        try:
            while n_left and (message := inbox.receive()) is not None:
                n_left -= 1
                yield pickle.loads(message)  # noqa: S301 - our own child's bytes
        finally:
            os.close(self._reader)
            self.has_hung = inbox.is_silent
            status = _killed(self._pid, is_at_once=self.has_hung or not n_left)
            if n_left:
                self.end = f"its reader did nothing for {STALL_S:.0f} s" if self.has_hung else _words(status)


def _fork(work: Callable[[Item], Result], items: Sequence[Item], writer: int) -> int:
    with warnings.catch_warnings():
        # newer Pythons warn of threads; the child takes no lock that another thread may have held
        warnings.simplefilter("ignore", DeprecationWarning)
        with importing:
            child = os.fork()
    if child == 0:
        _serve(work, items, writer)
    return child


def _spawn(work: Callable[[Item], Result], items: Sequence[Item], writer: int) -> int:
    """A new process that has its work on standard input and answers on standard output."""
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    with tempfile.TemporaryFile() as job:
        pickle.dump((work, items), job, pickle.HIGHEST_PROTOCOL)
        job.seek(0)
        ends = [(os.POSIX_SPAWN_DUP2, job.fileno(), 0), (os.POSIX_SPAWN_DUP2, writer, 1)]
        return os.posix_spawn(sys.executable, command, module_environment(), file_actions=ends)


def serve() -> None:
    """What a new process does; it ends here."""
    writer = os.dup(1)
    os.dup2(2, 1)
    work, items = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent's bytes
    _serve(work, items, writer)


def _serve(work: Callable[[Item], Result], items: Sequence[Item], writer: int) -> None:
    """The child: never returns, and runs nothing of the parent's at its end."""
    try:
        # the last words of a dying C++ library are no message for a user
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _limit_memory()
        _outbox[:] = [writer]
        for item in items:
            data = pickle.dumps(work(item), pickle.HIGHEST_PROTOCOL)
            _write_all(writer, _LENGTH.pack(len(data)) + data)
    finally:
        os._exit(0)


def _limit_memory() -> None:
    """A limit of what this process may take; not every system has one."""
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        with open("/proc/self/statm", "rb") as pages:
            n_bytes = int(pages.read().split()[5]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = n_bytes + MEMORY_BYTES
        if most in (resource.RLIM_INFINITY, -1) or limit < most:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _killed(child: int, *, is_at_once: bool) -> int:
    """Ends a child and gives its status; one that ended by itself gets a moment to be gone."""
    for _ in range(0 if is_at_once else 100):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _words(status: int) -> str:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "its reader was killed, most often because the machine's memory was full"
    kind = f" ({signal.Signals(os.WTERMSIG(status)).name})" if os.WIFSIGNALED(status) else ""
    return f"its reader dies on it{kind}"


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


class _Inbox:
    """Messages from a pipe; `is_silent` once nothing came for too long."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._data = bytearray()
        self.is_silent = False

    def receive(self) -> bytes | None:
        """The next message; None at the end, on half a message, and where nothing comes for too long."""
        while (head := self._take(_LENGTH.size)) == _BEAT:
            pass
        return None if head is None else self._take(_LENGTH.unpack(head)[0])

    def _take(self, n_bytes: int) -> bytes | None:
        while len(self._data) < n_bytes:
            ready: list[int] = []
            for _ in range(_LOOKS):
                # a parent that is a child itself is not silent while its own child works
                alive()
                ready, _, _ = select.select([self._handle], [], [], STALL_S / _LOOKS)
                if ready:
                    break
            block = os.read(self._handle, 1 << 20) if ready else b""
            if not block:
                self.is_silent = not ready
                return None
            self._data += block
        taken = bytes(self._data[:n_bytes])
        del self._data[:n_bytes]
        return taken
