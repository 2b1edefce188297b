"""The failure table: every test that it names exists, and every line names one or says that nothing verifies it."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

NOT_VERIFIED = "not verified"
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(test_\w+)`")


def rows():
    text = (ROOT / "docs" / "operations.md").read_text().partition("## When something dies")[2]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "-", row[0])[:60])
def test_a_line_names_tests_that_exist_or_none(row):
    assert len(row) == 4, row
    named = TEST.findall(row[3])
    assert (row[3] == NOT_VERIFIED) != bool(named)
    assert TEST.sub("", row[3]).strip(" ,") in ("", NOT_VERIFIED)
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_most_lines_are_verified():
    assert sum(row[3] != NOT_VERIFIED for row in rows()) > len(rows()) / 2 > 10
