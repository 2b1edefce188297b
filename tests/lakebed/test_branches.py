"""Stages side by side: order, what is shown of a failure, and one after the other where memory is short."""

import threading
import time
from contextvars import ContextVar

import pytest

from lakebed import branches
from lakebed.branches import parted, run_branches
from lakebed.chain import chosen_stages
from lakebed.connectors.lake.isolated import crowded
from lakebed.connectors.memory import Memory
from lakebed.tasks.runtime.definition import Sections

PLENTY = Memory(64 << 30, 64 << 30, False)
WAIT_S = 60
told: ContextVar[str] = ContextVar("told", default="")


@pytest.fixture(autouse=True)
def plenty(monkeypatch):
    monkeypatch.setattr(branches, "usable_memory", lambda: PLENTY)


def run(stages, make, at_once=2):
    """As `run_here` and the flow do."""
    alone, others = parted(stages)
    for stage in alone:
        make(stage)
    run_branches(others, Sections(), make, at_once=at_once)


class Making:
    """Notes what is made, and with what beside it; a stage may wait until another has begun."""

    def __init__(self, waits=None, fails=()):
        self.waits, self.fails = waits or {}, fails
        self.begun = {stage.name: threading.Event() for stage in chosen_stages("links")}
        self.ended, self.going, self.beside, self.threads = [], set(), {}, {}
        self.lock, self.failing = threading.Lock(), threading.Event()

    def __call__(self, stage):
        name = stage.name
        with self.lock:
            self.going.add(name)
            self.beside[name] = {*self.going} - {name}
            self.threads[name] = threading.current_thread()
            # no fork of the other branch's threads
            assert crowded.is_set() == (self.is_crowded and name not in {"inventory", "containment"})
            assert set(stage.requires) <= {*self.ended}, name
        self.begun[name].set()
        if name in self.waits:
            assert self.begun[self.waits[name]].wait(WAIT_S), name
        assert told.get() == "by the caller"
        if self.fails and name not in {"inventory", "containment", *self.fails}:
            assert self.failing.wait(WAIT_S)
            # the failure is noted within this time, so that nothing begins after it
            time.sleep(0.5)
        with self.lock:
            self.going.remove(name)
            if name in self.fails:
                self.failing.set()
                raise ValueError(name)
            self.ended.append(name)

    def run(self, to="index", at_once=2, *, is_crowded=True):
        self.is_crowded = is_crowded
        told.set("by the caller")
        run(chosen_stages(to), self, at_once)


def test_neither_of_two_branches_waits_for_the_other():
    making = Making({"lakegraph": "relations", "summary": "retention"})
    making.run()
    assert set(making.ended) == {stage.name for stage in chosen_stages()}
    assert not crowded.is_set()
    assert making.ended[:2] == ["inventory", "containment"]
    # nothing takes the machine from what somebody waits for
    assert not making.beside["inventory"] and not making.beside["containment"]
    assert len(set(making.threads.values())) == 2


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_every_stage_is_made_once_after_those_that_it_reads(at_once):
    making = Making()
    making.run("links", at_once, is_crowded=at_once > 1)
    assert sorted(making.ended) == sorted(stage.name for stage in chosen_stages("links"))
    if at_once == 1:
        assert making.ended == [stage.name for stage in chosen_stages("links")]
        assert set(making.threads.values()) == {threading.current_thread()}


def test_where_memory_is_short_they_are_made_one_after_the_other(monkeypatch):
    monkeypatch.setattr(branches, "usable_memory", lambda: Memory(4 << 30, 1 << 30, True))
    making = Making()
    making.run(is_crowded=False)
    assert making.ended == [stage.name for stage in chosen_stages()]


@pytest.mark.parametrize("broken", ["relations", "lakegraph"])
def test_a_failure_lets_the_other_branch_end_its_stage_and_begins_no_other(broken):
    other = {"relations": "lakegraph", "lakegraph": "relations"}[broken]
    making = Making({broken: other, other: broken}, {broken})
    with pytest.raises(ValueError, match=broken):
        making.run()
    assert making.ended == ["inventory", "containment", other]


def test_what_is_no_exception_ends_the_run_from_any_thread():
    """As a panic of deltalake's is."""

    class Panic(BaseException):
        pass

    making = Making({"relations": "lakegraph", "lakegraph": "relations"})
    making.is_crowded = True

    def make(stage):
        making(stage)
        if threading.current_thread() is not threading.main_thread():
            raise Panic(stage.name)

    told.set("by the caller")
    with pytest.raises(Panic):
        run(chosen_stages(), make)
    assert not crowded.is_set()


def test_an_interrupt_reaches_the_caller():
    making, beside = Making({"relations": "lakegraph", "lakegraph": "relations"}), threading.Event()
    making.is_crowded = True

    def make(stage):
        making(stage)
        if stage.name in {"relations", "lakegraph"}:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            # the interrupt is noted within this time, so that nothing begins after it
            time.sleep(0.5)
            beside.set()

    told.set("by the caller")
    with pytest.raises(KeyboardInterrupt):
        run(chosen_stages(), make)
    assert beside.wait(WAIT_S) and len(making.ended) == 4
