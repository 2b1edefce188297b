import ast
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import lakebed
from lakebed.connectors.errors import ConfigError, ContractError, LakeError
from lakebed.data_samples.generator import generate_sample_lake
from lakebed.flows.cli.main import app
from lakebed.tasks.runtime.expectations_queue import UserSuite
from tests.docs.pages import PAGES, ROOT, code_lines, fenced, name_of, prose
from tests.flows.processes import environment

COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?lakebed ([a-z].*)$")
LINK = re.compile(r"\]\(([^)#\s]+)")
README = ROOT / "README.md"
SHOWN = {"lakebed": lakebed, "lake": lakebed.Lake, "run": lakebed.Run, "plan": lakebed.LakePlan, "graph": lakebed.Graph}
every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_commands_parse_as_the_console_script_parses_them(page):
    group = typer.main.get_command(app)
    for line in filter(None, map(COMMAND.match, code_lines(page))):
        verb, *arguments = shlex.split(re.split(r"[>|]", line[1])[0], comments=True)
        command = group.commands.get(verb)
        assert command is not None, f"{line[0]}: no such verb"
        if arguments and arguments[0] in getattr(command, "commands", {}):
            verb = arguments.pop(0)
            command = command.commands[verb]
        command.make_context(verb, list(arguments), resilient_parsing=not _is_complete(arguments, line[0]))
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in arguments if word.startswith("-")} <= known | {"--help"}, line[0]


def _is_complete(arguments, line):
    """Whether the line is a whole command, not the mere name of a verb or an option."""
    return bool(arguments) and "…" not in line and "STAGE" not in line and not arguments[-1].startswith("--")


@every_page
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code_lines(page):
        if named := re.match(r"^make ([a-z-]+)", line):
            assert named[1] in targets, line


@every_page
def test_python_modules_that_are_run_exist(page):
    for line in code_lines(page):
        if named := re.search(r"python -m ([\w.]+)", line):
            assert importlib.util.find_spec(named[1]) is not None, line


@every_page
def test_paths_of_code_exist(page):
    for line in code_lines(page):
        if re.fullmatch(r"(?:connectors|tasks|flows|infra|tests|data_samples|docs)/[\w./-]+", line):
            assert (ROOT / line).exists(), line


@every_page
def test_relative_links_resolve(page):
    for target in LINK.findall(prose(page)):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@every_page
def test_python_of_the_pages_names_what_is_there(page):
    for snippet in fenced(page, "python"):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{node.module} has no {missing}"
            # as the pages call what they open
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in SHOWN:
                kind = SHOWN[node.value.id]
                assert hasattr(kind, node.attr) or f" {node.attr}: " in kind.__doc__, ast.unparse(node)


def test_python_of_the_readme_is_five_lines():
    (snippet,) = fenced(README, "python")
    assert len([line for line in snippet.splitlines() if line]) <= 5


@pytest.mark.flow
@pytest.mark.heavy
def test_the_readme_runs_as_it_stands_on_the_sample_lake(tmp_path):
    generate_sample_lake(tmp_path / "lake")
    variables = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    lines = [line for block in fenced(README, "") for line in block.splitlines() if COMMAND.match(line)]
    assert len(lines) >= 13
    # two more whole runs would show nothing but time
    lines = [
        f"{line} --to inventory" if "lakebed run" in line and "--artifacts" not in line else line for line in lines
    ]
    (snippet,) = fenced(README, "python")
    for command in [*lines, f"python -c {shlex.quote(snippet)}"]:
        placed = command.replace("/data/lakebed", "artifacts").replace("/data/lake", "lake").replace(".venv/bin/", "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", placed], cwd=tmp_path, env=variables, capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{placed}\n{done.stdout}\n{done.stderr}"
    assert "rows x 12 columns]" in done.stdout and "[10 rows x 4 columns]" in done.stdout


def test_readme_lists_every_verb_and_the_exit_codes_of_a_run():
    verbs = README.read_text().partition("## Verbs")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z]+)[^`]*` \| (.*) \|$", verbs, re.MULTILINE))
    assert set(typer.main.get_command(app).commands) == rows.keys()
    codes = {name: set(map(int, row.rpartition("|")[2].split(","))) for name, row in rows.items()}
    assert codes["run"] == {0, LakeError.exit_code, ConfigError.exit_code, ContractError.exit_code}


def test_suite_of_the_readme_is_one():
    (suite,) = fenced(README, "json")
    assert UserSuite.model_validate_json(suite).table.startswith("lake:")


def test_readme_opens_with_the_two_commands():
    first = fenced(README, "")[0]
    assert [line.split(" ")[:2] for line in first.splitlines()] == [["make", "demo"], ["make", "test"]]


def test_no_page_names_a_path_of_one_machine():
    for page in PAGES:
        assert not re.search(r"/(?:work|root|home|tmp)/", page.read_text()), name_of(page)
