"""`python -m tests.halves ARGUMENTS`: pytest in two processes, which share the test files between them as they go.

Each has sessions and shared runs of its own. The first begins at the front, the second in the middle, each takes the
next file that nobody has taken. Where a file or folder is named, or one core is all there is, it is pytest alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

OUTCOMES = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")


def pytest_addoption(parser):
    parser.addoption("--claims", type=Path, help="Folder of this run, where a file tells that a test file is taken.")
    parser.addoption("--second", action="store_true", help="Begin in the middle.")


def _claimed(session: pytest.Session) -> Iterator[pytest.Item]:
    """The tests of each file that the other process has not taken, which is asked when the one before is through."""
    files = [(name, list(items)) for name, items in groupby(session.items, lambda item: item.nodeid.partition("::")[0])]
    start = len(files) // 2 if session.config.getoption("--second") else 0
    for name, items in files[start:] + files[:start]:
        try:
            (session.config.getoption("--claims") / name.replace("/", "~")).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from items


def pytest_runtestloop(session: pytest.Session) -> bool:
    """As pytest's own, over the tests that are this process's."""
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        raise session.Interrupted(f"{session.testsfailed} errors while tests were collected")
    if session.config.option.collectonly:
        return True
    mine = _claimed(session)
    item = next(mine, None)
    while item is not None:
        # what is torn down after a test depends on the next one
        following = next(mine, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def pytest_terminal_summary(terminalreporter, config):
    counts = {name: len(terminalreporter.stats.get(name, ())) for name in OUTCOMES}
    (config.getoption("--claims") / f"{os.getpid()}.json").write_text(json.dumps(counts))


def main(arguments: list[str]) -> int:
    """Runs both; the second one's output follows the first one's. Answers the first status that is not 0."""
    pytest_here = [sys.executable, "-m", "pytest"]
    is_part = any(Path(argument.partition("::")[0]).exists() for argument in arguments)
    if is_part or (os.cpu_count() or 1) < 2:
        return subprocess.call([*pytest_here, *arguments])
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as claims, tempfile.TemporaryFile("w+") as output:
        # in one word: pytest looks for its settings above every folder that stands alone
        command = [*pytest_here, "-p", "tests.halves", f"--claims={claims}", *arguments]
        second = subprocess.Popen([*command, "--second"], stdout=output, stderr=subprocess.STDOUT)
        try:
            statuses = [subprocess.call(command), second.wait()]
        finally:
            second.terminate()
            second.wait()
            output.seek(0)
            print(f"== the second process\n{output.read()}")
        found = sum((Counter(json.loads(path.read_text())) for path in Path(claims).glob("*.json")), Counter())
    told = ", ".join(f"{found[name]} {name}" for name in OUTCOMES if found[name]) or "no tests ran"
    print(f"== {told} in {time.monotonic() - begun:.0f} s, by two processes")
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
