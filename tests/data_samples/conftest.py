from pathlib import Path

import pytest

from lakebed.data_samples.generator import generate_sample_lake
from lakebed.data_samples.truth import Truth


@pytest.fixture(scope="session")
def sample_lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """The sample lake of seed 7 and its truth; read only."""
    root = tmp_path_factory.mktemp("sample") / "lake"
    return root, generate_sample_lake(root)
