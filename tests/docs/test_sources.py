"""The table of sources: every test that it names exists, and every cell names one, or the row that says the same."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

TEST = re.compile(r"`(tests/[\w/.]+\.py)::(test_\w+)`")


def rows():
    text = (ROOT / "docs" / "sources.md").read_text().partition("## At a glance")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "-", row[0]))
def test_each_cell_names_tests_that_exist(row):
    assert len(row) == 5, row
    for cell in row[1:]:
        named = TEST.findall(cell)
        assert named or cell.startswith("as "), cell
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in found, f"{path}::{name}"


def test_the_table_is_there():
    assert len(rows()) >= 10
