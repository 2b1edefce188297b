"""The two stories of the docs, a job that writes on and a hold that comes late: run in order, held to the page."""

import pytest

from tests.docs.pages import ROOT
from tests.docs.transcripts import require_whole, run_page

PAGE = ROOT / "docs" / "stories.md"


def test_every_command_block_is_followed_by_what_it_prints():
    require_whole(PAGE)


@pytest.mark.heavy
def test_the_stories_go_as_they_are_told(tmp_path):
    run_page(PAGE, tmp_path)
