"""Which code and which seeds a run used: enough to repeat it."""

import contextlib
import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lakebed.connectors.python_process import code_root
from lakebed.connectors.version import VERSION

COMMIT_VARIABLE = "LAKEBED_COMMIT"

_PACKAGES = (
    "pyspark",
    "delta-spark",
    "deltalake",
    "prefect",
    "great-expectations",
    "pyarrow",
    "numpy",
    "numba",
    "openlineage-python",
)
# what this thread works for, as whoever started the run tells it
_told: list[Callable[[], Mapping[str, str]]] = []


def package_versions(further: Collection[str] = ()) -> dict[str, str]:
    """Versions of the packages that every run uses, and of further ones, as those that only one stage uses."""
    found = {"lakebed": VERSION}
    for name in dict.fromkeys((*_PACKAGES, *further)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@functools.cache
def source_commit() -> str:
    """The commit that the running checkout is at, read from its files: an unchanged run starts no other program.

    Where the code is no checkout, as in an image: the variable `LAKEBED_COMMIT`, empty without it.
    """
    try:
        return commit_of(code_root() / ".git") or os.environ.get(COMMIT_VARIABLE, "")
    except (OSError, UnicodeDecodeError):
        return os.environ.get(COMMIT_VARIABLE, "")


def commit_of(git: Path) -> str:
    """The commit of a `.git`: the folder of a repository, or the file of a worktree; empty if it names none.

    Raises:
        OSError: if there is none.
    """
    if git.is_file():
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    shared = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    for folder in (git, shared):
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
    lines = (shared / "packed-refs").read_text().splitlines() if (shared / "packed-refs").is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def seeds_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Every seed of a config, by its dotted key."""
    return dict(_seeds(config, ""))


def tell_caller(ids: Callable[[], Mapping[str, str]]) -> None:
    """Takes the function that knows what this thread works for, such as a flow run of Prefect and its task run."""
    _told[:] = [ids]


def caller_ids() -> dict[str, str]:
    """Ids of what this thread works for; empty where nobody tells."""
    return {name: value for ids in _told for name, value in ids().items()}


def _seeds(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, int]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{prefix}{name}.")
        elif (name == "seed" or name.endswith("_seed")) and isinstance(value, int):
            yield f"{prefix}{name}", value
