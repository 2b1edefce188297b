"""Great Expectations beside the run: a process of its own, because its import alone takes 11-24 s.

It takes requests from the run's inbox (`expectations_queue.py`), writes each verdict beside the artifact's manifest
and a data docs site into the run's folder (`expectations_worker.py`). It ends with its parent, even after kill -9:
the pipe to its standard input closes then.
"""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import ArtifactError, ContractError, LakeError
from lakebed.connectors.python_process import module_command, module_environment
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.expectations_queue import VERDICTS, RequestVerdict

SUMMARY = "expectations/verdicts.json"
DOCS = "expectations/docs"
LOG = "expectations/worker.log"
FINISH = b"finish\n"

_POLL_S = 0.2
_LOG_TAIL = 3


class Verdicts(FrozenConfig):
    """All outcomes of a run; `failed` means that Great Expectations itself did not get through."""

    status: Literal["passed", "rejected", "failed"]
    seconds: float
    docs: str = ""
    reason: str = ""
    requests: tuple[RequestVerdict, ...] = ()

    def require_passed(self) -> None:
        """Let the run end well only if every verdict is in and none is a rejection.

        Raises:
            ContractError: if an artifact or a table was rejected.
            ArtifactError: if the process did not get through.
        """
        if self.status == "rejected":
            names = [request.name for request in self.requests if request.status == "rejected"]
            raise ContractError(
                f"Great Expectations rejected {len(names)} of {len(self.requests)} requests; "
                "the artifacts among them are not reused",
                examples=names,
                hint=f"open {self.docs}",
            )
        if self.status == "failed":
            raise ArtifactError(
                "Great Expectations did not finish, so the run is not complete",
                value=self.reason,
                hint="run the same command again: what has no verdict is checked then",
            )


class ExpectationsProcess:
    """The process of one run. Use `start`, then `finish` or `stop`."""

    def __init__(self, run_folder: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._storage = Storage.at(run_folder)
        self._process = process
        self._log = log
        self._started = time.perf_counter()

    @classmethod
    def start(cls, run_folder: str) -> "ExpectationsProcess":
        """Start the process of a run at low priority; its output goes to a log in the run's folder."""
        storage = Storage.at(run_folder)
        with _open_log(storage) as log:
            process = subprocess.Popen(
                module_command("lakebed.tasks.runtime.expectations_worker", run_folder),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # its telemetry and progress bars are off
                env=module_environment(GX_ANALYTICS_ENABLED="false", TQDM_DISABLE="1"),
                # Ctrl-C in a terminal reaches a whole group: the run ends it, and says why
                process_group=0,
            )
            return cls(run_folder, process, Path(log.name))

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait_for(self, names: Sequence[str], timeout_s: float) -> list[RequestVerdict]:
        """Wait for the verdicts on single requests, such as the user's suites for tables of the lake.

        Raises:
            ArtifactError: if the process ends or the time is over before they are in.
        """
        deadline = time.monotonic() + timeout_s
        paths = [f"{VERDICTS}/{name}.json" for name in names]
        while missing := [path for path in paths if self._storage.stat(path) is None]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ArtifactError(
                    f"Great Expectations has not judged {len(missing)} of {len(paths)} requests",
                    value=self._reason("it has ended" if self._process.poll() is not None else "the time is over"),
                    hint=f"see {self._log}",
                )
            time.sleep(_POLL_S)
        return [RequestVerdict.model_validate_json(self._storage.read_bytes(path)) for path in paths]

    def finish(self, timeout_s: float = 600.0) -> Verdicts:
        """Let the process judge all that is queued, write the docs and end; then all its verdicts."""
        try:
            return self._finish(timeout_s)
        finally:
            self._keep_log()

    def _finish(self, timeout_s: float) -> Verdicts:
        try:
            self._tell_and_wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._kill()
            return self._failed(f"not finished after {timeout_s:.0f} s")
        if self._process.returncode != 0:
            return self._failed(f"its process ended with status {self._process.returncode}")
        try:
            summary = Verdicts.model_validate_json(self._storage.read_bytes(SUMMARY))
        except (ArtifactError, ValidationError) as error:
            return self._failed(str(error))
        return summary.model_copy(update={"seconds": self._seconds()})

    def stop(self) -> None:
        """End the process now, whatever it does."""
        self._kill()
        self._keep_log()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._close()

    def _tell_and_wait(self, timeout_s: float) -> None:
        """Say that nothing more will come; the pipe stays open, because its end means that the parent died."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(FINISH)
                self._process.stdin.flush()
        self._process.wait(timeout_s)
        self._close()

    def _keep_log(self) -> None:
        """Moves the log to an object store, to which no process writes line by line, from where it was written."""
        if not self._storage.is_local and self._log.exists():
            with contextlib.suppress(LakeError):
                self._storage.write_bytes_atomic(LOG, self._log.read_bytes())
                self._log.unlink()

    def _close(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def _failed(self, why: str) -> Verdicts:
        return Verdicts(status="failed", seconds=self._seconds(), reason=self._reason(why))

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _reason(self, why: str) -> str:
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()[-_LOG_TAIL:]
        except OSError:
            lines = []
        return "; ".join([why, *lines])


def _open_log(storage: Storage) -> IO[bytes]:
    if not storage.is_local:
        return tempfile.NamedTemporaryFile(prefix="lakebed-expectations-", suffix=".log", delete=False)
    storage.make_folder("expectations")
    return open(storage.uri(LOG), "wb")
