import numpy as np
import pytest
from scipy import sparse

from lakebed.connectors.errors import GraphError
from lakebed.tasks.links.kernel.features import prepare_features, smooth, unit_vectors
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.propagation import transition_matrix
from tests.tasks.links.graphs import communities, group_features


def test_rows_have_length_one_and_common_columns_weigh_less():
    rows = prepare_features(sparse.csr_array(np.array([[1, 1, 0], [1, 0, 1], [1, 0, 0]], np.float32)), 3, 10, 0).rows
    assert np.linalg.norm(rows.toarray(), axis=1) == pytest.approx([1, 1, 0])
    assert rows.toarray()[0, 0] < rows.toarray()[0, 1]


def test_wide_features_are_projected_and_keep_their_angles():
    random = np.random.default_rng(0)
    wide = sparse.csr_array((random.random((40, 3000)) < 0.02).astype(np.float32))
    full, narrow = (prepare_features(wide, 40, columns, 0).rows.toarray() for columns in (3000, 1024))
    assert narrow.shape == (40, 1024)
    assert np.abs(full @ full.T - narrow @ narrow.T).max() < 0.35


def test_smoothing_is_the_sum_of_unit_powers():
    edges, n = communities(2, 8)
    features, transition = prepare_features(group_features(n, 8), n, 64, 0), transition_matrix(adjacency(edges, n))
    rows = features.rows.toarray().astype(np.float64)
    expected, power = rows.copy(), rows
    for _ in range(2):
        power = transition @ power
        lengths = np.linalg.norm(power, axis=1, keepdims=True)
        expected += power / np.where(lengths > 0, lengths, 1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert smooth(features, transition, 2) == pytest.approx(expected, abs=1e-5)


def test_a_zero_vector_stays_zero():
    assert unit_vectors(np.zeros((2, 3), np.float32)).tolist() == [[0.0] * 3] * 2


def test_nan_is_named_with_its_place():
    bad = sparse.csr_array(np.array([[1, 0], [0, np.nan]], np.float32))
    with pytest.raises(GraphError, match="no finite number") as caught:
        prepare_features(bad, 2, 8, 0)
    assert "node 1, column 1" in str(caught.value)


def test_features_of_other_nodes_are_refused():
    with pytest.raises(GraphError, match="another number of rows"):
        prepare_features(sparse.csr_array((3, 2), dtype=np.float32), 4, 8, 0)
