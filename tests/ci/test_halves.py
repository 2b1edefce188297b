"""Two processes share the test files: every test runs once, and a failure in either is one."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# a test that tells that it ran, and in which process; the first of a process waits for the others
TELLING = """
import os, pathlib, time, pytest

@pytest.fixture(scope="package")
def place():
    return pathlib.Path("told")

@pytest.mark.parametrize("n", range(3))
def test_one(place, n):
    pathlib.Path(f"pid-{os.getpid()}").touch()
    until = time.monotonic() + 60
    while len(list(pathlib.Path().glob("pid-*"))) < int(os.environ["PROCESSES"]) and time.monotonic() < until:
        time.sleep(0.02)
    with place.open("a") as told:
        told.write(f"{__name__}-{n} {os.getpid()}\\n")
    assert not (pathlib.Path(f"{__name__}.fails").exists() and n == 1)
"""
NAMES = [f"test_{letter}" for letter in "abcdef"]


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(TELLING)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--strict-config"\n')
    return tmp_path


def halves(folder, *arguments, processes=2):
    command = [sys.executable, "-m", "tests.halves", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PROCESSES": str(processes)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def told(folder):
    return [line.split() for line in (folder / "told").read_text().splitlines()]


def test_each_test_runs_once_in_one_of_two_processes(folder):
    done = halves(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("configfile: pyproject.toml") == 2
    assert Counter(name for name, _ in told(folder)) == {f"{name}-{n}": 1 for name in NAMES for n in range(3)}
    assert len({pid for _, pid in told(folder)}) == 2
    # a file is one process's
    assert len({(name[:-2], pid) for name, pid in told(folder)}) == len(NAMES)
    assert done.stdout.splitlines()[-1].startswith("== 18 passed in ")


@pytest.mark.parametrize("name", [NAMES[0], NAMES[3]])
def test_a_failure_in_either_is_told_and_is_one(folder, name):
    (folder / f"{name}.fails").touch()
    done = halves(folder)
    assert done.returncode == 1
    assert f"FAILED {name}.py::test_one[1]" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("== 1 failed, 17 passed in ")


def test_a_file_that_cannot_be_collected_is_a_failure(folder):
    (folder / "test_g.py").write_text("import nothing_of_this_name\n")
    assert halves(folder).returncode == 2
    assert not (folder / "told").exists()


def test_what_is_named_runs_in_one(folder):
    done = halves(folder, "test_a.py", processes=1)
    assert done.returncode == 0 and "two processes" not in done.stdout
    assert len({pid for _, pid in told(folder)}) == 1
