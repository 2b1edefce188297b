import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.listing import Listing, list_lake
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime.workspace import Workspace


def workspace(tmp_path, **more):
    return Workspace(lake=LakeConfig(**more), artifacts=str(tmp_path / "artifacts"))


@pytest.mark.parametrize("path", ["shop/orders.parquet", "shop.parquet"])
def test_a_source_may_not_be_called_like_what_lies_in_the_lake(tmp_path, path):
    file = tmp_path / "lake" / path
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), file)
    url = "jdbc:postgresql://127.0.0.1:1/x"
    lake = workspace(tmp_path, root=str(tmp_path / "lake"), databases={"shop": {"url": url}})
    with pytest.raises(ConfigError, match="called like a folder or a file") as caught, listed_lake(lake):
        pass
    assert caught.value.value == "shop"


def test_a_lake_without_sources_is_its_listing(tmp_path):
    (tmp_path / "lake").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "lake" / "t.parquet")
    with listed_lake(workspace(tmp_path, root=str(tmp_path / "lake"))) as found:
        assert found.listing == list_lake(LakeConfig(root=str(tmp_path / "lake")))


def test_the_identity_holds_the_state_of_each_source():
    def identity(*states):
        sources = [
            TableSource(f"s/t{n}", "postgresql", (FileEntry(f"s/t{n}", 0, 0, state),), f"TABLE t{n}")
            for n, state in enumerate(states)
        ]
        return Listing("", (), (), (), tuple(sources)).identity

    assert len({identity(), identity("a"), identity("b"), identity("a", "b"), identity("ab")}) == 5
    assert identity("a") == identity("a")
