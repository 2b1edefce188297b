"""Stages side by side: those of which neither reads the other's artifact, such as retention and the lake graph."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context

from lakebed.connectors.lake.isolated import crowded
from lakebed.connectors.memory import usable_memory
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.definition import Sections, StageDef

# what the stages of two branches take together on large lakes, beside what the workers may
_FREE_BYTES = 6 << 30
# a stage that works beside one that is interrupted is waited for so long; it publishes nothing after its run's end
_STOPPED_S = 20.0
# the stage on which most others wait has the workers first: what begins beside it waits so long for it to take them
_FIRST_S, _LOOK_S = 3.0, 0.02
# somebody waits for the containments: nothing takes the machine from these
_ALONE = (INVENTORY.name, CONTAINMENT.name)


def parted(stages: Sequence[StageDef]) -> tuple[list[StageDef], list[StageDef]]:
    """The stages that have the machine for themselves, which come first, and those that may work side by side."""
    alone = [stage for stage in stages if stage.name in _ALONE]
    return alone, [stage for stage in stages if stage.name not in _ALONE]


def run_branches(
    stages: Sequence[StageDef], sections: Sections, make: Callable[[StageDef], None], *, at_once: int
) -> None:
    """Makes each stage after those that it reads; up to `at_once` at a time where memory allows.

    Of those that could begin, the one on which most others wait comes first. The threads beside this one have a copy
    of its context.

    Args:
        stages: in an order in which each comes after those that it reads.
        sections: of the configuration.
        make: makes one stage.
        at_once: stages at a time; with 1 they are made in their order, in this thread.

    Raises:
        BaseException: the first that `make` raises; what works elsewhere then is let finish, and kept.
    """
    if at_once == 1 or len(stages) < 2 or usable_memory().available_bytes < _FREE_BYTES:
        for stage in stages:
            make(stage)
    else:
        _Branches(stages, sections, make).run(min(at_once, len(stages)))


class _Branches:
    """What waits, works and is made; guarded by one condition."""

    def __init__(self, stages: Sequence[StageDef], sections: Sections, make: Callable[[StageDef], None]) -> None:
        self._make = make
        self._waiting = list(stages)
        names = {stage.name for stage in stages}
        self._reads = {stage.name: names.intersection(stage.reads(sections)) for stage in stages}
        self._n_after = dict.fromkeys(self._reads, 0)
        for name in reversed(self._reads):
            for read in self._reads[name]:
                # on long chains one stage is counted more than once: all the more waits for it
                self._n_after[read] += 1 + self._n_after[name]
        self._need_workers = {stage.name for stage in stages if stage.needs_engine}
        self._made: set[str] = set()
        self._working: set[str] = set()
        self._changed = threading.Condition()
        self._error: BaseException | None = None

    def run(self, at_once: int) -> None:
        """Until all is made, or something has failed and what worked beside it has ended."""
        threads = [
            threading.Thread(target=copy_context().run, args=(self._beside,), name=f"branch-{number}", daemon=True)
            for number in range(1, at_once)
        ]
        crowded.set()
        try:
            for thread in threads:
                thread.start()
            self._work()
            for thread in threads:
                thread.join()
        except BaseException as error:
            is_interrupt = not isinstance(error, Exception)
            self._fail(error, is_first=is_interrupt)
            for thread in threads:
                thread.join(_STOPPED_S if is_interrupt else None)
        finally:
            crowded.clear()
        if self._error is not None:
            raise self._error

    def _beside(self) -> None:
        self._let_first_begin()
        # what was raised is raised again in the thread that waits
        with suppress(BaseException):
            self._work()

    def _let_first_begin(self) -> None:
        from lakebed.tasks.scan.pool import is_working

        end = time.monotonic() + _FIRST_S
        while time.monotonic() < end and not (is_working() or self._made or self._error):
            # what comes first is begun, and asks no worker
            if self._working and not self._working & self._need_workers:
                return
            time.sleep(_LOOK_S)

    def _work(self) -> None:
        while (stage := self._next()) is not None:
            try:
                self._make(stage)
            except BaseException as error:
                self._fail(error)
                raise
            with self._changed:
                self._working.remove(stage.name)
                self._made.add(stage.name)
                self._changed.notify_all()

    def _next(self) -> StageDef | None:
        """The next stage to make, waited for; None where nothing is left, or something has failed."""
        with self._changed:
            while self._waiting and self._error is None:
                if ready := [stage for stage in self._waiting if self._reads[stage.name] <= self._made]:
                    stage = max(ready, key=lambda one: self._n_after[one.name])
                    self._waiting.remove(stage)
                    self._working.add(stage.name)
                    return stage
                self._changed.wait()
            return None

    def _fail(self, error: BaseException, *, is_first: bool = False) -> None:
        with self._changed:
            self._error = error if is_first else self._error or error
            self._changed.notify_all()
