"""The deployments at work: a real Prefect server on PostgreSQL, `lakebed serve`, a real browser, kills."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lakebed.flows.deployment_limits import POOL
from lakebed.flows.deployments import DEPLOYMENTS
from lakebed.flows.run_page import NOTHING_DONE
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import list_runs
from tests.docs.pages import ROOT
from tests.flows.lakes import snapshot, write_parquet_lake
from tests.flows.prefect_ui import button, choose, click, fill, show, text_of
from tests.flows.processes import Running, lakebed
from tests.planted import Planted
from tests.services.machine import free_port
from tests.services.postgresql import postgresql_server
from tests.services.prefect_server import answers, prefect_server, wait_for
from tests.tasks.report.browser import browser

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
ORPHANS_END_WITHIN_S = 30
SILENT_S = 90
LOGS_S = 60
# the graph of a run's tasks moves a little after it is drawn
SETTLE_S = 3
# a person's patience, so that the tests need less of it
QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with (
        postgresql_server() as database,
        prefect_server(
            tmp_path_factory.mktemp("prefect"), database.url(scheme="postgresql+asyncpg"), **QUICK
        ) as running,
    ):
        yield running


class Served:
    """An artifact root of its own, served under a name of its own."""

    def __init__(self, server, folder, name, *options):
        self.server, self.folder, self.name = server, folder, name
        self.root = str(folder / "artifacts")
        (folder / "lake").parent.mkdir(exist_ok=True, parents=True)
        write_parquet_lake(folder / "lake")
        self.before = snapshot(folder / "lake")
        self.arguments = ("serve", "--lake", "lake", "--artifacts", "artifacts", "--name", name, "--json", *options)

    @contextlib.contextmanager
    def worker(self, **variables):
        """`lakebed serve`, registered and working."""
        with Running(*self.arguments, folder=self.folder, **self.server.variables, **variables) as running:
            out = self.folder / "stdout.txt"
            wait_for(lambda: out.read_text().endswith("\n"), process=running.process)
            self.registered = json.loads(out.read_text())
            yield running

    def register(self):
        return lakebed(*self.arguments, "--register-only", folder=self.folder, **self.server.variables)

    def start(self, name="chain", **parameters):
        flow = "lakebed-approval" if name == "plan-with-approval" else "lakebed"
        return self.server.start_run(f"{flow}/{name}-{self.name}", **parameters)

    def working(self):
        """The newest run's record, once its process holds the root."""
        return wait_for(lambda: next((run for run in list_runs(self.root) if run.status == "running"), None))

    def check_lake(self):
        assert snapshot(self.folder / "lake") == self.before


def stopped(running):
    """Ends `serve` as a service manager does; nothing of it is left."""
    running.look()
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert running.living_after(ORPHANS_END_WITHIN_S) == []


def flow_process(run):
    return psutil.Process(run.process["pid"])


def test_a_schedule_fires_and_a_run_without_work_says_so(server, tmp_path):
    served = Served(server, tmp_path, "timed", "--to", "containment", "--interval", "10", "--health")
    port = free_port()
    with served.worker(PREFECT_WORKER_WEBSERVER_PORT=str(port)) as running:

        def three():
            running.look()
            done = [run for run in server.runs("lakebed/chain-timed", "COMPLETED") if run["auto_scheduled"]]
            return done[:3] if len(done) >= 3 else None

        first, _, third = wait_for(three)
        assert first["state"]["message"].startswith("built inventory, containment; 3 tables, 0 unreadable; 2 contain")
        assert third["state"]["message"] == NOTHING_DONE
        # lines of the log reach the server some seconds after the state
        wait_for(lambda: NOTHING_DONE in server.logs(third["id"]), LOGS_S)
        assert not server.deployment("lakebed/chain-timed")["paused"]
        assert answers(f"http://127.0.0.1:{port}/health")
        stopped(running)
    assert not answers(f"http://127.0.0.1:{port}/health")
    # nothing makes runs for a worker that is gone
    assert "chain-timed is paused" in (tmp_path / "stderr.txt").read_text()
    assert server.deployment("lakebed/chain-timed")["paused"]
    assert server.runs("lakebed/chain-timed", "SCHEDULED") == []
    records = {run.command[-1]: run for run in list_runs(served.root)}
    assert records[first["id"]].session_start_s > 0
    assert records[third["id"]].session_start_s == 0 and all(stage.reused for stage in records[third["id"]].stages)
    assert served.registered["schedule"] == "every 10 s"
    shown = server.artifacts(first["id"])
    assert set(shown) == {"lakebed-progress", "lakebed-summary", "lakebed-report"}
    assert shown["lakebed-progress"]["data"] == 100.0
    assert "| `orders_part` | `orders` |  |" in shown["lakebed-summary"]["data"]
    served.check_lake()


def test_what_is_due_while_a_run_works_is_skipped_or_waits_as_the_deployment_says(server, tmp_path):
    """The run that works is held at the lease of the root, so that several are due meanwhile."""
    served = Served(server, tmp_path, "due", "--to", "inventory", "--interval", "10")
    with served.worker() as running:
        first = served.start(full=True)
        # one that was due may have begun before it
        held = served.working()
        process = flow_process(held)
        process.suspend()
        asked = served.start("only-inventory")
        wait_for(lambda: len(late(server, "lakebed/chain-due")) >= 2)
        process.resume()
        working = held.command[-1]
        assert server.wait_for_run(working, *ENDED)["state_type"] == "COMPLETED"
        skipped = server.runs("lakebed/chain-due", "CANCELLED")
        assert len(skipped) >= 2 and all(run["auto_scheduled"] for run in skipped)
        told = f' worked on {served.root} when it was due; overlap = "queue" lets such runs wait'
        messages = {run["state"]["message"] for run in skipped}
        assert all(message.startswith("skipped: ") and message.endswith(told) for message in messages)
        assert f"skipped: {server.run(working)['name']}{told}" in messages
        wait_for(lambda: "scheduled runs were due meanwhile and are skipped" in server.logs(working), LOGS_S)
        # what a person asked for is not
        for run in (first, asked):
            assert server.wait_for_run(run, *ENDED)["state_type"] == "COMPLETED"
        # around the queue: nothing fails where the schedule alone asked
        with Lease(served.root, "somebody"):
            wanted = "skipped: another run works on this artifact root"
            wait_for(lambda: any(run["state"]["message"].startswith(wanted) for run in cancelled(server)))
        stopped(running)
    with (tmp_path / "lakebed.toml").open("w") as file:
        file.write('overlap = "queue"\n')
    with served.worker() as running:
        first = served.start(full=True)
        process = flow_process(served.working())
        process.suspend()
        waiting = wait_for(lambda: late(server, "lakebed/chain-due"))[0]
        process.resume()
        assert server.wait_for_run(first, *ENDED)["state_type"] == "COMPLETED"
        assert server.wait_for_run(waiting["id"], *ENDED)["state_type"] == "COMPLETED"
        stopped(running)
    served.check_lake()


def test_serve_resumes_what_it_has_paused_and_nothing_that_somebody_has(server, tmp_path):
    served = Served(server, tmp_path, "resumed", "--to", "inventory", "--cron", "0 3 * * *")

    def chain():
        return server.deployment("lakebed/chain-resumed")

    def after_a_start():
        with served.worker() as running:
            wait_for(lambda: "started" in (tmp_path / "stderr.txt").read_text())
            found = chain()
            stopped(running)
        return found

    assert not after_a_start()["paused"]
    assert chain()["paused"] and "paused-by-serve" in chain()["tags"]
    resumed = after_a_start()
    assert not resumed["paused"] and "paused-by-serve" not in resumed["tags"]
    server.ask("PATCH", f"/deployments/{resumed['id']}", paused=True, tags=["lakebed"])
    assert after_a_start()["paused"] and chain()["paused"]


def test_a_run_that_a_worker_took_and_did_not_begin_is_given_back(server, tmp_path):
    """It would hold the queue's one place for ever."""
    served = Served(server, tmp_path, "taken", "--to", "inventory")
    assert served.register().status == 0
    run = served.start()
    server.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "PENDING"}, force=True)
    with served.worker() as running:
        assert server.wait_for_run(run, *ENDED)["state_type"] == "COMPLETED"
        stopped(running)
    # nor is a worker that has ended called online for a minute and a half
    workers = server.ask("POST", "/work_pools/lakebed/workers/filter")
    assert not [one["name"] for one in workers if one["name"].startswith(f"lakebed-{served.registered['queue']}-")]


def late(server, deployment):
    return [run for run in server.runs(deployment, "SCHEDULED") if run["state_name"] == "Late"]


def cancelled(server):
    return server.runs("lakebed/chain-due", "CANCELLED")


def test_neither_worker_nor_flow_imports_from_the_folder_in_which_serve_was_called(server, tmp_path):
    served = Served(server, tmp_path / "project", "planted", "--to", "inventory")
    planted = Planted(served.folder)
    with served.worker() as running:
        run = server.wait_for_run(served.start(), *ENDED)
        stopped(running)
    assert run["state_type"] == "COMPLETED", server.logs(run["id"])
    assert planted.imported == ""
    served.check_lake()


def test_the_same_registration_again_changes_nothing_and_another_root_is_refused(server, tmp_path):
    served = Served(server, tmp_path / "one", "named", "--cron", "0 3 * * *", "--timezone", "Europe/Berlin")
    first, second = served.register(), served.register()
    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert first.json == second.json
    assert first.json["schedule"] == "0 3 * * * (Europe/Berlin)"
    found = server.deployment("lakebed/chain-named")
    (schedule,) = found["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 3 * * *", "Europe/Berlin")
    assert found["entrypoint"] == "lakebed.flows.lake.lake_flow" and found["work_queue_name"] == first.json["queue"]
    queue = server.ask("GET", f"/work_pools/lakebed/queues/{first.json['queue']}")
    assert queue["concurrency_limit"] == 1
    automations = server.ask("POST", "/automations/filter")
    assert [each["id"] for each in automations if each["name"].startswith("lakebed")] == [first.json["automation"]]
    assert "hash_key" not in json.dumps(found)
    listening = psutil.Process(server.process.pid).net_connections("inet")
    assert {each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    others = Served(server, tmp_path / "two", "named").register()
    assert others.status == 2
    assert others.json["error"] == "ConfigError" and others.json["hint"].endswith("--name")
    given = {**found["parameters"], "spark": {**found["parameters"]["spark"], "driver_memory_mib": 1}}
    answer = server.call("POST", f"/deployments/{found['id']}/create_flow_run", parameters=given)
    assert answer.status_code == 409 and "less than the minimum of 512" in answer.text


def test_parameters_of_a_run_complete_those_of_the_file_and_no_others_are_taken(server, tmp_path):
    """Also through the approval: what the file holds is offered in no plan."""
    served = Served(server, tmp_path, "held", "--to", "retention")
    (tmp_path / "lakebed.toml").write_text('[retention.pins]\nlegal_hold = ["orders_part"]\n')

    def ran(name, **given):
        found = server.deployment(f"{name}-held")
        made = {"parameters": given, "state": {"type": "SCHEDULED"}}
        flow_run = server.ask("POST", f"/deployments/{found['id']}/create_flow_run", **made)["id"]
        run = server.wait_for_run(flow_run, *ENDED, "PAUSED")
        assert run["state_type"] in {"COMPLETED", "PAUSED"}, server.logs(flow_run)
        return run

    with served.worker() as running:
        chain = server.deployment("lakebed/chain-held")
        for wrong in ({"retantion": {}}, {"run_id": "x"}, {"retention": {"solver_second": 1}}):
            answer = server.call("POST", f"/deployments/{chain['id']}/create_flow_run", parameters=wrong)
            assert answer.status_code == 409 and "Additional properties are not allowed" in answer.text
        ran("lakebed/chain", retention={"solver_seconds": 30}, lake={"exclude": ["none/**"]})
        recorded = list_runs(served.root)[0].config
        assert recorded["retention"]["pins"]["legal_hold"] == ["orders_part"]
        assert (recorded["retention"]["solver_seconds"], recorded["lake"]["exclude"]) == (30, ["none/**"])
        ran("lakebed/chain", retention={"pins": {"legal_hold": []}})
        assert list_runs(served.root)[0].config["retention"]["pins"]["legal_hold"] == []
        (tmp_path / "other.toml").write_text("[retention]\n")
        for config in (str(tmp_path / "lakebed.toml"), str(tmp_path / "other.toml"), ""):
            offered = ran("lakebed-approval/plan-with-approval", config=config)
            page = server.artifacts(offered["id"])["lakebed-plan"]["data"]
            assert "| `names` |" in page and "| `orders_part` |" not in page, config
            server.ask("POST", f"/flow_runs/{offered['id']}/set_state", state={"type": "CANCELLED"}, force=True)
        stopped(running)
    served.check_lake()


def test_a_run_of_the_command_line_shows_itself_on_a_server_of_the_users(server, tmp_path):
    write_parquet_lake(tmp_path / "lake")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **server.variables)
    assert answer.status == 0, answer.err
    (run,) = [each for each in server.runs() if each["deployment_id"] is None]
    assert run["state"]["message"] == "built inventory; 3 tables, 0 unreadable"
    shown = server.artifacts(run["id"])
    assert set(shown) == {"lakebed-progress", "lakebed-summary"}
    assert shown["lakebed-progress"]["data"] == 100.0
    assert answer.json["prefect_start_s"] == 0


def test_prefect_deploy_takes_the_file_of_infra_from_any_folder(server, tmp_path):
    variables = {**server.environment, "LAKEBED_LAKE__ROOT": "/data/lake", "LAKEBED_ARTIFACTS": "/data/lakebed"}
    file = ROOT / "infra" / "prefect.yaml"
    refused = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)], cwd=tmp_path,
        env=variables | {"LAKEBED_ARTIFACTS": ""}, capture_output=True, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert refused.stderr.endswith("nothing is deployed: set LAKEBED_ARTIFACTS, then run prefect deploy again\n")
    assert "Traceback" not in refused.stdout + refused.stderr
    for command in (
        ("work-pool", "create", POOL, "--type", "process", "--overwrite"),
        ("work-queue", "create", POOL, "--pool", POOL, "--limit", "1"),
        ("--no-prompt", "deploy", "--all", "--prefect-file", str(file)),
        ("automation", "create", "--from-file", str(ROOT / "infra" / "automations.yaml")),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *command], cwd=tmp_path, env=variables, capture_output=True, text=True,
            timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    for each in DEPLOYMENTS:
        found = server.deployment(f"{each.flow}/{each.name}")
        assert (found["entrypoint"], found["work_queue_name"]) == (each.entrypoint, POOL)
        assert found["pull_steps"] in (None, [])
        assert found["parameters"]["artifacts"] == "/data/lakebed"
        assert found["enforce_parameter_schema"] and "hash_key" not in json.dumps(found)
    schedules = server.deployment("lakebed/chain")["schedules"]
    assert {each["slug"]: each["active"] for each in schedules} == {"lakebed": True, "lakebed-interval": False}
    automations = {each["name"] for each in server.ask("POST", "/automations/filter")}
    assert {each for each in automations if each.startswith(("lakebed: a run", "lakebed: no run"))} == {
        "lakebed: a run failed", "lakebed: a run is late", "lakebed: no run was completed for a day"
    }  # fmt: skip
    # no worker is there for it; its schedule must not fill the queue of the other tests
    server.ask("DELETE", f"/deployments/{server.deployment('lakebed/chain')['id']}")


def refuse(tab, message):
    """Submits a form that is refused; again where the page was not ready for a click."""
    for _ in range(5):
        click(tab, button("Submit"))
        with contextlib.suppress(AssertionError):
            tab.wait(f"document.body.innerText.includes({json.dumps(message)})", 30)
            return
    pytest.fail(f"the form never said: {message}")


def test_a_person_runs_it_from_the_ui_with_other_parameters(server, tmp_path):
    pictures = Path(os.environ.get("TEST_PICTURES", tmp_path))
    served = Served(server, tmp_path, "person", "--to", "retention")
    with served.worker() as running, browser(tmp_path / "profile") as tab:
        page = f"{server.address}/deployments/deployment/{served.registered['deployments']['chain-person']}/run"
        tab.call("Page.navigate", url=page)
        tab.wait("document.querySelectorAll('.schema-form-property').length > 100", 120)
        memory = "Driver Memory Mib"
        assert "Heap of the driver's JVM, in MiB. (≥ 512, ≤ 1,048,576)" in text_of(tab, memory)
        choose(tab, "Semantics", "bag")
        fill(tab, memory, "100")
        refuse(tab, "100 is less than the minimum of 512")
        show(tab, memory)
        tab.screenshot(pictures / "prefect-refused.png", (1100, 700))
        assert server.runs("lakebed/chain-person") == []
        # the message lies over the button
        tab.wait("!document.body.innerText.includes('less than the minimum')", 120)
        fill(tab, memory, "700")
        show(tab, "Semantics")
        tab.screenshot(pictures / "prefect-form.png", (1100, 700))
        click(tab, button("Submit"))
        (run,) = wait_for(lambda: server.runs("lakebed/chain-person"))
        assert run["parameters"]["containment"]["semantics"] == "bag"
        assert run["parameters"]["spark"]["driver_memory_mib"] == 700
        tab.call("Page.navigate", url=f"{server.address}/runs/flow-run/{run['id']}")
        tab.wait("document.querySelector('.state-badge, [class*=state-badge]')?.innerText.includes('Completed')", 300)
        # opened anew, its tasks are laid out as a graph
        tab.call("Page.reload")
        tab.wait("document.body?.innerText.includes('Task Runs')", 60)
        time.sleep(SETTLE_S)
        tab.screenshot(pictures / "prefect-run.png", (1300, 600))
        shown = server.artifacts(run["id"])
        for name in ("summary", "decisions"):
            tab.call("Page.navigate", url=f"{server.address}/artifacts/artifact/{shown[f'lakebed-{name}']['id']}")
            tab.wait("document.querySelectorAll('main td, .p-table td, td').length > 3")
            assert "orders_part" in tab.ask("document.body.innerText")
            tab.screenshot(pictures / f"prefect-{name}.png", (1100, 740))
        stopped(running)
    (record,) = list_runs(served.root)
    assert (record.config["containment"]["semantics"], record.config["spark"]["driver_memory_mib"]) == ("bag", 700)
    assert server.run(run["id"])["state_type"] == "COMPLETED"


def test_a_second_run_waits_a_killed_one_is_crashed_and_the_next_resumes(server, tmp_path):
    served = Served(server, tmp_path, "killed", "--to", "containment")
    with served.worker() as running:
        first = served.start()
        record = served.working()
        second = served.start()
        time.sleep(5)
        assert server.run(second)["state_type"] == "SCHEDULED"
        assert [run.run_id for run in list_runs(served.root)] == [record.run_id]
        running.look()
        flow_process(record).kill()
        assert "-9" in server.wait_for_run(first, *ENDED)["state"]["message"]
        assert server.run(first)["state_type"] == "CRASHED"
        done = server.wait_for_run(second, *ENDED)
        assert done["state_type"] == "COMPLETED", done["state"]["message"]
        # nothing runs the crashed one again
        assert server.run(first)["run_count"] == 1
        newest, oldest = list_runs(served.root)
        assert (oldest.run_id, oldest.status, newest.status) == (record.run_id, "dead", "completed")
        # somebody goes around the queue: the lease refuses, and nothing is tried again
        with Lease(served.root, "somebody"):
            refused = server.wait_for_run(served.start("only-inventory"), *ENDED)
        assert refused["state_type"] == "FAILED" and refused["run_count"] == 1
        assert "another run works on this artifact root" in refused["state"]["message"]
        stopped(running)
    served.check_lake()


def test_worker_and_flow_killed_are_found_by_the_next_serve(server, tmp_path):
    served = Served(server, tmp_path, "gone", "--to", "inventory")
    with served.worker() as running:
        flow_run = killed_with_worker(served, running)
    assert server.run(flow_run)["state_type"] == "RUNNING"
    with served.worker() as running:
        assert served.registered["crashed"] == [flow_run]
        state = server.run(flow_run)["state"]
        assert state["type"] == "CRASHED" and "the next run goes on" in state["message"]
        done = server.wait_for_run(served.start(), *ENDED)
        assert done["state_type"] == "COMPLETED", done["state"]["message"]
        stopped(running)
    assert [run.status for run in list_runs(served.root)] == ["completed", "dead"]


@pytest.mark.long
def test_a_silent_run_is_crashed_by_the_automation_on_sqlite(tmp_path):
    (tmp_path / "home").mkdir()
    with prefect_server(tmp_path / "home", **QUICK) as server:
        served = Served(server, tmp_path, "silent", "--to", "inventory", "--silent", str(SILENT_S))
        with served.worker() as running:
            flow_run = killed_with_worker(served, running)
        assert server.run(flow_run)["state_type"] == "RUNNING"
        state = server.wait_for_run(flow_run, "CRASHED", timeout_s=4 * SILENT_S)["state"]
        assert state["message"] == f"no heartbeat for {SILENT_S} s; the next run goes on from its artifacts"


@pytest.mark.long
def test_a_run_whose_worker_is_killed_ends_by_itself_and_the_next_resumes(server, tmp_path):
    """Prefect ends a flow that has lost its worker, unless it is over before that is noticed."""
    served = Served(server, tmp_path, "alone", "--to", "containment")
    with served.worker() as running:
        flow_run = served.start()
        served.working()
        running.kill()
        assert server.wait_for_run(flow_run, *ENDED)["state_type"] in {"COMPLETED", "CRASHED"}
        assert running.living_after(ORPHANS_END_WITHIN_S) == []
    with served.worker() as running:
        done = server.wait_for_run(served.start(), *ENDED)
        assert done["state_type"] == "COMPLETED", done["state"]["message"]
        stopped(running)
    assert list_runs(served.root)[0].status == "completed"


@pytest.mark.long
def test_stopping_serve_stops_its_run_and_a_person_can_cancel_one(server, tmp_path):
    served = Served(server, tmp_path, "stopped", "--to", "containment")
    with served.worker() as running:
        first = served.start()
        served.working()
        stopped(running)
        assert "ended with the worker" in (tmp_path / "stderr.txt").read_text()
    assert server.run(first)["state_type"] == "CRASHED"
    with served.worker() as running:
        second = served.start()
        served.working()
        running.look()
        server.ask("POST", f"/flow_runs/{second}/set_state", state={"type": "CANCELLING"}, force=False)
        assert server.wait_for_run(second, *ENDED)["state_type"] == "CANCELLED"
        third = server.wait_for_run(served.start(), *ENDED)
        assert third["state_type"] == "COMPLETED", third["state"]["message"]
        stopped(running)
    served.check_lake()


def killed_with_worker(served, running):
    """Starts a run and kills its process and the worker with -9; the id of its flow run."""
    flow_run = served.start(full=True)
    record = served.working()
    running.look()
    running.kill()
    flow_process(record).kill()
    assert running.living_after(ORPHANS_END_WITHIN_S) == []
    return flow_run
