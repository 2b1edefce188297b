"""The four folders are imported as `lakebed.*`, by no bare name: in code, strings, documentation and scripts."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, code_lines, fenced

ROOT = Path(__file__).parents[1]
NAMES = ("flows", "tasks", "connectors", "data_samples")
_NAMES = "|".join(NAMES)
FOLDERS = (*NAMES, "infra", "tests", "docs")
# tests of what a project with such packages of its own meets
OF_STRANGERS = {"tests/test_imports.py", "tests/infra/test_wheel.py", "tests/flows/test_planted.py"}
SCRIPTS = {".sh", ".yaml", ".yml", ".toml", ".j2", ".conf", ".properties", ".ipynb", ""}
# in a string, a command or a block of code: an import, a program, an entry point, a dotted name in quotes
BARE = re.compile(
    rf"""(?:\bfrom\s+|\bimport\s+|-m[\s"',]+)(?:{_NAMES})\b(?!/)
    | (?<![\w./-])(?:{_NAMES})(?:\.[a-z_]\w*)+:[a-z_]\w*
    | (?<=["'])(?:{_NAMES})(?:\.[a-z_]\w*)+(?=["'])""",
    re.VERBOSE,
)


def sources():
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted([*found, *(ROOT / "lakebed").glob("*.py")])


def scripts():
    """Everything else that may start a program of ours: whatever is text and no Markdown."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    files += [ROOT / ".ci" / "run"]
    return sorted(path for path in files if path.is_file() and path.suffix in SCRIPTS and path.name != ".git")


def bare_imports(tree):
    """The bare names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in NAMES)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in NAMES:
            yield node.module


def strings(tree):
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize(
    "text",
    [
        "from tasks.runtime import x", "import flows", "python -m connectors.spark.fetch", "'-m', 'tasks.x'",
        "flows.lake:lake_flow", "tasks.encoding:compile_kernels", "patch('tasks.runtime.record')", "-m data_samples",
    ],
)  # fmt: skip
def test_the_pattern_finds(text):
    assert BARE.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "from lakebed.tasks.runtime import x", "python -m lakebed.connectors.spark.fetch", "lakebed.flows.x:y",
        "the tasks and flows", "tests/tasks/x.py", "import tests.flows.lakes", "tests.tasks.runtime:x", "10 tasks: 3",
    ],
)  # fmt: skip
def test_the_pattern_leaves(text):
    assert not BARE.search(text)


def test_no_code_imports_a_bare_name():
    assert len(sources()) > 800
    found = {path.relative_to(ROOT).as_posix(): [*bare_imports(ast.parse(path.read_text()))] for path in sources()}
    assert {name: names for name, names in found.items() if names} == {}


def test_no_string_names_a_bare_module():
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in sources()}
    found = {name: [text for text in strings(tree) if BARE.search(text)] for name, tree in trees.items()}
    assert {name: texts for name, texts in found.items() if texts and name not in OF_STRANGERS} == {}


def test_no_script_and_no_setting_does():
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in scripts()}
    assert {"Makefile", "infra/Dockerfile", "pyproject.toml", ".ci/run"} <= files.keys()
    files["pyproject.toml"] = re.sub(r'^"\w+"\.msg = .*$', "", files["pyproject.toml"], flags=re.MULTILINE)
    assert {name: BARE.findall(text) for name, text in files.items() if BARE.search(text)} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_documentation_does(page):
    assert [line for line in code_lines(page) if BARE.search(line)] == []
    for block in fenced(page, "python"):
        assert [*bare_imports(ast.parse(block))] == []
