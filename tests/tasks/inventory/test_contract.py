from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.contract import CONTRACTS


def test_every_column_says_what_it_means_and_the_tables_are_those_of_the_artifact() -> None:
    assert set(CONTRACTS) == {"tables", "columns", "files", "file_bounds", "partition_values", "unreadable"}
    for contract in CONTRACTS.values():
        assert contract.meaning
        assert all(column.meaning for column in contract.columns)
        assert set(contract.key) <= set(contract.names)


def test_what_differs_between_machines_is_not_digested() -> None:
    files = CONTRACTS["files"]
    assert set(files.names) - set(files.digested_names) == {"mtime_ns", "etag", "sha256"}


def test_every_field_of_the_config_is_described() -> None:
    assert all(field.description for field in InventoryConfig.model_fields.values())
