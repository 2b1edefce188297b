from lakebed.tasks.runtime.contract_docs import find_contracts, write_pages


def test_every_contract_of_every_stage_has_its_section(tmp_path):
    found = find_contracts()
    assert {"inventory", "containment"} <= {stage for stage, _ in found}
    pages = {page.stem: page.read_text() for page in write_pages(tmp_path)}
    for stage, contract in found:
        assert f"## {contract.name}, version {contract.version}" in pages[stage]
        assert all(f"`{name}`" in pages[stage] for name in contract.names)
