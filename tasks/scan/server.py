"""The parent of the local engine's workers: imports once what they need, then forks one for each socket it was given.

`python -m lakebed.tasks.scan.server MEMORY_BYTES SOCKET…`, started by `pool.py`. It has no threads when it forks: given
one BLAS thread only pyarrow's allocator has one, which it starts anew in a child. It ends, and its workers with it,
when its standard input closes: that is when whoever started it ends, even by kill -9.

A worker answers each task by messages of two parts, a letter and data: B a batch (Arrow's stream), D done, E the error
(pickled). How a worker ended is written to standard output: its place and its status, as `waitpid` gives it.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from lakebed.connectors.imports import hide_pandas, import_numba
from lakebed.connectors.spark.daemon import PRELOAD_VARIABLE, preload

if TYPE_CHECKING:
    from lakebed.tasks.scan.engine import Work

BATCH, DONE, ERROR = b"B", b"D", b"E"
# of malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_ALWAYS = "numpy,pyarrow,pyarrow.compute,pyarrow.parquet"


def main() -> None:
    """Preloads, forks, and waits for the workers' ends."""
    memory_bytes, *handles = map(int, sys.argv[1:])
    hide_pandas()
    _keep_freed_memory()
    import_numba()
    preload(_ALWAYS)
    preload(os.environ.get(PRELOAD_VARIABLE, ""))
    places = {_fork(handle, handles, memory_bytes): place for place, handle in enumerate(handles)}
    for handle in handles:
        os.close(handle)
    threading.Thread(target=_end_with_parent, args=(tuple(places),), daemon=True).start()
    while places:
        pid, status = os.wait()
        os.write(1, f"{places.pop(pid)} {status}\n".encode())


def _keep_freed_memory() -> None:
    """Arrays of a few megabytes come and go with each batch: the C library is to keep them, not to ask the system anew.

    A twentieth of a scan's time goes into clearing such pages otherwise. Other C libraries than GNU's are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 64 << 20)
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)


def _end_with_parent(workers: tuple[int, ...]) -> None:
    while os.read(0, 1):
        pass
    for pid in workers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os._exit(0)


def _fork(handle: int, handles: list[int], memory_bytes: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        for other in handles:
            if other != handle:
                os.close(other)
        os.dup2(2, 1)
        # the terminal's Ctrl-C is for the process that waits for the answer
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        serve(Connection(handle))
    finally:
        os._exit(0)


def serve(connection: Connection) -> None:
    """Does tasks until the other end is closed."""
    work: Work | None = None
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            given = pickle.loads(message)  # noqa: S301 - what our own process has sent
            if work is None or given[0] is not None:
                work = pickle.loads(given[0])  # noqa: S301
            _answer(connection, work, given[1])
        except BaseException as error:
            _send(connection, ERROR, _packed(error))


def _answer(connection: Connection, work: "Work", task: object) -> None:
    import pyarrow as pa

    for batch in work.run(task):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        _send(connection, BATCH, sink.getvalue())
    _send(connection, DONE, b"")


def _send(connection: Connection, letter: bytes, data: object) -> None:
    connection.send_bytes(letter)
    connection.send_bytes(data)  # type: ignore[arg-type]


def _packed(error: BaseException) -> bytes:
    """The error if it survives the way, and where it was raised."""
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps((error, text))
        pickle.loads(data)  # noqa: S301
    except Exception:
        return pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), text))
    return data


if __name__ == "__main__":
    main()
