"""For pytest, `-p tests.deadline --deadline TIME`: what is not over by then is skipped and named, and fails nothing.

A test that runs at that moment is cut, in order: its fixtures are still torn down. What would be missed most is first:
kills, then what other systems answer. What repeats one thing under many seeds, or takes many minutes, comes last.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# by the beginning of a test's name
FIRST = (
    "tests/flows/test_kill.py",
    "tests/tasks/quarantine/",
    "tests/flows/test_gc_kill.py",
    "tests/flows/test_kill_incremental.py",
    "tests/tasks/runtime/",
    "tests/flows/test_sources.py",
    "tests/flows/test_object_stores.py",
    "tests/flows/test_watched_run.py",
    "tests/flows/cli/",
    "tests/flows/test_engines.py",
    "tests/lakebed/",
)
LAST = (
    "tests/flows/test_keepers.py",
    "tests/flows/test_growing_lakes.py",
    "tests/flows/test_deployed.py",
    "tests/docs/test_readme.py",
    "tests/infra/test_wheel.py",
    "tests/tasks/links/test_stage.py",
    "tests/connectors/lake/iceberg/test_random.py",
    "tests/tasks/retention/",
    "tests/flows/test_random_kills.py",
)

_missed: Counter[str] = Counter()


def pytest_addoption(parser):
    parser.addoption(
        "--deadline", type=float, default=float("inf"), help="Seconds since 1970 at which no test goes on."
    )


def _place(item: pytest.Item) -> int:
    for place, name in enumerate(FIRST, -len(FIRST)):
        if item.nodeid.startswith(name):
            return place
    return next((place for place, name in enumerate(LAST, 1) if item.nodeid.startswith(name)), 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


@contextmanager
def _limited(item: pytest.Item) -> Iterator[None]:
    left = item.config.getoption("--deadline") - time.time()

    def cut(*_: object) -> None:
        _missed[item.nodeid.partition("::")[0]] += 1
        raise pytest.skip.Exception("no time left")

    if left <= 0:
        cut()
    before = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, min(left, 1e6))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item):
    with _limited(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item):
    with _limited(item):
        return (yield)


def pytest_terminal_summary(terminalreporter):
    for file, n_tests in _missed.items():
        terminalreporter.write_line(f"not reached: {file}, {n_tests} test{'s' * (n_tests > 1)}")
