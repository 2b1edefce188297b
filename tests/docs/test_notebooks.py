"""The notebooks, cell by cell, as a kernel runs them: what a cell ends with is shown, as HTML where it can."""

import pytest

from tests.docs.pages import ROOT
from tests.flows.processes import python

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
# what rich takes for a notebook, and a display; any warning is an error
KERNEL = """
import ast, builtins, pathlib, sys
class ZMQInteractiveShell: pass
builtins.get_ipython = ZMQInteractiveShell
names = {"__name__": "__main__"}
for cell in pathlib.Path(sys.argv[1]).read_text().split("# %%")[1:]:
    tree = ast.parse(cell.partition("\\n")[2], sys.argv[1])
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is not None:
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        print(shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown))
"""


@pytest.mark.flow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(notebook, tmp_path):
    done = python(KERNEL, notebook, folder=tmp_path, PYTHONWARNINGS="default")
    assert done.status == 0, done.err
    assert "<caption>proven containments</caption>" in done.out
    assert "<td>customers_first</td>" in done.out
    assert "Indexing 4 table vectors" in done.err and "Rebuilding and comparing 2 of 2" in done.err
    assert "ipywidgets" not in done.err and "\x1b[" not in done.err


def test_there_is_one():
    assert [path.name for path in NOTEBOOKS] == ["lake.py"]
