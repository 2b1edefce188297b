"""A run's progress in Prefect's UI: one progress artifact, moved by the stages and their steps."""

import contextlib
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from lakebed.tasks.runtime.logs import working_stage
from lakebed.tasks.runtime.progress import Progress, Step

if TYPE_CHECKING:
    from uuid import UUID

UPDATE_S = 2.0
_LOGGED_FROM_S = 1.0


class ServerProgress(Progress):
    """Passes everything on to another progress, and tells the server every two seconds how far the run is.

    A stage counts for an equal share; within it, its longest step so far does. A server that does not answer costs
    the run nothing but the picture.
    """

    def __init__(self, inner: Progress, names: tuple[str, ...], key: str) -> None:
        super().__init__(is_quiet=True)
        self._inner = inner
        self._names = names
        self._key = key
        self._lock = threading.Lock()
        self._n_done = 0
        # share of each stage that works now, and the steps of it
        self._shares: dict[str, float] = {}
        self._steps: list[tuple[str, Step]] = []
        self._is_over = threading.Event()
        self._told: tuple[float, str] = (0.0, "")

    @contextlib.contextmanager
    def running(self) -> Iterator["ServerProgress"]:
        """Shows the artifact while the block runs; at its end it says 100 %, unless the block failed."""
        artifact = None
        with contextlib.suppress(Exception):
            artifact = cast("UUID", create_progress_artifact(0.0, key=self._key, description="starting"))
        if artifact is None:
            yield self
            return
        context = copy_context()
        teller = threading.Thread(target=context.run, args=(self._tell, artifact), name="progress", daemon=True)
        teller.start()
        try:
            yield self
            self._n_done, self._shares = len(self._names), {}
        finally:
            self._is_over.set()
            teller.join()
            self._update(artifact)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One stage, beside which others may work."""
        token = working_stage.set(name)
        with self._lock:
            self._shares[name] = 0.0
        try:
            yield
            # one that fails is still told at the end
            with self._lock:
                self._n_done += 1
                del self._shares[name]
        finally:
            working_stage.reset(token)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        """A step, as the other progress shows it."""
        with self._inner.step(name, total) as step:
            named = (working_stage.get(), step)
            self._steps.append(named)
            try:
                yield step
            finally:
                self._steps.remove(named)

    def note(self, text: str) -> None:
        """One line."""
        self._inner.note(text)

    def state(self) -> tuple[float, str]:
        """Percent, and what is being done, in words."""
        steps = list(self._steps)
        with self._lock:
            for name, step in steps:
                if step.total and name in self._shares:
                    self._shares[name] = max(self._shares[name], min(step.n_done / step.total, 0.95))
            shares = dict(self._shares)
        if self._n_done >= len(self._names):
            return 100.0, f"{len(self._names)} stages done"
        percent = 100.0 * (self._n_done + sum(shares.values())) / len(self._names)
        going = list(shares) or [self._names[self._n_done]]
        where = f"stage {' and '.join(going)}, {self._n_done + len(going)} of {len(self._names)}"
        doing = "; ".join(" ".join(filter(None, [step.name, step.state()])) for _, step in steps[-len(going) :])
        return min(percent, 99.9), f"{where}: {doing}" if doing else where

    def _tell(self, artifact: "UUID") -> None:
        while not self._is_over.wait(UPDATE_S):
            self._update(artifact)

    def _update(self, artifact: "UUID") -> None:
        now = self.state()
        if now == self._told:
            return
        self._told = now
        with contextlib.suppress(Exception):
            update_progress_artifact(artifact, now[0], now[1])


class RunLogProgress(Progress):
    """Writes steps of a second and more, and notes, into the flow run's log."""

    def __init__(self, logger: Any) -> None:
        super().__init__(is_quiet=True)
        self._logger = logger

    def note(self, text: str) -> None:
        """One line."""
        self._logger.info("%s", text)

    def _say(self, step: Step, seconds: float, mark: str) -> None:
        if mark or seconds >= _LOGGED_FROM_S:
            super()._say(step, seconds, mark)
