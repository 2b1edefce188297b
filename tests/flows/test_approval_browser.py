"""The approval in Prefect's own UI: a real server, a real browser, a person's clicks."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from flows.prefect_home import build_database
from tests.flows.cli.test_apply import CHILDREN, files, folder  # noqa: F401 - a fixture
from tests.flows.processes import environment
from tests.tasks.report.browser import CHROMIUM, browser

pytestmark = [
    pytest.mark.flow,
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

START_S = 300
CODE = (
    "from flows.approval import approval_flow as f; print(f(artifacts='artifacts', plan_file='plan.json'), flush=True)"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prefect server with its UI: its address and environment."""
    home = tmp_path_factory.mktemp("prefect")
    shutil.copyfile(build_database(), home / "prefect.db")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    variables = environment(
        PREFECT_HOME=str(home),
        PREFECT_API_URL=f"{address}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
        NO_PROXY="127.0.0.1",
    )
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("w") as log, subprocess.Popen(command, env=variables, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: answers(f"{address}/api/health"), process)
            yield address, variables
        finally:
            process.terminate()


def answers(url):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False).is_success
    return False


def wait_for(condition, process):
    deadline = time.monotonic() + START_S
    while not (found := condition()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.5)
    return found


def paused_run(address):
    with contextlib.suppress(httpx.HTTPError):
        runs = httpx.post(f"{address}/api/flow_runs/filter", json={}, trust_env=False).json()
        return next((run["id"] for run in runs if run["state"]["name"] == "Paused"), None)
    return None


@contextlib.contextmanager
def waiting_flow(server, folder):  # noqa: F811 - the fixture's value
    """The flow in a process of its own, paused; gives the process and the page of its run."""
    address, variables = server
    with subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=folder, env=variables, stdout=subprocess.PIPE, text=True
    ) as flow:
        try:
            yield flow, f"{address}/runs/flow-run/{wait_for(lambda: paused_run(address), flow)}"
        finally:
            flow.kill()


BUTTON = "[...document.querySelectorAll('{where} button')].find(b => b.innerText.trim() === '{text}')"
FIELD = (
    "[...document.querySelectorAll('.p-modal .schema-form-property')]"
    ".find(p => p.innerText.trim().startsWith('{name}')).querySelector('{what}')"
)


def click(tab, element):
    tab.wait(f"!!({element})")
    tab.ask(f"({element}).setAttribute('data-test', 'here')")
    tab.click("[data-test=here]")
    tab.ask("document.querySelector('[data-test=here]')?.removeAttribute('data-test')")


def decide(tab, page, *, approve, reviewer, picture):
    """Opens the run's page, fills the form in, submits it."""
    tab.call("Page.navigate", url=page)
    click(tab, BUTTON.format(where="body", text="Resume"))
    tab.wait("!!document.querySelector('.p-modal .schema-form-property')")
    text = tab.ask("document.querySelector('.p-modal').innerText")
    for name in CHILDREN:
        assert name in text
    if approve:
        click(tab, FIELD.format(name="Approve", what="input, [role=switch], .p-toggle__control"))
    click(tab, FIELD.format(name="Reviewer", what="textarea, input"))
    tab.call("Input.insertText", text=reviewer)
    tab.screenshot(picture, (1400, 1200))
    click(tab, BUTTON.format(where=".p-modal", text="Submit"))


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
    assert f"'approved': {approve}" in out and "'reviewer': 'Ada'" in out
    assert picture.stat().st_size > 10_000
    if not approve:
        assert files(folder) == before
        return
    for name in CHILDREN:
        assert name in out
        assert (folder / "lake" / f"{name}.lakebed.json").is_file()
        assert not (folder / "lake" / f"{name}.parquet").exists()
