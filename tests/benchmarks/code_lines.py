"""Production lines that hold code, by folder: `python -m tests.benchmarks.code_lines [CHECKOUT]`.

Python alone, all but `tests/`. Blank lines, comments and docstrings are not counted; a string over several lines that
is no docstring is.
"""

import ast
import io
import json
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(source: str) -> int:
    """How many lines of a module hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(source))


def _docstring_lines(source: str) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            found.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return found


def count(checkout: Path) -> dict[str, int]:
    """Lines of code by top folder of a checkout; links are read where they point to, once."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=checkout, capture_output=True, text=True, check=True)
    totals: Counter[str] = Counter()
    for name in listed.stdout.splitlines():
        folder = name.partition("/")[0]
        if folder != "tests" and (checkout / name).is_file():
            totals[folder] += code_lines((checkout / name).read_text())
    return dict(sorted(totals.items()))


if __name__ == "__main__":
    counted = count(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    print(json.dumps({**counted, "total": sum(counted.values())}))
