import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import altair
import pytest

import lakebed.tasks.report
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import ReportData, RunFacts
from lakebed.tasks.report.render import render
from tests.tasks.report.lakes import (
    HOSTILE,
    big_lake,
    empty_lake,
    hostile_lake,
    real_looking_lake,
    small_lake,
)

N_SCRIPTS = 4
LOADING = ("src", "srcset", "action", "formaction", "data", "poster", "background", "ping")


class Page(HTMLParser):
    """The elements, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._inside = tag
            self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.text += data


@pytest.fixture(
    scope="module", params=[small_lake, empty_lake, hostile_lake, real_looking_lake], ids=lambda f: f.__name__
)
def page(request: pytest.FixtureRequest) -> Page:
    data: ReportData = request.param()
    return Page(render(data))


def test_only_our_own_scripts_exist(page: Page) -> None:
    assert len(page.scripts) == N_SCRIPTS
    assert [a for tag, a in page.elements if tag == "script"] == [
        {}, {}, {"type": "application/json", "id": "report-data"}, {},
    ]  # fmt: skip
    assert "University of Washington Interactive Data Lab" in page.scripts[0][:200]
    assert page.scripts[3].startswith("(() => {")
    json.loads(page.scripts[2])


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "iframe", "object", "embed", "img", "base", "form", "audio", "video", "image", "use"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name in LOADING or name.startswith("on")]
        assert ":" not in (attributes.get("href") or "")
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_the_style_sheet_loads_nothing() -> None:
    style = re.findall(r"<style>(.*?)</style>", render(empty_lake()), re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_hostile_names_arrive_whole_as_text() -> None:
    page = Page(render(hostile_lake()))
    for text in HOSTILE[:2]:
        assert text in page.text
    assert "two\\nlines\\tand\\u0000nul" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in page.text
    names = [table["name"] for table in json.loads(page.scripts[2])["tables"]]
    assert set(HOSTILE) - set(names) == {"bytes \udcff that are no UTF-8"}


def test_equal_data_gives_equal_bytes() -> None:
    assert render(real_looking_lake()) == render(real_looking_lake())


def test_only_the_run_record_differs_between_two_runs() -> None:
    one, other = (render(replace(small_lake(), run=RunFacts(run_id=run_id))) for run_id in ("first-run", "other-run"))
    assert one != other
    assert one.replace("first-run", "other-run") == other


def test_an_empty_lake_is_said_to_be_empty() -> None:
    text = Page(render(empty_lake())).text
    assert "No table was found in this lake." in text
    assert "No pair was compared in this run." in text
    assert "Every table was read" in text


def test_a_sampled_run_claims_no_proof() -> None:
    text = Page(render(replace(small_lake(), mode="sampled"))).text
    assert "Nothing here is proven" in text
    assert "Proven containments" not in text


def test_the_upper_bound_is_called_one() -> None:
    text = Page(render(small_lake())).text
    assert "Could be set aside, at most" in text
    assert "4 of 7 tables lie wholly inside another table." in text


def test_a_big_lake_is_cut_and_says_so() -> None:
    data = big_lake()
    html = render(data, ReportConfig())
    assert len(html) < 6_000_000
    text = Page(html).text
    assert "Listed are the 2,000 of 20,000" in text
    assert 'data-caption="the 300 of 20,120 boxes where most could be set aside' in html


def test_unreadable_and_unstable_tables_carry_reason_and_hint() -> None:
    text = Page(render(small_lake())).text
    for expected in ("the Parquet footer ends early", "write the file again", "its size changed from 10 to 20 bytes"):
        assert expected in text


def test_data_docs_are_linked_from_the_runs_folder() -> None:
    links = [a.get("href") for tag, a in Page(render(small_lake())).elements if tag == "a"]
    assert "expectations/data_docs/index.html" in links


def test_the_vendored_libraries_fit_altair_and_the_size_that_is_allowed() -> None:
    static = Path(lakebed.tasks.report.__file__).parent / "static"
    assert (static / f"vega-lite-{altair.VEGALITE_VERSION}.min.js").exists()
    assert list(static.glob(f"vega-{altair.VEGA_VERSION}.*.min.js"))
    assert sum(path.stat().st_size for path in static.iterdir()) < 1_500_000


def test_files_of_other_kinds_are_counted_where_there_are_any() -> None:
    told = "Not looked at: 3 files of other kinds, 1.5 kB."
    assert told in Page(render(replace(small_lake(), other_files=3, other_bytes=1_500))).text
    assert "other kinds" not in Page(render(small_lake())).text
