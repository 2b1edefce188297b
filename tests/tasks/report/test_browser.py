"""The report as a browser shows it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from lakebed.tasks.report.stage import write_report
from tests.tasks.report.browser import Tab, browser
from tests.tasks.report.lakes import HOSTILE, big_lake, empty_lake, hostile_lake, small_lake

pytestmark = [
    pytest.mark.heavy,
]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return Path(write_report(small_lake(), tmp_path / "report.html"))


def drawer(tab: Tab) -> str:
    return str(tab.ask("document.getElementById('drawer').hidden ? '' : document.getElementById('drawer').innerText"))


@pytest.mark.parametrize("make", [small_lake, empty_lake, hostile_lake, big_lake], ids=lambda make: make.__name__)
def test_a_page_loads_nothing_and_raises_nothing(tab: Tab, tmp_path: Path, make: object) -> None:
    path = Path(write_report(make(), tmp_path / "report.html"))  # type: ignore[operator]
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(path)
    assert {url for url in tab.requests if not url.startswith("about:")} == {path.as_uri()}
    assert tab.complaints == []


def test_a_click_on_a_box_shows_its_evidence(tab: Tab, small: Path) -> None:
    tab.open(small)
    assert drawer(tab) == ""
    tab.click('.graph[data-view="telling"] [data-node="1"] text')
    tab.wait("!document.getElementById('drawer').hidden")
    text = drawer(tab)
    for expected in ("year/2024", "Lies inside (1)", "year/all", "Contains (1)", "year/2024-05"):
        assert expected in text
    assert tab.ask("location.hash") == "#table=year%2F2024"
    tab.click("#drawer .close")
    tab.wait("document.getElementById('drawer').hidden")


def test_a_click_on_a_line_shows_the_certificate(tab: Tab, small: Path) -> None:
    tab.open(small)
    tab.click('.graph[data-view="telling"] [data-link="0"] .hit')
    tab.wait("!document.getElementById('drawer').hidden")
    text = drawer(tab)
    for expected in (
        "Verdict of each step",
        "set semantics",
        "encoding_id",
        "n_missing",
        "parent_row_density",
        "columns.state",
        "a heuristic",
    ):
        assert expected in text


def test_a_link_opens_the_evidence_of_a_pair(tab: Tab, small: Path) -> None:
    tab.open(small, f"#child={quote('copies/a', safe='')}&parent={quote('copies/b', safe='')}")
    assert "copies/a in copies/b" in drawer(tab)
    assert "mutual" in drawer(tab)
    assert "999 of 1,000" not in drawer(tab)
    assert "1 of 1,000 compared rows missing; about 99.900 % contained" in drawer(tab)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\udcff" not in name])
def test_a_link_to_a_hostile_name_finds_its_table(tab: Tab, tmp_path: Path, name: str) -> None:
    path = Path(write_report(hostile_lake(), tmp_path / "report.html"))
    tab.open(path, f"#table={quote(name, safe='')}")
    assert "SIZE" in drawer(tab).upper()
    assert tab.ask("document.querySelectorAll('script').length") == 4


def test_toggles_and_filters_change_what_is_listed(tab: Tab, small: Path) -> None:
    tab.open(small)
    rows = "document.querySelectorAll('#edges tbody tr').length"
    assert tab.ask(rows) == 5
    tab.click("#edge-coincidental")
    assert tab.ask(rows) == 6
    tab.click("#edge-copies")
    assert tab.ask(rows) == 4
    tab.click("#edge-search")
    tab.call("Input.insertText", text="2024-05")
    assert tab.ask(rows) == 2
    tab.click("#show-coincidental")
    assert tab.ask("document.querySelector('.graph:not([hidden])').dataset.view") == "all"
    tab.click("#show-implied")
    assert tab.ask("document.getElementById('graph-count').textContent") == "6 boxes, 4 lines"


def test_a_click_on_a_heading_sorts(tab: Tab, small: Path) -> None:
    tab.open(small)
    first = "document.querySelector('#edges tbody td').innerText"
    tab.click('#edges th[data-sort="child"] button')
    assert tab.ask(first) == "copies/a"
    tab.click('#edges th[data-sort="child"] button')
    assert tab.ask(first) == "year/2024-05"


def test_only_the_first_rows_of_a_long_list_are_drawn(tab: Tab, tmp_path: Path) -> None:
    tab.open(Path(write_report(big_lake(), tmp_path / "report.html")))
    rows = "document.querySelectorAll('#edges tbody tr').length"
    assert tab.ask(rows) == 100
    tab.click("#edge-more button")
    assert tab.ask(rows) == 600


def test_charts_follow_the_colour_scheme(tab: Tab, small: Path, tmp_path: Path) -> None:
    tab.open(small)
    fill = "document.querySelector('[data-chart] .mark-rect path').getAttribute('fill')"
    colours = []
    for is_dark in (False, True):
        tab.screenshot(tmp_path / "page.png", (1280, 900), is_dark=is_dark)
        colours.append(tab.ask(fill))
    assert len(set(colours)) == 2
