"""Set-up as a user meets it: `infra/setup/setup.py` in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "infra" / "setup" / "setup.py"
STAMPS = ROOT / ".venv" / "share" / "lakebed" / "setup.json"


def checkout(folder: Path) -> Path:
    """What set-up's checks need, without a .venv."""
    (folder / "infra" / "setup").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "infra" / "setup")
    shutil.copytree(ROOT / "connectors", folder / "connectors", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def set_up(folder: Path, path: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(folder / "infra" / "setup" / "setup.py")]
    environment = {"PATH": path, "HOME": str(folder), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def tools(folder: Path, *names: str) -> str:
    """A PATH with only these programs."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or "")
    return str(folder)


def test_a_missing_jdk_is_named_at_once_with_the_fix(tmp_path):
    root = checkout(tmp_path / "checkout")
    begun = time.monotonic()
    done = set_up(root, tools(tmp_path / "bin", "g++"))
    assert done.returncode == 1
    assert "Java was not found" in done.stderr
    assert "apt-get install openjdk-17" in done.stderr
    assert "conda" in done.stderr
    assert "compiler" not in done.stderr
    assert time.monotonic() - begun < 10
    assert not (root / ".venv").exists()


def test_a_missing_compiler_is_named_at_once_with_the_fix(tmp_path):
    root = checkout(tmp_path / "checkout")
    done = set_up(root, tools(tmp_path / "bin", "java"))
    assert done.returncode == 1
    assert "a C++ compiler was not found" in done.stderr
    assert "apt-get install g++" in done.stderr
    assert "Java" not in done.stderr
    assert not (root / ".venv").exists()


def test_everything_missing_is_named_in_one_go(tmp_path):
    done = set_up(checkout(tmp_path / "checkout"), tools(tmp_path / "bin"))
    assert done.returncode == 1
    assert done.stderr.count("\n  - ") == 2


def test_a_wrong_python_is_named_with_the_fix(tmp_path):
    root = checkout(tmp_path / "checkout")
    script = root / "infra" / "setup" / "setup.py"
    script.write_text(script.read_text().replace("PYTHONS = ((3, 11), (3, 12))", "PYTHONS = ((2, 7),)"))
    done = set_up(root, os.environ["PATH"])
    assert done.returncode == 1
    assert "Python 3.11 or 3.12 is needed" in done.stderr


def test_a_step_that_is_none_is_named_with_those_that_are(tmp_path):
    command = [sys.executable, str(SCRIPT), "compiled kernels", "icing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "no step 'icing'" in done.stderr and "compiled kernels" in done.stderr


@pytest.mark.skipif(
    not STAMPS.is_file() or (ROOT / ".venv").is_symlink(),
    reason="`make setup` did not make this environment for this checkout",
)
def test_a_second_call_does_nothing():
    subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, check=True)
    before = STAMPS.stat().st_mtime_ns, json.loads(STAMPS.read_text())
    begun = time.monotonic()
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begun < 5  # 0.2 s on a quiet machine
    assert (STAMPS.stat().st_mtime_ns, json.loads(STAMPS.read_text())) == before
