"""The notebook, cell by cell, as a kernel runs it: what a cell ends with is shown, as HTML where it can."""

import json

import pytest

from tests.docs.pages import ROOT, fenced
from tests.flows.processes import LOCAL, python

PAGE = ROOT / "docs" / "notebook.md"
# what rich takes for a notebook, and a display
KERNEL = """
import ast, builtins, json, sys
class ZMQInteractiveShell: pass
builtins.get_ipython = ZMQInteractiveShell
names = {"__name__": "__main__"}
for cell in json.loads(sys.argv[1]):
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is not None:
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        print(shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown))
"""


@pytest.mark.flow
def test_it_runs_from_the_first_cell_to_the_last(tmp_path):
    done = python(KERNEL, json.dumps(fenced(PAGE, "python")), folder=tmp_path, **LOCAL)
    assert done.status == 0, done.err
    assert "<caption>proven containments</caption>" in done.out and "<td>customers_first</td>" in done.out
    assert "Indexing 4 table vectors" in done.err and "Rebuilding and comparing 2 of 2" in done.err
    # rich's own notebook display asks for a package that may be missing, and steers a terminal
    assert "ipywidgets" not in done.err and "\x1b[" not in done.err
