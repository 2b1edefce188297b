"""`.ci/run` ends in time, names the heavy tests that it did not reach, and fails only where it must."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import deadline

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "test_a.py": "def test_quick(): pass\n",
    "test_b.py": """
import pathlib, time, pytest

@pytest.fixture
def server(request):
    request.config.option.deadline = time.time() + 0.5
    yield
    pathlib.Path("torn_down").touch()

def test_long(server):
    try:
        time.sleep(60)
    except Exception:
        pass
""",
    "test_c.py": "def test_one(): pass\ndef test_two(): pass\n",
    "test_d.py": "def test_wrong(): assert False\n",
}


def pytest_in(folder, *names, seconds=600):
    for name in names:
        (folder / name).write_text(FILES[name])
    command = [sys.executable, "-m", "pytest", "-p", "tests.deadline", "--deadline", str(time.time() + seconds)]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


def test_what_is_not_over_by_the_deadline_is_named_and_fails_nothing(tmp_path):
    begun = time.monotonic()
    done = pytest_in(tmp_path, "test_a.py", "test_b.py", "test_c.py")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    assert "not reached: test_b.py, 1 test\nnot reached: test_c.py, 2 tests\n" in done.stdout
    assert (tmp_path / "torn_down").exists()
    assert time.monotonic() - begun < 50


def test_what_failed_before_the_deadline_fails(tmp_path):
    done = pytest_in(tmp_path, "test_a.py", "test_d.py")
    assert done.returncode == 1
    assert "not reached" not in done.stdout


def test_without_time_everything_is_named(tmp_path):
    done = pytest_in(tmp_path, "test_a.py", "test_d.py", seconds=-1)
    assert done.returncode == 0, done.stdout
    assert "not reached: test_a.py, 1 test\nnot reached: test_d.py, 1 test\n" in done.stdout


def test_what_would_most_be_missed_is_run_first_and_what_repeats_itself_last(tmp_path):
    files = ("tests/flows/test_random_kills.py", "tests/flows/test_lake.py", "tests/flows/test_kill.py")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FILES["test_a.py"])
    done = pytest_in(tmp_path, seconds=-1)
    told = [f"not reached: {name}, 1 test" for name in reversed(files)]
    assert [line for line in done.stdout.splitlines() if line.startswith("not reached")] == told


@pytest.mark.parametrize("name", [*deadline.FIRST, *deadline.LAST])
def test_what_has_a_place_in_the_order_is_there(name):
    assert (ROOT / name).exists()


@pytest.fixture
def checkout(tmp_path):
    """A checkout of `.ci/run`, whose `make` and pytest do what variables say."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    scripts = {
        "bin/make": '[ "$1" = "$SLOW" ] && sleep 60\necho "made $1"\n[ "$1" != "$WRONG" ]\n',
        ".venv/bin/python": 'echo "$@"\necho "not reached: x.py, 2 tests"\necho "1 passed"\n[ "$WRONG" != heavy ]\n',
    }
    for name, text in scripts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
    return tmp_path


def run(checkout, limit_s=300, **variables):
    own = {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "CI_LIMIT_S": str(limit_s), **variables}
    return subprocess.run(
        ["bash", ".ci/run"], cwd=checkout, env=os.environ | own, capture_output=True, text=True, check=False
    )


def test_heavy_tests_that_were_not_reached_are_named_at_its_end_without_failing(checkout):
    begun = time.time()
    done = run(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, asked, _, _, named, made, heavy, status = done.stdout.splitlines()
    assert asked.startswith("-m pytest -m heavy and not long -p tests.deadline --deadline ")
    # three minutes are kept for what has to stop in order
    assert abs(float(asked.split()[-1]) - begun - 120) < 60
    assert named == "not reached: x.py, 2 tests"
    assert made == "== test: made test"
    assert heavy == "== heavy: 1 passed"
    assert status.startswith("== status 0 after ")


@pytest.mark.parametrize("step", ["setup", "check", "test"])
def test_what_must_fit_and_does_not_is_a_failure(checkout, step):
    begun = time.monotonic()
    done = run(checkout, 2, SLOW=step)
    assert done.returncode == 1
    assert f"== {step}: not over after 2 s\n== {step}: FAILED" in done.stdout
    assert time.monotonic() - begun < 55


@pytest.mark.parametrize("step", ["setup", "check", "test", "heavy"])
def test_what_fails_is_a_failure_though_all_else_passes(checkout, step):
    done = run(checkout, WRONG=step)
    assert done.returncode == 1
    assert f"== {step}: FAILED" in done.stdout and "not over" not in done.stdout
    assert ("made test" in done.stdout) == (step != "setup")
