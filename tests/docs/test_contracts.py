from lakebed.tasks.runtime.contract_docs import write_pages
from tests.docs.pages import ROOT


def test_pages_of_the_contracts_are_in_step(tmp_path):
    made = {page.name: page.read_text() for page in write_pages(tmp_path)}
    kept = {page.name: page.read_text() for page in (ROOT / "docs" / "contracts").glob("*.md")}
    assert kept == made, "run `python -m lakebed.tasks.runtime.contract_docs docs/contracts`"
