"""The pool of worker processes of the local engine, seen from the process that asks them."""

import atexit
import os
import pickle
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import pyarrow as pa

from lakebed.connectors.errors import LakeError, StageError, WorkerLostError, first_line
from lakebed.connectors.python_process import module_command, module_environment
from lakebed.connectors.spark.daemon import PRELOAD_VARIABLE
from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.scan.engine import Work
from lakebed.tasks.scan.server import BATCH, DONE

_STATUS_WAIT_S = 2.0
_END_WAIT_S = 10.0
_AGAIN = "run the same command again: finished stages are kept"


class PoolEndedError(Exception):
    """Work was given to a pool that has ended; another one takes it."""


class WorkerPool:
    """Workers that are forked by one server process, and end with this one. One work at a time.

    Starting returns at once: the server imports what workers need beside whatever this process does meanwhile.
    """

    def __init__(self, config: LocalConfig, preload: Sequence[str]) -> None:
        self.config = config
        self._lock, self._stopping = threading.Lock(), threading.Lock()
        pairs = [socket.socketpair() for _ in range(config.n_workers)]
        handles = [str(theirs.fileno()) for _, theirs in pairs]
        self._server = subprocess.Popen(
            module_command("lakebed.tasks.scan.server", str(config.worker_memory_mib << 20), *handles),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[theirs.fileno() for _, theirs in pairs],
            env=module_environment(OPENBLAS_NUM_THREADS="1", **{PRELOAD_VARIABLE: ",".join(preload)}),
        )
        self._connections = [Connection(ours.detach()) for ours, _ in pairs]
        for _, theirs in pairs:
            theirs.close()

    @property
    def pid(self) -> int:
        """Of the server, whose children the workers are."""
        return self._server.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be given work."""
        return self._server.poll() is None and bool(self._connections)

    @property
    def is_working(self) -> bool:
        """Whether it works for somebody."""
        return self._lock.locked()

    def map(self, work: Work, tasks: Sequence[Any], advance: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        """As the engine's; `advance` is called after each task. Ends the pool unless every task was done.

        Raises:
            PoolEndedError: before anything is done, if other work has ended it meanwhile.
            LakeError: as the engine's.
        """
        with self._lock:
            if not self.is_alive:
                raise PoolEndedError
            is_done = False
            try:
                yield from self._map(pickle.dumps(work), tasks, advance)
                is_done = True
            finally:
                if not is_done:
                    self.stop()

    def _map(self, work: bytes, tasks: Sequence[Any], advance: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        waiting = iter(tasks)
        has_work: set[Connection] = set()
        busy: list[Connection] = []
        for connection in self._connections:
            self._give(connection, work, waiting, has_work, busy)
        while busy:
            for ready in wait(busy):
                connection = next(one for one in busy if one is ready)
                letter, data = self._receive(connection)
                if letter == BATCH:
                    yield from pa.ipc.open_stream(data)
                elif letter == DONE:
                    busy.remove(connection)
                    advance()
                    self._give(connection, work, waiting, has_work, busy)
                else:
                    raise self._failure(*pickle.loads(data))  # noqa: S301 - our own worker's bytes

    def _give(
        self,
        connection: Connection,
        work: bytes,
        waiting: Iterator[Any],
        has_work: set[Connection],
        busy: list[Connection],
    ) -> None:
        """Sends the next task, with the work where the worker has not got it yet."""
        for task in waiting:
            message = pickle.dumps((None if connection in has_work else work, task), pickle.HIGHEST_PROTOCOL)
            has_work.add(connection)
            try:
                connection.send_bytes(message)
            except OSError as error:
                raise self._lost(connection) from error
            busy.append(connection)
            return

    def _receive(self, connection: Connection) -> tuple[bytes, bytes]:
        try:
            return connection.recv_bytes(), connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._lost(connection) from error

    def _lost(self, connection: Connection) -> WorkerLostError:
        return self._ended(self._end_of(self._connections.index(connection)))

    @staticmethod
    def _ended(how: str) -> WorkerLostError:
        return WorkerLostError(
            "a worker process of the local engine has ended before its work was done",
            value=how,
            expected="workers that live until the stage is done",
            hint=f"{_AGAIN}; where memory is short, lower `local.processes` or raise `local.worker_memory_mib`",
        )

    def _end_of(self, place: int) -> str:
        """What the server says of the end of a worker."""
        stream = self._server.stdout
        while stream is not None and select.select([stream], [], [], _STATUS_WAIT_S)[0]:
            line = os.read(stream.fileno(), 1 << 16).decode()
            found = dict(part.split() for part in line.splitlines())
            if str(place) in found:
                status = int(found[str(place)])
                is_killed = os.WIFSIGNALED(status)
                return f"signal {signal.Signals(os.WTERMSIG(status)).name}" if is_killed else f"status {status >> 8}"
            if not line:
                break
        return "the server that forks the workers has ended"

    def _failure(self, error: BaseException, text: str) -> LakeError:
        """What a worker raised: an error of ours as it is, others as a StageError."""
        if isinstance(error, LakeError):
            return error
        if isinstance(error, MemoryError | pa.ArrowMemoryError):
            return StageError(
                "a worker process of the local engine needs more memory than it may have",
                value=f"local.worker_memory_mib = {self.config.worker_memory_mib:,}",
                hint="raise it and lower `local.processes`, or give `--engine spark`",
                examples=text.strip().splitlines()[-3:-1],
            )
        return StageError(
            "a worker process of the local engine failed",
            value=first_line(error),
            hint=_AGAIN,
            examples=text.strip().splitlines()[-3:-1],
        )

    def stop(self) -> None:
        """Ends server and workers, whatever they do, and waits for the server."""
        with self._stopping:
            self._stop()

    def _stop(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections = []
        if self._server.stdin is not None:
            self._server.stdin.close()
        try:
            self._server.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        if self._server.stdout is not None:
            self._server.stdout.close()


_shared: list[WorkerPool] = []
_shared_lock = threading.Lock()


def shared_pool(config: LocalConfig, preload: Sequence[str]) -> WorkerPool:
    """This process's one pool, begun anew where the last one has ended or had another config."""
    with _shared_lock:
        if _shared and not (_shared[0].config == config and _shared[0].is_alive):
            _shared.pop().stop()
        if not _shared:
            _shared.append(WorkerPool(config, preload))
        return _shared[0]


def is_working() -> bool:
    """Whether this process's pool has work."""
    with _shared_lock:
        return any(pool.is_working for pool in _shared)


@atexit.register
def stop_shared_pool() -> None:
    """Ends this process's pool; a later `shared_pool` begins another."""
    with _shared_lock:
        while _shared:
            _shared.pop().stop()
