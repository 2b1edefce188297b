import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.receipt import (
    Moving,
    entry_id,
    make_pointer,
    make_receipt,
    read_pointer,
    read_receipt,
    receipt_address,
)


@pytest.fixture
def receipt(case):
    table = case.plan.table("sub/text")
    return make_receipt(case.plan, table, Moving("whole", table.identity.files), 3.0)


def test_the_same_plan_and_table_give_the_same_entry():
    assert entry_id("p", "t") == entry_id("p", "t")
    assert len({entry_id("p", "t"), entry_id("p", "u"), entry_id("q", "t"), entry_id("pt", "")}) == 4


@pytest.mark.parametrize("lake", ["/data/lake", "s3://bucket/lake"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_pointer_leads_to_its_receipt(receipt, lake, inside):
    root = f"{lake}/_lakebed_quarantine" if inside else f"{lake}-aside/x"
    pointer = make_pointer(receipt, lake, root)
    assert receipt_address(f"{lake}/sub", pointer) == (root, f"entries/{receipt.entry}/receipt.json")
    assert pointer.receipt.startswith("../") is inside
    assert pointer.restore == f"lakebed restore sub/text --lake {lake}"


def test_a_pointer_goes_with_a_lake_that_is_moved(receipt):
    pointer = make_pointer(receipt, "/old/lake", "/old/lake/_lakebed_quarantine")
    assert receipt_address("/new/place/sub", pointer)[0] == "/new/place/_lakebed_quarantine"


def test_names_are_quoted_for_the_shell(receipt):
    table = receipt.table.model_copy(update={"name": "it's here; rm -rf x"})
    pointer = make_pointer(receipt.model_copy(update={"table": table}), "/a lake", "/a lake/_lakebed_quarantine")
    import shlex

    assert shlex.split(pointer.restore) == ["lakebed", "restore", "it's here; rm -rf x", "--lake", "/a lake"]


@pytest.mark.parametrize("read", [read_receipt, read_pointer])
def test_damage_is_told(tmp_path, read):
    storage = Storage.at(str(tmp_path))
    storage.write_bytes_atomic("x.json", b'{"version": 1}')
    with pytest.raises(ArtifactError, match="is not whole"):
        read(storage, "x.json")
