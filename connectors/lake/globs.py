"""Globs of paths relative to a lake's root.

`*` and `?` stay within one part of a path, `**` crosses parts, `[…]` is a set. A glob that names a folder covers all
below it.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches_any(path: str, globs: Iterable[str]) -> bool:
    """Whether a path, or a folder above it, is what one of the globs names."""
    return any(_compiled(glob).match(path) for glob in globs)


def unmatched(globs: Iterable[str], paths: Collection[str]) -> list[str]:
    """The globs that name none of the paths, in their order."""
    return [glob for glob in globs if not any(matches_any(path, [glob]) for path in paths)]


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
    body = "".join(_translate(part) for part in _PARTS.findall(glob.strip("/")))
    return re.compile(rf"{body}(?:/.*)?\Z", re.DOTALL)


def _translate(part: str) -> str:
    if part in _MEANINGS:
        return _MEANINGS[part]
    if len(part) < 2:
        return re.escape(part)
    negation = "^" if part[1] in "!^" else ""
    inner = part[1 + len(negation) : -1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[{negation}{inner.replace(']', chr(92) + ']')}]"
