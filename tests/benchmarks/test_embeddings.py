"""The benchmark's own arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from tests.benchmarks.embeddings import chances, main, most_likely


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


def test_chances_are_scikit_learn_s() -> None:
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(1)
    vectors, asked = draw.standard_normal((300, 10)), draw.standard_normal((50, 10))
    labels = vectors @ draw.standard_normal((10, 4)) + draw.standard_normal((300, 4)) > 0.5
    found = chances(vectors, labels, asked)
    for label in range(4):
        model = LogisticRegression(C=0.1, solver="liblinear").fit(vectors, labels[:, label])
        np.testing.assert_allclose(found[:, label], model.predict_proba(asked)[:, 1], atol=5e-3)


def test_orthogonal_rounds_stand_beside_fastrp(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 60)
    upper = np.triu(draw.random((180, 180)) < np.where(group[:, None] == group, 0.3, 0.02), 1)
    path = tmp_path / "small.mat"
    labels = sp.csc_matrix(np.eye(3)[group])
    scipy.io.savemat(path, {"network": sp.csc_matrix((upper | upper.T).astype(float)), "group": labels})
    main(["--mat", str(path), "--orthogonal", "--seeds", "1", "--shuffles", "1"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record["method"], record["dim"]) for record in records] == [
        ("fastrp", 128), ("fastrp", 512), ("orthogonal", 128), ("orthogonal", 256),
    ]  # fmt: skip
    # orthogonal rounds of as many numbers as there are nodes say nothing
    assert all(record["f1_50%"]["micro"] > 0.8 for record in records[:2])
    assert all(record["seeds"] == 1 and record["f1_90%"]["micro_sd"] == 0 for record in records)
