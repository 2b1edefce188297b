"""The same signs on an object store, told from the one listing."""

from collections.abc import Iterator

import pytest

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake, list_table
from lakebed.connectors.storage import Storage
from lakebed.data_samples.families.managed import ManagedLake, write_managed_lake
from tests.connectors.lake.test_managed import managed_in, plain_of
from tests.tasks.quarantine.s3 import s3_server, upload


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ManagedLake]]:
    folder = tmp_path_factory.mktemp("managed") / "lake"
    made = write_managed_lake(folder)
    with s3_server():
        yield upload(folder, "some/lake"), made


def test_a_lake_on_a_store_is_listed_as_a_folder_is(lake: tuple[str, ManagedLake]) -> None:
    root, made = lake
    config = LakeConfig(root=root)
    listing = list_lake(config)
    tables = discover(listing, config)
    assert managed_in(listing, tables) == dict(made.managed)
    assert set(plain_of(tables)) == made.tables
    assert [entry.path for entry in list_table(config, "stream").files] == ["stream/part-00000-a.snappy.parquet"]


def test_what_lies_in_quarantine_is_no_table(lake: tuple[str, ManagedLake]) -> None:
    root, made = lake
    storage = Storage.at(root, SourceError)
    storage.write_bytes_atomic("_lakebed_quarantine/entries/1/data/t/metadata/v1.metadata.json", b"{}")
    listing = list_lake(LakeConfig(root=root))
    assert {problem.name for problem in listing.problems} | listing.icebergs == set(made.managed)


@pytest.mark.parametrize(
    ("below", "told"),
    [
        ("lakehouse/orders/data", "Iceberg"),
        ("hudi/orders/day=1", "Hudi"),
        ("vectors.lance/data", "Lance"),
        ("paimon/sales.db/orders/bucket-0", "Paimon"),
        ("uniform/_delta_log", "Delta"),
    ],
)
def test_a_root_inside_a_managed_table_is_refused(lake: tuple[str, ManagedLake], below: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        list_lake(LakeConfig(root=f"{lake[0]}/{below}"))
    assert caught.value.hint.startswith(f"lakebed run --lake {lake[0]}")


def test_a_root_beside_managed_tables_is_fine(lake: tuple[str, ManagedLake]) -> None:
    assert len(list_lake(LakeConfig(root=f"{lake[0]}/copies")).files) == len(lake[1].copies)
    assert list_lake(LakeConfig(root=f"{lake[0]}/mixed")).icebergs == {"ice"}


def test_a_bucket_may_be_a_table_itself(lake: tuple[str, ManagedLake]) -> None:
    from tests.tasks.quarantine.s3 import BUCKET

    storage = Storage.at(f"s3://{BUCKET}", SourceError)
    storage.write_bytes_atomic("metadata/v1.metadata.json", b"{}")
    assert list_lake(LakeConfig(root=f"s3://{BUCKET}")).icebergs == {""}
    with pytest.raises(ConfigError, match="Iceberg") as caught:
        list_lake(LakeConfig(root=f"{lake[0]}/copies"))
    assert caught.value.hint == "choose another folder"
    storage.delete_file("metadata/v1.metadata.json")
