"""The tutorial's commands, run in order as a reader runs them; what they print, held to the page."""

import pytest

from tests.docs.pages import ROOT
from tests.docs.transcripts import differs, require_whole, run_page

PAGE = ROOT / "docs" / "tutorial.md"


def test_every_command_block_is_followed_by_what_it_prints():
    require_whole(PAGE)


@pytest.mark.parametrize(
    ("expected", "printed", "told"),
    [
        ("a  1\nb", "a 1\n\nb  \n", None),
        ("a …\n…\nc", "a 17 s\nb\nb\nc\n", None),
        ("a\n…", "a\n", None),
        ("a\nc", "a\nb\nc\n", "c"),
        ("a", "a\nb\n", "and no more, but: b"),
        ("a …", "b 1\n", "a …"),
    ],
)
def test_comparison(expected, printed, told):
    assert differs(expected, printed) == told


@pytest.mark.heavy
def test_the_tutorial_works_as_written(tmp_path):
    run_page(PAGE, tmp_path)
