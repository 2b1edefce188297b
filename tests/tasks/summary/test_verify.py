"""The independent decoder accepts what is right, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from lakebed.connectors.errors import StageError
from lakebed.tasks.summary import verify
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary
from lakebed.tasks.summary.kernel.summarize import summarize
from lakebed.tasks.summary.verify import require_lossless
from tests.tasks.summary.graphs import SHAPES, graphs, planted_graph


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    edges, n = SHAPES[name]
    wanted = build_graph(edges, n).edges()
    assert require_lossless(summarize(edges, n), wanted) == len(wanted)


@given(graphs())
def test_random_graphs(graph: tuple[np.ndarray, int]) -> None:
    edges, n = graph
    require_lossless(summarize(edges, n, SummaryConfig(threads=1)), build_graph(edges, n).edges())


def test_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_MAX_PAIRS", 100)
    edges = build_graph(planted_graph(200, 7, seed=1), 200).edges()
    summary = summarize(edges, 200)
    assert len(list(verify.Layout(summary).blocks())) > 20
    assert require_lossless(summary, edges) == len(edges)


@pytest.mark.parametrize("damage", ["missing edge", "another edge", "flipped sign", "doubled edge", "moved node"])
def test_damage_is_found(damage: str) -> None:
    edges = build_graph(planted_graph(120, 4, seed=2), 120).edges()
    summary = summarize(edges, 120)
    signed = summary.signed_edges
    if damage == "missing edge":
        signed = SignedEdges(signed.source[1:], signed.target[1:], signed.sign[1:])
    if damage == "another edge":
        pair = sorted(
            set(map(tuple, np.column_stack(np.triu_indices(120, 1)).tolist())) - set(map(tuple, edges.tolist()))
        )
        signed = appended(signed, *pair[0], 1)
    if damage == "flipped sign":
        signed = replace(signed, sign=np.where(np.arange(len(signed.sign)) == 3, -signed.sign, signed.sign))
    if damage == "doubled edge":
        at = int(np.flatnonzero(signed.sign > 0)[0])
        signed = appended(signed, int(signed.source[at]), int(signed.target[at]), 1)
    parent = summary.parent.copy()
    if damage == "moved node":
        inner = np.flatnonzero(parent[:120] >= 0)
        parent[inner[0]] = next(p for p in parent[inner] if p != parent[inner[0]])
    with pytest.raises(StageError, match="does not decode"):
        require_lossless(Summary(120, parent, signed), edges)


def appended(signed: SignedEdges, u: int, v: int, sign: int) -> SignedEdges:
    kinds = (np.int32, np.int32, np.int8)
    columns = zip((signed.source, signed.target, signed.sign), (u, v, sign), kinds, strict=True)
    return SignedEdges(*(np.append(column, kind(value)) for column, value, kind in columns))
