"""What tests of several packages share: one Spark session a test run, made when the first test asks for it."""

from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import settings

from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.runtime import hash_key
from lakebed.tasks.runtime.progress import Progress, show
from tests.flows.processes import ONE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from lakebed.connectors.spark.session import SessionStarter
    from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
    from lakebed.tasks.search.lake_search import LakeSearch

    Searchable = tuple[Path, ArtifactStore, dict[str, ArtifactRef]]

# the first call of a compiled kernel takes seconds, later ones microseconds
settings.register_profile("lakebed", deadline=None)
settings.load_profile("lakebed")


@pytest.fixture(scope="session", autouse=True)
def one_hash_key() -> "Iterator[None]":
    """Artifact roots that this process makes have one key: which rows a sketch holds, and so which step refutes a pair
    first, is the same in every run of the tests."""
    key = bytes.fromhex(ONE_KEY["LAKEBED_CONTAINMENT__HASH_KEY"])
    with mock.patch.object(hash_key, "secrets", mock.Mock(token_bytes=lambda n: key[:n])):
        yield


@pytest.fixture(autouse=True)
def nobody_is_told() -> "Iterator[None]":
    """A verb that a test called in this process leaves no progress behind, whose output is closed by then."""
    yield
    show(Progress(is_quiet=True))


@pytest.fixture(scope="session")
def spark_config() -> SparkConfig:
    return SparkConfig()


@pytest.fixture(scope="session")
def spark_starter(spark_config: SparkConfig) -> "Iterator[SessionStarter]":
    from lakebed.connectors.spark.session import shared_session

    starter = shared_session(spark_config)
    yield starter
    starter.stop()


@pytest.fixture(scope="session")
def spark(spark_starter: "SessionStarter") -> "SparkSession":
    return spark_starter.get()


@pytest.fixture(scope="session")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> "Searchable":
    """An artifact root with an index, its store and its artifacts; read only."""
    from tests.tasks.search.lakes import publish_lake

    root = tmp_path_factory.mktemp("searchable")
    return root, *publish_lake(root)


@pytest.fixture(scope="session")
def search(searchable: "Searchable") -> "LakeSearch":
    """Questions to that index."""
    from lakebed.tasks.search.lake_search import LakeSearch

    _, store, refs = searchable
    return LakeSearch(store, refs)


@pytest.fixture
def parquet_lake(tmp_path):
    from tests.flows.lakes import write_parquet_lake

    return write_parquet_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run on the mixed lake: its folder (`lake`, `artifacts`) and answer. Not to be changed."""
    from tests.flows.lakes import write_mixed_lake
    from tests.flows.processes import lakebed

    folder = tmp_path_factory.mktemp("finished")
    write_mixed_lake(folder / "lake")
    # what the command line's variable says, for those who ask this root without it
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "hash_key").write_text(ONE_KEY["LAKEBED_CONTAINMENT__HASH_KEY"])
    answer = lakebed("run", "--lake", "lake", "--artifacts", "artifacts", "--json", folder=folder)
    assert answer.status == 0, answer.err
    return folder, answer
