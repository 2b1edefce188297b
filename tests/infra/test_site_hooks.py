"""What the site's hooks change in pages."""

import importlib.util

import pytest

from tests.docs.pages import ROOT

spec = importlib.util.spec_from_file_location("hooks", ROOT / "infra" / "site" / "hooks.py")
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)


class Page:
    def __init__(self, path):
        self.file = type("File", (), {"src_uri": path})


def shown(text, page="prefect.md"):
    return hooks.on_page_markdown(text, Page(page), type("Config", (), {"docs_dir": str(ROOT / "docs")}), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [infra/prefect.yaml](../infra/prefect.yaml).\n", "see `infra/prefect.yaml`.\n"),
        ("see [the file](../mkdocs.yml#L1)\n", "see the file (`mkdocs.yml`)\n"),
        ("see [apply](apply.md)\n", "see [apply](apply.md)\n"),
        ("![picture](../docs/pictures/report.png)\n", "![picture](../docs/pictures/report.png)\n"),
        ("text:\n- one\n- two\n", "text:\n\n- one\n- two\n"),
        ("text:\n\n- one\n  more\n- two\n", "text:\n\n- one\n  more\n- two\n"),
        ("1. one\n   - inner\n2. two\n", "1. one\n    - inner\n2. two\n"),
        ("```\na\n- b\n```\n", "```\na\n- b\n```\n"),
    ],
)
def test_pages_read_as_they_do_in_the_repository(text, expected):
    assert shown(text) == expected


def test_links_within_the_docs_stay():
    assert shown("[list](../inventory.md)\n", "contracts/inventory.md") == "[list](../inventory.md)\n"


def test_the_reference_has_every_module_of_a_kernel():
    pages = hooks.api_pages()
    for path in (ROOT / "tasks").glob("*/kernel/[a-z]*.py"):
        if not path.stem.startswith("compile"):
            assert f"::: lakebed.tasks.{path.parts[-3]}.kernel.{path.stem}\n" in pages[path.parts[-3]]
    assert pages["inventory"].count(":::") >= 1
