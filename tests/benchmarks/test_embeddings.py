"""The benchmark's own arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from tests.benchmarks.embeddings import main, most_likely


def test_a_node_gets_as_many_labels_as_it_has() -> None:
    chance = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    expected = [[False, True, True], [True, False, False]]
    np.testing.assert_array_equal(most_likely(chance, np.array([2, 1])), expected)


def test_one_object_a_method_and_one_of_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    upper = sp.triu(sp.random(80, 80, 0.2, random_state=draw), 1)
    network = sp.csr_matrix((upper + upper.T) > 0, dtype=np.float64)
    path = tmp_path / "small.mat"
    scipy.io.savemat(path, {"network": sp.csc_matrix(network)})
    main(["--mat", str(path), "--dim", "16", "--repeats", "1"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["method"] for record in records] == [
        "ours",
        "ours_chosen_way",
        "baseline_sparse_float64",
        "ours_memory",
    ]
    assert all(record["cpu_s"] >= 0 for record in records[:3])
    assert records[3]["peak_rss_bytes"] > 0
