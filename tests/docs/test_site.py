"""The site: built strictly, complete, and nothing of it comes from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT

LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//|@import\s+url|url\(["']?(?:https?:)?//"""
)


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)  # noqa: S506 - a safe loader of our own file


def pages(nav):
    for entry in nav:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else pages(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", folder / "site"]
    command += ["--config-file", ROOT / "mkdocs.yml"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "site"


def test_every_page_is_in_the_navigation_once():
    listed = [page for page in pages(CONFIG["nav"]) if not page.startswith("api/")]
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) == there


def test_every_package_with_a_kernel_has_a_page_of_the_reference():
    listed = {Path(page).stem for page in pages(CONFIG["nav"]) if page.startswith("api/")}
    assert listed >= {path.parent.name for path in (ROOT / "tasks").glob("*/kernel")}


@pytest.mark.heavy
class TestBuilt:
    def test_every_page_is_there(self, site):
        for page in pages(CONFIG["nav"]):
            name = page.replace("README.md", "index.html").replace(".md", ".html")
            assert (site / name).stat().st_size > 5_000, name

    def test_nothing_is_loaded_from_elsewhere(self, site):
        for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
            found = LOADED.search(path.read_text())
            assert found is None, f"{path.relative_to(site)}: {found and found[0]}"

    def test_the_reference_shows_public_names_with_docstrings_and_no_others(self, site):
        text = (site / "api" / "summary.html").read_text()
        assert 'id="lakebed.tasks.summary.config.SummaryConfig"' in text
        assert 'id="lakebed.tasks.summary.kernel.operator.SummaryOperator"' in text
        public = (site / "api" / "lakebed.html").read_text()
        for name in (
            "tasks.quarantine.reading.open_table",
            "session.open",
            "session.Lake.run",
            "session.Lake.containments",
        ):
            assert f'id="lakebed.{name}"' in public
        names = [
            name for path in (site / "api").glob("*.html") for name in re.findall(r'id="([\w.]+)"', path.read_text())
        ]
        assert len([name for name in names if name.startswith("lakebed.tasks.")]) > 300
        assert not [name for name in names if name.startswith("lakebed.tasks.") and re.search(r"\._[a-z]", name)]

    def test_links_to_files_that_are_no_pages_became_their_names(self, site):
        for path in site.rglob("*.html"):
            for target in re.findall(r'href="(\.\./[^"#?]+)', path.read_text()):
                assert (path.parent / target).resolve().is_relative_to(site.resolve()), f"{path.name}: {target}"

    def test_lists_are_lists(self, site):
        """A list that Markdown took for the end of a paragraph shows its dashes."""
        for path in site.glob("*.html"):
            text = re.sub(r"<pre.*?</pre>", "", path.read_text(), flags=re.DOTALL)
            assert not re.search(r"<p>[^<]*\n- ", text), path.name
