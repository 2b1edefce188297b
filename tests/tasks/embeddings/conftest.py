import pytest

from lakebed.tasks.embeddings.spark import GraphTables
from tests.tasks.embeddings.artifacts import graph_tables


@pytest.fixture(scope="module")
def uris(tmp_path_factory: pytest.TempPathFactory) -> GraphTables:
    return graph_tables(tmp_path_factory.mktemp("graph"), is_weighted=True)
