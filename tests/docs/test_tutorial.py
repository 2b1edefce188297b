"""The tutorial's commands, run in order as a reader runs them; what they print, held to the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.flows.processes import environment

PAGE = ROOT / "docs" / "tutorial.md"
STEP = re.compile(r"^```sh\n(.*?)^```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps():
    return STEP.findall(PAGE.read_text())


def differs(expected, printed):
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


def _words(text):
    return re.sub(r"\s+", " ", text).strip()


def test_every_command_block_is_followed_by_what_it_prints():
    assert len(steps()) == PAGE.read_text().count("```sh\n") == PAGE.read_text().count("```text\n") > 5


@pytest.mark.parametrize(
    ("expected", "printed", "told"),
    [
        ("a  1\nb", "a 1\n\nb  \n", None),
        ("a …\n…\nc", "a 17 s\nb\nb\nc\n", None),
        ("a\n…", "a\n", None),
        ("a\nc", "a\nb\nc\n", "c"),
        ("a", "a\nb\n", "and no more, but: b"),
        ("a …", "b 1\n", "a …"),
    ],
)
def test_comparison(expected, printed, told):
    assert differs(expected, printed) == told


@pytest.mark.heavy
def test_the_tutorial_works_as_written(tmp_path):
    variables = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", COLUMNS="160")
    for commands, expected in steps():
        # variables that a step exports hold for it alone: each step is a shell of its own
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=variables, capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert differs(expected, done.stdout) is None, f"{differs(expected, done.stdout)}\n{commands}\n{done.stdout}"
