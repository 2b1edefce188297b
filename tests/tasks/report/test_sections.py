from dataclasses import replace

import pytest

from lakebed.tasks.report import sections
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Chart, Charts, Listing, Prose, Section, Tile, Tiles
from lakebed.tasks.report.render import render
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tests.tasks.report.lakes import HOSTILE, small_lake

SPEC = {"$schema": "https://example.org/schema.json", "mark": "bar", "data": {"values": []}}
SHOWN = Section(
    "retention",
    "Keep",
    "What to keep",
    "A lead.",
    (
        Prose("In words."),
        Tiles((Tile("Saved", "12 EUR", "a month"),)),
        Charts((Chart("Curve", SPEC), Chart("Unmeasured", None))),
        Listing("Decisions", ("table", "bytes"), tuple((name, "12") for name in HOSTILE), (1,), n_all=700),
        Listing("", ("none",), ()),
    ),
)


@pytest.fixture(scope="module")
def html() -> str:
    return render(replace(small_lake(), sections=(SHOWN,)))


def test_a_section_stands_in_page_and_navigation(html: str) -> None:
    assert '<a href="#retention">Keep</a>' in html
    assert '<section id="retention">' in html
    for text in ("What to keep", "A lead.", "In words.", "12 EUR", "of 700; the artifact", "Not measured in this run."):
        assert text in html


def test_charts_are_drawn_by_their_place_and_carry_no_address(html: str) -> None:
    assert 'data-chart="retention-2-0"' in html
    assert '"retention-2-0":{"mark":"bar"' in html
    assert "example.org" not in html


def test_names_are_never_markup(html: str) -> None:
    marked = [name for name in HOSTILE if "<" in name]
    assert marked
    assert not [name for name in marked if name in html]


def test_only_stages_that_were_reached_speak(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    asked = []

    def section(_store: object, refs: object, _config: object) -> Section:
        asked.append(refs)
        return SHOWN

    monkeypatch.setattr(sections, "SECTIONS", {"retention": section, "summary": section})
    refs = {"retention": ArtifactRef(stage="retention", key="k", digest="d")}
    found = sections.collect_sections(ArtifactStore(str(tmp_path)), refs, ReportConfig())
    assert found == (SHOWN,)
    assert asked == [refs]
