import os

import pytest

from tests.flows.lakes import write_mixed_lake, write_parquet_lake
from tests.flows.processes import lakebed


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """No config file of the working folder, no variables of the caller."""
    for name in [name for name in os.environ if name.startswith("LAKEBED_") and name != "LAKEBED_SPARK_JARS"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def parquet_lake(tmp_path):
    return write_parquet_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run on the mixed lake: its folder (`lake`, `artifacts`) and answer. Not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    write_mixed_lake(folder / "lake")
    answer = lakebed("run", "--lake", "lake", "--artifacts", "artifacts", "--json", folder=folder)
    assert answer.status == 0, answer.err
    return folder, answer
