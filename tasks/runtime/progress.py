"""Progress on standard error: bars on a terminal, plain lines when piped.

A step under a second leaves one line. A longer one shows a bar on a terminal, and a line every ten seconds elsewhere.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from lakebed.connectors.errors import visible
from lakebed.connectors.redaction import redacted

_BAR_AFTER_S = 1.0
_LINE_EVERY_S = 10.0


class Step:
    """One piece of work of which it is known how far it is; threads may advance it."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name = name
        self.total = total
        self.n_done = 0
        self._lock = threading.Lock()

    def advance(self, n: int = 1) -> None:
        """Note that `n` more units are done."""
        with self._lock:
            self.n_done += n

    def state(self) -> str:
        """How far it is, in words: "1,200 of 2,293"; empty where there is nothing to count."""
        if self.total is not None:
            return f"{self.n_done:,} of {self.total:,}"
        return f"{self.n_done:,}" if self.n_done else ""


class Progress:
    """Shows steps; `is_quiet` shows nothing."""

    def __init__(self, stream: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._has_bar = threading.Lock()
        # in a notebook lines are shown, as in a pipe: rich's own display there needs packages that may be missing
        out = stream or sys.stderr
        self._console = Console(file=out, highlight=False, soft_wrap=True, quiet=is_quiet, force_jupyter=False)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        """A step with its bar or lines; ends with a line of its time, also when it fails.

        Args:
            name: what is done, such as "Reading footers".
            total: number of units, if known; `Step.advance` counts them.
        """
        step = Step(name, total)
        start = time.perf_counter()
        is_over = threading.Event()
        show = self._show_bar if self._console.is_terminal else self._show_lines
        watcher = threading.Thread(target=show, args=(step, is_over), daemon=True)
        watcher.start()
        mark = "failed: "
        try:
            yield step
            mark = ""
            step.n_done = step.n_done if total is None else total
        finally:
            is_over.set()
            watcher.join()
            self._say(step, time.perf_counter() - start, mark)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage of the chain, which is shown by its steps alone."""
        yield

    def note(self, text: str) -> None:
        """One line, without secrets and control characters."""
        self._console.print(visible(redacted(text)), markup=False)

    def _say(self, step: Step, seconds: float, mark: str) -> None:
        state = f" {step.state()}" if step.state() else ""
        self.note(f"{mark}{step.name}{state} ({seconds:.1f} s)")

    def _show_lines(self, step: Step, is_over: threading.Event) -> None:
        start = time.perf_counter()
        while not is_over.wait(_LINE_EVERY_S):
            self._say(step, time.perf_counter() - start, "… ")

    def _show_bar(self, step: Step, is_over: threading.Event) -> None:
        """A bar after the first second; it is removed at the end, when the closing line takes its place.

        One bar at a time: a step inside another has its closing line only.
        """
        if is_over.wait(_BAR_AFTER_S) or not self._has_bar.acquire(blocking=False):
            return
        try:
            self._draw_bar(step, is_over)
        finally:
            self._has_bar.release()

    def _draw_bar(self, step: Step, is_over: threading.Event) -> None:
        with self._bars(step.total) as bars:
            task: TaskID = bars.add_task(step.name, total=step.total)
            while not is_over.wait(0.1):
                bars.update(task, completed=step.n_done)

    def _bars(self, total: int | None) -> Bars:
        counted = [] if total is None else [BarColumn(), MofNCompleteColumn()]
        text = TextColumn("{task.description}")
        return Bars(SpinnerColumn(), text, *counted, TimeElapsedColumn(), console=self._console, transient=True)


_shown = [Progress(is_quiet=True)]


def show(progress: Progress) -> None:
    """Makes `progress` the one that stages report to in this process; until then they report to nobody."""
    _shown[0] = progress


def shown() -> Progress:
    """The progress that stages report to."""
    return _shown[0]


@contextlib.contextmanager
def telling(progress: bool | Progress) -> Iterator[Progress]:
    """Shows progress (or none, or by one of the caller's); afterwards whoever showed it before does so again."""
    before = shown()
    show(progress if isinstance(progress, Progress) else Progress(is_quiet=not progress))
    try:
        yield shown()
    finally:
        show(before)
