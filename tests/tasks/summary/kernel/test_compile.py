"""After compile_kernels a summary compiles nothing more."""

import numpy as np

from lakebed.tasks.summary.kernel import (
    candidates,
    contraction,
    encoding,
    forest,
    graph,
    groups,
    merging,
    model,
    rows,
)
from lakebed.tasks.summary.kernel.compile import compile_kernels, compile_products
from lakebed.tasks.summary.kernel.summarize import summarize
from tests.tasks.summary.graphs import planted_graph

MODULES = (candidates, contraction, encoding, forest, graph, groups, merging, model, rows)


def signatures() -> dict[str, int]:
    found = {}
    for module in MODULES:
        for name, value in vars(module).items():
            if hasattr(value, "nopython_signatures"):
                found[f"{module.__name__}.{name}"] = len(value.nopython_signatures)
    return found


def test_nothing_is_left_to_compile() -> None:
    compile_kernels()
    before = signatures()
    assert sum(before.values()) > 20
    summary = summarize(planted_graph(80, 4, seed=1), 80)
    assert len(summary.decode()) == len(planted_graph(80, 4, seed=1))
    assert np.array_equal(list(signatures().values()), list(before.values()))


def test_everything_compiles() -> None:
    compile_products()


def test_summaries_from_files_find_their_kernel_compiled() -> None:
    compile_products()
    assert {signature[0].mutable for signature in model.places.signatures} == {True, False}
