"""What an image installs: the part of the lock that running lakebed needs. Run by `make lock`.

The lock names everything, tests and documentation too. Here the distributions that are reached from lakebed's own
dependencies are taken out of it, each with its pin and hashes as they stand there, for Linux on any processor.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
# file → extras of lakebed in it
_EXTRAS = ("http", "iceberg", "iceberg-hive", "iceberg-postgresql", "mariadb", "sqlserver", "workbooks")
LISTS = {"image.txt": _EXTRAS, "image-links.txt": (*_EXTRAS, "links")}
# builds the editable install, so that nothing is fetched that is not locked
BUILD = ("setuptools",)
_PLATFORMS = tuple(
    {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    for machine in ("x86_64", "aarch64")
    for python in ("3.11", "3.12")
)
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def main() -> int:
    """Writes both lists."""
    for name, extras in LISTS.items():
        (REQUIREMENTS / name).write_text(image_list(extras))
    return 0


def image_list(extras: tuple[str, ...]) -> str:
    """The lock's entries that an image with these extras installs.

    Args:
        extras: of lakebed.

    Raises:
        ValueError: if the lock lacks one of them.
    """
    entries = lock_entries((REQUIREMENTS / "lock.txt").read_text())
    needed = reached(own_requirements(extras))
    missing = sorted(needed - entries.keys())
    if missing:
        raise ValueError(f"not in requirements/lock.txt: {', '.join(missing)}; run `make lock`")
    return "".join(text for name, text in entries.items() if name in needed)


def lock_entries(text: str) -> dict[str, str]:
    """The entries of a lock with their hashes, by canonical name; several where Pythons need several versions."""
    starts = [match.start() for match in _ENTRY.finditer(text)] + [len(text)]
    found: dict[str, str] = {}
    for begin, end in pairwise(starts):
        name = canonicalize_name(text[begin:end].partition("==")[0])
        found[name] = found.get(name, "") + text[begin:end]
    return found


def own_requirements(extras: tuple[str, ...]) -> list[Requirement]:
    """What lakebed itself asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [text for extra in extras for text in project["optional-dependencies"][extra]]
    return [Requirement(text) for text in (*project["dependencies"], *optional, *BUILD)]


def reached(roots: list[Requirement]) -> set[str]:
    """Canonical names of everything that the roots lead to, as the installed distributions say."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = list(roots)
    while todo:
        wanted = todo.pop()
        state = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if state in seen:
            continue
        seen.add(state)
        todo += _dependencies(*state)
    return {name for name, _ in seen}


def _dependencies(name: str, extras: frozenset[str]) -> list[Requirement]:
    """None where it is not installed: then it is for another platform than this one."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    return [requirement for requirement in found if _applies(requirement, extras)]


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    base = {name: str(value) for name, value in default_environment().items()}
    environments = [base | platform | {"extra": extra} for platform in _PLATFORMS for extra in extras or {""}]
    return marker is None or any(marker.evaluate(environment) for environment in environments)


if __name__ == "__main__":
    sys.exit(main())
