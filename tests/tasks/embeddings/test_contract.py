import pyarrow as pa

from lakebed.tasks.embeddings.contract import CONTRACTS, EMBEDDINGS, vector_table
from lakebed.tasks.runtime.checks import check_table
from tests.tasks.embeddings.graphs import hashes


def test_vectors_fit_the_contract() -> None:
    vectors = hashes(12).astype("float32").reshape(4, 3)
    table = check_table(EMBEDDINGS, vector_table(vectors, first=5))
    assert table["node_id"].to_pylist() == [5, 6, 7, 8]
    assert table["vector"][2].as_py() == vectors[2].tolist()
    assert CONTRACTS["embeddings"].arrow_schema().field("vector").type.value_type == pa.float32()
