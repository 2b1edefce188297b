"""Paths below a root; those that files from outside name (plans, receipts, manifests) may not lead out of it."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator


def require_inside(path: str) -> str:
    """A path below a root, as it is.

    Raises:
        ValueError: if it is absolute, climbs up, or holds a NUL.
    """
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise ValueError("the path leads out of its folder")
    return path


def require_part(name: str) -> str:
    """One part of a path, as it is.

    Raises:
        ValueError: if it is more than one part, or leads elsewhere.
    """
    if "/" in name or "\0" in name or name in {".", ".."}:
        raise ValueError("the name is not that of a file or folder")
    return name


InsidePath = Annotated[str, AfterValidator(require_inside)]
PathPart = Annotated[str, AfterValidator(require_part)]


def folders_above(path: str) -> Iterator[str]:
    """The folders that a path lies in, from the root ("") down."""
    yield ""
    for index, char in enumerate(path):
        if char == "/":
            yield path[:index]
