"""What is written in the documentation: pages, fenced blocks, inline code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    """The page's path, as ids of tests show it."""
    return page.relative_to(ROOT).as_posix()


def fenced(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language; "" for those of none."""
    return [body for found, body in _FENCE.findall(page.read_text()) if found == language]


def code_lines(page: Path) -> Iterator[str]:
    """Every line of a fenced block and every piece of inline code."""
    text = page.read_text()
    for _, body in _FENCE.findall(text):
        yield from body.splitlines()
    yield from _INLINE.findall(_FENCE.sub("", text))


def prose(page: Path) -> str:
    """The page without any code."""
    return _INLINE.sub("", _FENCE.sub("", page.read_text()))
