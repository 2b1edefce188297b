import numpy as np
import scipy.sparse as sp

from lakebed.tasks.embeddings.kernel.features import NodeFeatures
from tests.tasks.embeddings.graphs import hashes


def test_rows_of_a_part_are_those_of_the_whole() -> None:
    values = sp.csr_matrix(np.random.default_rng(0).random((20, 7)).astype(np.float32))
    features = NodeFeatures(values, hashes(7))
    whole = features.projected(slice(0, 20), 12, 3)
    assert (whole.dtype, whole.shape) == (np.float32, (20, 12))
    np.testing.assert_array_equal(features.projected(slice(5, 9), 12, 3), whole[5:9])
