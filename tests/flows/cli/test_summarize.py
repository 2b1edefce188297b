"""`lakebed summarize` and `lakebed decode`."""

import json
from pathlib import Path

import pytest

from lakebed.flows.cli.main import main
from tests.tasks.summary.graphs import planted_graph


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        main(list(arguments))
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().out


def test_out_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = planted_graph(150, 6, seed=2)
    (tmp_path / "edges.tsv").write_text("".join(f"{u}\t{v}\n" for u, v in edges))
    out = str(tmp_path / "out")
    code, text = run(capsys, "summarize", str(tmp_path / "edges.tsv"), "--out", out, "--json")
    facts = json.loads(text)
    assert (code, facts["n_edges"], facts["is_lossless"]) == (0, len(edges), True)
    code, text = run(capsys, "decode", out)
    assert code == 0
    assert {tuple(line.split("\t")) for line in text.splitlines()} == {(str(u), str(v)) for u, v in edges}
    code, text = run(capsys, "decode", out, "--out", str(tmp_path / "back.graphml"), "--json")
    assert (code, json.loads(text)["n_edges"]) == (0, len(edges))


def test_plain_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "edges.csv").write_text("a,b\nb,a\na,a\nb,c\n")
    code, text = run(capsys, "summarize", str(tmp_path / "edges.csv"))
    assert code == 0
    assert "3 nodes, 2 edges" in text
    assert "1 self loops, 1 repeated edges" in text


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "summarize", str(tmp_path / "none"))[0] == 2
    (tmp_path / "bad").write_text("1 2\n3\n4 5\n")
    code, text = run(capsys, "summarize", str(tmp_path / "bad"), "--json")
    assert (code, json.loads(text)["examples"]) == (1, ["row 2: 3"])
    assert run(capsys, "decode", str(tmp_path))[0] == 2
