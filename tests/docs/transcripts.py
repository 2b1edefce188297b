"""Pages of commands with what they print: run in order as a reader runs them, and held to the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.flows.processes import environment

STEP = re.compile(r"^```sh\n(.*?)^```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(page: Path) -> list[tuple[str, str]]:
    """Each block of commands, and what it prints."""
    return STEP.findall(page.read_text())


def require_whole(page: Path) -> None:
    """Every block of commands is followed by what it prints."""
    text = page.read_text()
    assert len(steps(page)) == text.count("```sh\n") == text.count("```text\n") > 5


def differs(expected: str, printed: str) -> str | None:
    """The first expected line that was not printed where it belongs; None if all were.

    A line `…` stands for any lines, none too; `…` in a line for any text; widths of columns do not count.
    """
    lines, may_skip = [_words(line) for line in printed.splitlines() if line.strip()], False
    for wanted in (line for line in expected.splitlines() if line.strip()):
        if wanted == "…":
            may_skip = True
            continue
        pattern = re.compile(".*".join(re.escape(_words(part)) for part in wanted.split("…")))
        place = next((at for at, line in enumerate(lines) if pattern.fullmatch(line)), None)
        if place is None or (place > 0 and not may_skip):
            return wanted
        lines, may_skip = lines[place + 1 :], False
    return None if may_skip or not lines else f"and no more, but: {lines[0]}"


def run_page(page: Path, folder: Path) -> None:
    """Runs the page's commands in a folder, and compares what each block prints."""
    variables = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", COLUMNS="160")
    for commands, expected in steps(page):
        # variables that a step exports hold for it alone: each step is a shell of its own
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=variables, capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert differs(expected, done.stdout) is None, f"{differs(expected, done.stdout)}\n{commands}\n{done.stdout}"


def _words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
