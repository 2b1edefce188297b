"""For pytest, `-p tests.deadline --deadline TIME`: what is not over by then is skipped and named, and fails nothing.

A test that runs at that moment is cut, in order: its fixtures are still torn down.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_missed: Counter[str] = Counter()


def pytest_addoption(parser):
    parser.addoption(
        "--deadline", type=float, default=float("inf"), help="Seconds since 1970 at which no test goes on."
    )


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
