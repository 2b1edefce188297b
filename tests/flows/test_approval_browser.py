"""The approval in Prefect's own UI: a real server, a real browser, a person's clicks."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lakebed.tasks.quarantine.receipt import pointer_path
from tests.flows.cli.test_apply import CHILDREN, files, folder  # noqa: F401 - a fixture
from tests.flows.prefect_ui import button, click, field, fill
from tests.services.prefect_server import START_S, prefect_server, wait_for
from tests.tasks.report.browser import browser

pytestmark = [
    pytest.mark.flow,
    pytest.mark.heavy,
]

CODE = (
    "from lakebed.flows.approval import approval_flow as f; "
    "print(f(artifacts='artifacts', plan_file='plan.json'), flush=True)"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("prefect")) as running:
        yield running


def paused_run(server):
    with contextlib.suppress(httpx.HTTPError, AssertionError):
        return next((run["id"] for run in server.runs() if run["state"]["name"] == "Paused"), None)
    return None


@contextlib.contextmanager
def waiting_flow(server, folder):  # noqa: F811 - the fixture's value
    """The flow in a process of its own, paused; gives the process and the page of its run."""
    with subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=folder, env=server.environment, stdout=subprocess.PIPE, text=True
    ) as flow:
        try:
            run = wait_for(lambda: paused_run(server), process=flow)
            yield flow, f"{server.address}/runs/flow-run/{run}"
        finally:
            flow.kill()


def decide(tab, page, *, approve, reviewer, picture):
    """Opens the run's page, fills the form in, submits it."""
    tab.call("Page.navigate", url=page)
    click(tab, button("Resume"))
    tab.wait("!!document.querySelector('.p-modal .schema-form-property')")
    text = tab.ask("document.querySelector('.p-modal').innerText")
    for name in CHILDREN:
        assert name in text
    if approve:
        click(tab, field("Approve", "input, [role=switch], .p-toggle__control", where=".p-modal"))
    fill(tab, "Reviewer", reviewer, where=".p-modal")
    tab.screenshot(picture, (1400, 1200))
    click(tab, button("Submit", where=".p-modal"))


def ended(flow):
    out, _ = flow.communicate(timeout=START_S)
    assert flow.returncode == 0
    return out


@pytest.mark.parametrize("approve", [False, True], ids=["refused", "approved"])
def test_a_person_decides_in_the_ui(server, folder, tmp_path, approve):  # noqa: F811 - the fixture
    before = files(folder)
    picture = Path(os.environ.get("TEST_PICTURES", tmp_path)) / f"approval-{approve}.png"
    with browser(tmp_path / "profile") as tab, waiting_flow(server, folder) as (flow, page):
        assert files(folder) == before
        decide(tab, page, approve=approve, reviewer="Ada", picture=picture)
        out = ended(flow)
        left = server.artifacts(page.rpartition("/")[2])
        assert ("lakebed-applied" in left) is approve
        if approve:
            tab.call("Page.navigate", url=f"{server.address}/artifacts/artifact/{left['lakebed-applied']['id']}")
            tab.wait("document.body?.innerText.includes('lakebed restore --all')")
            shown = tab.ask("document.body.innerText")
            assert "approved by Ada" in shown and all(name in shown for name in CHILDREN)
            tab.screenshot(picture.with_name("approval-applied.png"), (1100, 700))
    assert f"'approved': {approve}" in out and "'reviewer': 'Ada'" in out
    assert picture.stat().st_size > 10_000
    if not approve:
        assert files(folder) == before
        return
    for name in CHILDREN:
        assert name in out
        assert (folder / "lake" / pointer_path(name)).is_file()
        assert not (folder / "lake" / f"{name}.parquet").exists()
