"""Set-up of a checkout, `make setup`: it names at once what the machine lacks.

Each step is done once: its stamp holds a digest of what it depends on, and is written when the step is over. So a
second call does nothing, a killed one goes on where it was, and a changed lock installs again. Steps that need nothing
of each other run side by side. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "share" / "lakebed" / "setup.json"
_STAMPING = threading.Lock()
PYTHONS = ((3, 11), (3, 12))
PYTHON_FIX = (
    "install Python 3.11: `apt-get install python3.11 python3.11-venv` (Debian, Ubuntu), `brew install python@3.11` "
    "(macOS) or `conda create -n lakebed python=3.11`; or name one: `make setup PYTHON=/path/to/python3.11`"
)
COMPILER_FIX = (
    "install one: `apt-get install g++` (Debian, Ubuntu), `xcode-select --install` (macOS) or "
    "`conda install cxx-compiler`; or let CXX name one"
)


class Step(NamedTuple):
    """One thing that set-up does: what it depends on, how it is done, and the step that must be over before."""

    name: str
    inputs: Callable[[], Sequence[str]]
    run: Callable[[], None]
    is_optional: bool = False
    after: str = ""


def main(names: Sequence[str] = ()) -> int:
    """Checks the machine, then does the steps that are not done yet; answers the exit code.

    Args:
        names: of the only steps to do, as an image does one by one; there none of them is optional.
    """
    if names:
        return _run_named(names)
    missing = check_machine()
    if missing:
        sys.stderr.write("make setup cannot start:\n" + "".join(f"  - {line}\n" for line in missing))
        return 1
    with (ROOT / "pyproject.toml").open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)  # two calls at once: the second waits, then finds all done
        return _run_steps(STEPS)


def _run_named(names: Sequence[str]) -> int:
    known = {step.name: step._replace(is_optional=False) for step in STEPS}
    unknown = [name for name in names if name not in known]
    if unknown:
        _say(f"set-up has no step {unknown[0]!r}; its steps are {', '.join(map(repr, known))}")
        return 1
    return _run_steps([known[name] for name in names])


def check_machine() -> list[str]:
    """What this machine lacks, each with its fix."""
    missing = []
    if sys.version_info[:2] not in PYTHONS:
        return [f"Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}\n      {PYTHON_FIX}"]
    if not _compiler():
        missing.append(f"a C++ compiler was not found\n      {COMPILER_FIX}")
    if problem := _java_problem():
        missing.append(problem)
    return missing


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)


def _java_problem() -> str:
    """The session's own search, which needs nothing installed."""
    sys.path.insert(0, str(ROOT))
    from lakebed.connectors.errors import ConfigError
    from lakebed.connectors.spark.java import JAVA_FIX, find_java

    try:
        find_java()
    except ConfigError as error:
        return f"{error.what}: {error.value}; {error.expected} is needed\n      {JAVA_FIX}"
    return ""


def _run_steps(steps: Sequence[Step]) -> int:
    # it also tells this environment from one that pip alone has filled: see connectors/places.py
    STAMPS.parent.mkdir(parents=True, exist_ok=True)
    over: dict[str, Future[bool]] = {}
    with ThreadPoolExecutor(max_workers=len(steps)) as together:
        for position, step in enumerate(steps, 1):
            over[step.name] = together.submit(_run_step, step, f"set-up {position}/{len(steps)}", over.get(step.after))
    return 0 if all(future.result() for future in over.values()) else 1


def _run_step(step: Step, said: str, before: Future[bool] | None) -> bool:
    """Whether set-up may go on: the step is done, or it is one that set-up can do without."""
    if before and not before.result():
        return step.is_optional
    digest = _digest(step.inputs())
    if _read_stamps().get(step.name) == digest:
        return True
    begun = time.monotonic()
    _say(f"{said}: {step.name}")
    try:
        step.run()
    except (subprocess.CalledProcessError, OSError) as error:
        _say(f"{said}: {step.name} failed: {_reason(error)}")
        return step.is_optional
    _stamp(step.name, digest)
    _say(f"{said}: {step.name} done in {time.monotonic() - begun:.0f} s")
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"`{' '.join(map(str, error.cmd))}` ended with status {error.returncode}"
    return str(error)


def _read_stamps() -> dict[str, str]:
    try:
        return dict(json.loads(STAMPS.read_text()))
    except (OSError, ValueError):
        return {}


def _stamp(name: str, digest: str) -> None:
    with _STAMPING:
        # a new environment begins with an empty folder
        STAMPS.parent.mkdir(parents=True, exist_ok=True)
        part = STAMPS.with_suffix(".part")
        part.write_text(json.dumps({**_read_stamps(), name: digest}, indent=2))
        part.replace(STAMPS)


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _contents(*patterns: str) -> list[str]:
    """The files of the checkout that match, by name and digest."""
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    return [f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]


def _environment_inputs() -> list[str]:
    """What is installed; the tools' own sections of pyproject.toml are none of it."""
    import tomllib

    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    return [version, str(VENV), json.dumps(installed), *_contents("requirements/*.txt")]


def _make_environment() -> None:
    """The virtual environment, with exactly what the lock names; uv is itself pinned by hash."""
    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"
    # pip is the last thing that venv installs
    if f"(python {wanted})" not in _output([str(PYTHON), "-m", "pip", "--version"]):
        _call([sys.executable, "-m", "venv", "--clear", str(VENV)])
    requirements = ROOT / "requirements"
    _call([str(PYTHON), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(requirements / "uv.txt")])
    install = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--quiet", *_index()]
    # without compiled files every process would compile what it imports, where Python may not write them
    install.append("--compile-bytecode")
    # what has no wheel is compiled while the rest is fetched; a third of the time without the compiler's debug notes
    flags = {"CFLAGS": f"-g0 {os.environ.get('CFLAGS', '')}".strip()}
    _call([*install, "--require-hashes", "-r", str(requirements / "lock.txt")], flags)
    # setuptools comes from the lock, so that nothing unpinned is fetched to build
    _call([*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])


def _index() -> list[str]:
    """The mirror that pip is told to use, which uv does not look up."""
    if any(os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        return []
    mirror = _output([str(PYTHON), "-m", "pip", "config", "get", "global.index-url"]) or os.environ.get(
        "PIP_INDEX_URL", ""
    )
    return ["--default-index", mirror] if mirror else []


def _java_inputs() -> list[str]:
    java = os.path.realpath(shutil.which("java") or "")
    home = os.environ.get("JAVA_HOME", "")
    return [java, home, *(str(Path(path).stat().st_mtime_ns) for path in (java, home) if path and Path(path).exists())]


def _module(*arguments: str) -> Callable[[], None]:
    return lambda: _call([str(PYTHON), *arguments])


def _call(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    environment = {**os.environ, **(variables or {})}
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, env=environment)


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


_JARS = "connectors/spark/jars.py"
STEPS = (
    Step("Python environment", _environment_inputs, _make_environment),
    Step(
        "Delta's jars",
        lambda: _contents("requirements/lock.txt", _JARS),
        _module("-m", "lakebed.connectors.spark.fetch"),
        after="Python environment",
    ),
    Step(
        "class-data archive",
        lambda: [*_java_inputs(), *_contents("requirements/lock.txt", _JARS, "connectors/spark/gateway.py")],
        _module("-m", "lakebed.connectors.spark.training"),
        is_optional=True,
        after="Delta's jars",
    ),
    Step(
        "compiled kernels",
        lambda: _contents("requirements/lock.txt", "tasks/encoding/*.py", "tasks/**/kernel/*.py"),
        _module("-m", "lakebed.first_use"),
        is_optional=True,
        after="Python environment",
    ),
    Step(
        "Prefect's database",
        lambda: _contents("requirements/lock.txt"),
        _module("-m", "lakebed.flows.prefect_home"),
        is_optional=True,
        after="Python environment",
    ),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
