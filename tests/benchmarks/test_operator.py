"""The benchmark's own arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest

from lakebed.tasks.summary.kernel.blocks import FORMS, Form
from lakebed.tasks.summary.kernel.csr import CsrGraph
from tests.benchmarks.graphs import read_edges
from tests.benchmarks.operator import main, scipy_form, take_turns
from tests.tasks.summary.kernel.forms import dense_form, scipy_adjacency


@pytest.mark.parametrize("form", FORMS)
def test_scipy_s_matrix_is_the_form(form: Form) -> None:
    graph = CsrGraph.from_edges(5, np.array([[0, 1], [1, 2], [0, 2]]))
    expected = dense_form(scipy_adjacency(graph).toarray().astype(np.float64), form)
    np.testing.assert_allclose(scipy_form(graph, form).toarray(), expected, rtol=1e-6)


def test_every_way_gets_a_time() -> None:
    calls = []
    seconds = take_turns({"a": lambda: calls.append("a"), "b": lambda: sum(range(20_000))}, 2)
    assert seconds["a"] < seconds["b"]
    assert calls


def test_one_object_a_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clique.tsv"
    path.write_text("".join(f"{u}\t{v}\n" for u in range(40) for v in range(u)))
    assert read_edges(path).shape == (780, 2)
    main(["--graph", str(path), "--columns", "16", "--repeats", "1"])
    product, query = map(json.loads, capsys.readouterr().out.splitlines())
    assert (product["graph"], product["edges"], product["columns"]) == ("clique", 780, 16)
    assert product["max_difference"] < 1e-4
    assert query["is_right"]
