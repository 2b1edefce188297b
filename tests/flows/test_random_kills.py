"""Whatever a deployed run on a Spark cluster stands on dies at random moments; the next run goes on.

That is Prefect's worker, server and PostgreSQL, the flow's process, Spark's driver, master, executors and workers.
`LAKEBED_TEST_KILLS` sets how many kills the long test makes, `LAKEBED_TEST_SEED` its moments, `LAKEBED_TEST_PATIENCE`
how many times longer it waits on a machine that does much else.
"""

import contextlib
import json
import os
import random
import shutil
import sys
import time

import httpx
import psutil
import pytest

from lakebed.tasks.runtime.artifacts import MANIFEST, ArtifactStore
from lakebed.tasks.runtime.lease import is_held
from lakebed.tasks.runtime.record import list_runs
from tests.flows.lakes import snapshot
from tests.flows.processes import Running, lakebed
from tests.infra.clusters import DRIVER
from tests.services.machine import PATIENCE
from tests.services.postgresql import postgresql_server
from tests.services.prefect_server import POLL_S, prefect_server, wait_for
from tests.services.spark_cluster import spark_cluster

pytestmark = [pytest.mark.flow, pytest.mark.spark, pytest.mark.heavy]

TARGETS = (
    "flow", "worker", "driver", "server", "database", "worker and flow", "master", "executor", "executors", "machine"
)  # fmt: skip
N_MACHINES = 2
N_KILLS = int(os.environ.get("LAKEBED_TEST_KILLS", "100"))
SEED = int(os.environ.get("LAKEBED_TEST_SEED", "20261126"))
KILLS_A_ROOT = 8
# a run that died while nobody could be told and before it had a record holds the queue until its silence is noticed
SILENT_S = round(90 * PATIENCE)
SETTLE_S = 4 * SILENT_S
# the folders of ended applications go: 200 runs leave many
CLEANED = ("-Dspark.worker.cleanup.enabled=true", "-Dspark.worker.cleanup.interval=60",
           "-Dspark.worker.cleanup.appDataTtl=60")  # fmt: skip
CHAIN = "lakebed/chain"


class Workplace:
    """A Prefect server, a worker of `lakebed serve`, a Spark cluster; each can be killed and started again."""

    def __init__(self, server, database, cluster, finished, folder):
        self.server, self.database, self.cluster, self.folder = server, database, cluster, folder
        self.origin, self.undisturbed = finished
        self.root = folder / "artifacts"
        self.worker = None

    def start_worker(self):
        self.worker = Running(
            "serve", "--lake", self.origin / "lake", "--artifacts", self.root, "--silent", SILENT_S, folder=self.folder,
            **self.server.variables, **self.spark,
        )  # fmt: skip

    @property
    def spark(self):
        """Variables under which runs go to the cluster, and give up without executors in the test's patience."""
        return {
            "LAKEBED_SPARK__MASTER": self.cluster.master,
            "LAKEBED_SPARK__EXECUTORS_TIMEOUT_S": str(60 * PATIENCE),
            "LAKEBED_SPARK__CONF": json.dumps(DRIVER),
        }

    def is_served(self):
        """Whether the deployments are registered and a worker asks for runs."""
        assert self.worker.process.poll() is None, (self.folder / "stderr.txt").read_text()[-2000:]
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            return any(
                each["status"] == "ONLINE" and each["name"].endswith(f"-{self.worker.process.pid}")
                for each in self.server.ask("POST", "/work_pools/lakebed/workers/filter")
            )
        return False

    def processes(self):
        """Every living process of a run: whose environment names this server's home, but server and worker."""
        others = {self.worker.process.pid, self.server.process.pid}
        return [each for each in ours(self.folder / "home", self.folder) if each.pid not in others]

    def find(self, target):
        """The processes that die with this target; none where the run has not come so far."""
        if target == "server":
            return [psutil.Process(self.server.process.pid)]
        worker = [psutil.Process(self.worker.process.pid)]
        if target == "worker":
            return worker
        if target == "driver":
            return [each for each in self.processes() if is_driver(each)]
        if target in {"master", "machine"}:
            return [psutil.Process(self.cluster.processes[target == "machine"].pid)]
        if target in {"executor", "executors"}:
            return self.cluster.executors()[: 1 if target == "executor" else None]
        flow = [each for each in self.processes() if is_flow(each)]
        return worker + flow if target == "worker and flow" and flow else flow

    def kill(self, target):
        """Kills it; whether it lived."""
        if target == "database":
            self.database.stop("immediate")
            return True
        if target == "machine":
            return bool(self.cluster.lose(self.cluster.workers[0]))
        found = self.find(target)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=SETTLE_S)
        return bool(found)

    def mend(self):
        """Starts again what is dead of server and worker, as a service manager would; returns when no run lives."""
        if not self.database.is_alive:
            self.database.start()
        if self.server.process.poll() is not None:
            self.server.start()
        if self.worker.process.poll() is not None:
            self.start_worker()
        self.cluster.mend(N_MACHINES)
        wait_for(self.is_served, SETTLE_S)
        wait_for(self.is_quiet, SETTLE_S)

    def is_quiet(self):
        """Whether nothing of an earlier run lives; what the server had queued meanwhile is called off."""
        for each in self.server.runs(CHAIN, "SCHEDULED", "PENDING"):
            self.server.ask("POST", f"/flow_runs/{each['id']}/set_state", state={"type": "CANCELLED"}, force=True)
        return not is_held(str(self.root)) and not self.processes()

    def check(self):
        """What must hold after a kill, whenever it fell: no artifact is half published, none has other content."""
        store = ArtifactStore(str(self.root))
        for stage, (key, digest) in self.undisturbed.digests.items():
            found = store.find(stage, key)
            assert found is None or found.digest == digest
            assert (found is not None) == (self.root / stage / key / MANIFEST).exists()

    def is_complete(self):
        """Whether every artifact of the chain lies there, so that a run would do nothing."""
        return all(
            (self.root / stage / key / MANIFEST).exists() for stage, (key, _) in self.undisturbed.digests.items()
        )

    def complete(self):
        """A run that nobody disturbs, to its end; all digests are those of the undisturbed run."""
        run = self.server.wait_for_run(
            self.server.start_run(CHAIN), "COMPLETED", "FAILED", "CRASHED", timeout_s=SETTLE_S
        )
        assert run["state_type"] == "COMPLETED", (run["state"], self.server.logs(run["id"]))
        last = list_runs(str(self.root))[0]
        assert {stage.stage: (stage.key, stage.digest) for stage in last.stages} == self.undisturbed.digests
        assert {each.status for each in list_runs(str(self.root))} <= {"completed", "failed", "dead"}


def ours(home, folder):
    """Processes of a server's home or with a working folder, and their children."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                places = (process.environ().get("PREFECT_HOME", ""), process.cwd())
                if places[0].startswith(str(home)) or places[1] == str(folder):
                    found.append(process)
    return found


def is_driver(process):
    with contextlib.suppress(psutil.Error):
        return process.name() == "java"
    return False


def is_flow(process):
    with contextlib.suppress(psutil.Error):
        return any("prefect.flow_engine" in part or "prefect.engine" in part for part in process.cmdline())
    return False


@pytest.fixture
def workplace(finished, tmp_path):
    before = snapshot(finished[0] / "lake")
    (tmp_path / "home").mkdir()
    (tmp_path / "cluster").mkdir()
    with (
        spark_cluster(tmp_path / "cluster", n_workers=N_MACHINES, java_options=CLEANED) as cluster,
        postgresql_server() as database,
        prefect_server(tmp_path / "home", database.url(scheme="postgresql+asyncpg")) as server,
    ):
        place = Workplace(server, database, cluster, finished, tmp_path)
        place.start_worker()
        try:
            wait_for(place.is_served)
            yield place
        finally:
            place.worker.__exit__()
            for process in place.processes():
                process.kill()
    assert snapshot(finished[0] / "lake") == before


def killed_once(place, target, moments, longest_s):
    """Starts a run, kills the target at a random moment of it; whether the kill fell on a run that was going."""
    if place.is_complete():
        shutil.rmtree(place.root)
    run = place.server.start_run(CHAIN)
    wait_for(lambda: place.find("flow"), SETTLE_S)
    # Spark's own processes come a while after the flow's
    wait_for(lambda: target == "database" or place.find(target) or not place.find("flow"), SETTLE_S)
    end = time.monotonic() + moments.uniform(0.0, longest_s)
    while time.monotonic() < end and place.find("flow"):
        time.sleep(POLL_S / 10)
    is_going = bool(place.find("flow")) or place.server.run(run)["state_type"] in {"PENDING", "RUNNING"}
    return is_going and place.kill(target)


def tell(**facts):
    """A line of JSON for whoever watches a long sitting."""
    sys.stdout.write(f"KILLS {json.dumps(facts)}{os.linesep}")
    sys.stdout.flush()


def rounds(place, n_kills):
    """Kills until `n_kills` have hit; every `KILLS_A_ROOT` of them the chain is completed and begun anew."""
    moments, hits = random.Random(SEED), dict.fromkeys(TARGETS, 0)
    longest_s = place.undisturbed.json["total_s"] / 2
    for number in range(4 * n_kills):
        target, begun = TARGETS[number % len(TARGETS)], time.monotonic()
        hit = killed_once(place, target, moments, longest_s)
        hits[target] += hit
        killed = time.monotonic()
        place.mend()
        place.check()
        n_hits = sum(hits.values())
        said = {"n": n_hits, "target": target, "hit": hit, "kill_s": round(killed - begun, 1)}
        tell(**said, mend_s=round(time.monotonic() - killed, 1))
        if hit and (n_hits % KILLS_A_ROOT == 0 or n_hits == n_kills):
            begun = time.monotonic()
            place.complete()
            tell(n=n_hits, complete_s=round(time.monotonic() - begun, 1))
            if n_hits == n_kills:
                return hits
            shutil.rmtree(place.root)
    raise AssertionError(f"only {hits} kills hit")


def nothing_is_left(place):
    """After a collection of garbage: complete artifacts only, no part of a file, no stray process."""
    for part in place.root.rglob("*.part"):
        # gc leaves names of parts alone until they are an hour old
        os.utime(part, (0, 0))
    answer = lakebed("gc", "--artifacts", place.root, "--yes", "--json", folder=place.folder)
    assert answer.status == 0, answer.err
    for stage in place.undisturbed.digests:
        for folder in (place.root / stage).iterdir():
            assert (folder / MANIFEST).is_file(), folder
    assert [path for path in place.root.rglob("*.part")] == []
    # a run is told as completed before its process has ended
    wait_for(lambda: not place.processes(), SETTLE_S)


def test_killed_a_few_times(workplace):
    hits = rounds(workplace, len(TARGETS))
    assert sum(hits.values()) == len(TARGETS)
    nothing_is_left(workplace)


@pytest.mark.long
def test_killed_many_times(workplace):
    hits = rounds(workplace, N_KILLS)
    assert sum(hits.values()) == N_KILLS and min(hits.values()) > 0
    nothing_is_left(workplace)
