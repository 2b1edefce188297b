"""What dies on a real cluster, and what is said: `docs/cluster.md` shows it, numbers of ports and times aside."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import Running, lakebed
from tests.infra.clusters import DRIVER, Killer, gate
from tests.services.spark_cluster import bare_environment, spark_cluster

pytestmark = [pytest.mark.spark, pytest.mark.flow, pytest.mark.heavy]
N_WORKERS = 2


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Its machines know nothing of lakebed."""
    with spark_cluster(
        tmp_path_factory.mktemp("cluster"), n_workers=N_WORKERS, environment=bare_environment()
    ) as found:
        yield found


@pytest.fixture
def cluster(running):
    """With all its workers."""
    running.mend(N_WORKERS)
    return running


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return write_mixed_lake(tmp_path_factory.mktemp("deaths") / "lake")


@pytest.fixture(scope="module")
def digests(lake, tmp_path_factory):
    """Of a run on this machine alone."""
    variables = {"LAKEBED_EXPECTATIONS__RUN": "deployed"}
    found = lakebed(*command(lake), "--engine", "local", folder=tmp_path_factory.mktemp("local"), **variables)
    assert found.status == 0, found.err
    return found.digests


def command(lake):
    return (*spoken(lake), "--json")


def spoken(lake):
    """With an answer for people."""
    return ("run", "--lake", lake, "--artifacts", "artifacts", "--to", "containment")


def error_of(found):
    """The lines of the error that ended a run."""
    return found.err[re.search(r"^\w+Error: ", found.err, re.MULTILINE).start() :]


def resumes(cluster, lake, digests, folder, *reused):
    """The same command again, on a cluster that is whole: right, and what was done before is not done again."""
    cluster.mend(N_WORKERS)
    again = lakebed(*command(lake), folder=folder, **settings(cluster))
    assert again.status == 0, again.err
    assert again.digests == digests
    assert [stage for stage, is_reused in again.reused.items() if is_reused] == list(reused)
    return True


def held(folder):
    """What stands at a gate, with its process."""
    return list(folder.glob("held-containment-*"))


def settings(cluster, timeout_s=300, **conf):
    """Variables under which a run goes to the cluster."""
    return {
        "LAKEBED_SPARK__MASTER": cluster.master,
        "LAKEBED_SPARK__EXECUTORS_TIMEOUT_S": str(timeout_s),
        "LAKEBED_SPARK__CONF": json.dumps({**DRIVER, **conf}),
        "LAKEBED_EXPECTATIONS__RUN": "deployed",
    }


def documented(text):
    """Whether the page shows these lines, one after the other, whatever numbers and folders are in them."""
    page = _neutral((ROOT / "docs" / "cluster.md").read_text())
    wanted = _neutral(text.strip())
    assert wanted in page, wanted
    return True


def _neutral(text):
    text = re.sub(r"(/[\w.+-]+){2,}", "/path", text)
    text = re.sub(r"(  example:  )[\w.-]+: ", r"\1host: ", text)
    return re.sub(r"\d+(\.\d+)*", "0", text)


def test_a_worker_that_is_killed_changes_nothing(cluster, lake, digests, tmp_path):
    conf, preload = gate(tmp_path / "gate")
    with Killer(cluster, tmp_path / "gate", ["containment"]) as killer:
        found = lakebed(*command(lake), folder=tmp_path, **settings(cluster, **conf), **preload)
    assert found.status == 0, found.err
    assert list(killer.hits) == ["containment"] and found.digests == digests
    (line,) = {each for each in found.err.splitlines() if "Lost executor" in each}
    assert documented(line.partition(" ERROR ")[2] or line)


def test_all_workers_killed_end_the_run_with_what_is_missing(cluster, lake, digests, tmp_path):
    conf, preload = gate(tmp_path / "gate")
    (tmp_path / "gate" / "armed-containment").touch()
    variables = settings(cluster, 20, **conf) | preload
    with Running(*spoken(lake), folder=tmp_path, **variables) as running:
        assert running.wait_until(lambda: held(tmp_path / "gate"))
        for worker in list(cluster.workers):
            cluster.lose(worker)
        found = running.finish()
    assert found.status == 1
    assert documented(error_of(found))
    assert resumes(cluster, lake, digests, tmp_path, "inventory")


def test_a_killed_driver_leaves_what_was_done(cluster, lake, digests, tmp_path):
    conf, preload = gate(tmp_path / "gate")
    (tmp_path / "gate" / "armed-containment").touch()
    with Running(*spoken(lake), folder=tmp_path, **settings(cluster, **conf), **preload) as running:
        assert running.wait_until(lambda: held(tmp_path / "gate"))
        running.kill()
        found = running.finish()
        assert running.living_after(60) == []
    assert found.status == -9
    assert resumes(cluster, lake, digests, tmp_path, "inventory")


def test_a_root_that_a_worker_does_not_see(cluster, lake, digests, tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("no mount name spaces here: unshare -rm")
    (tmp_path / "artifacts").mkdir()
    cluster.start_worker(hidden=tmp_path / "artifacts")
    blind = cluster.workers[-1]
    cluster.wait_for_workers(N_WORKERS + 1)
    found = lakebed(*spoken(lake), folder=tmp_path, **settings(cluster, **{"spark.cores.max": "3"}))
    cluster.lose(blind)
    assert found.status == 2
    assert documented(error_of(found))
    assert resumes(cluster, lake, digests, tmp_path)


def test_a_python_without_packages(cluster, lake, digests, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = str(Path(tmp_path) / "bare" / "bin" / "python")
    found = lakebed(*spoken(lake), folder=tmp_path, **settings(cluster, **{"spark.pyspark.python": python}))
    assert found.status == 1
    assert documented(error_of(found))
    assert resumes(cluster, lake, digests, tmp_path)


@pytest.mark.parametrize("memory", ["300m", "2g"])
def test_executors_of_a_wrong_size(cluster, lake, digests, tmp_path, memory):
    """Smaller than Spark takes, and larger than any worker."""
    found = lakebed(*spoken(lake), folder=tmp_path, **settings(cluster, 20, **{"spark.executor.memory": memory}))
    assert documented(error_of(found))
    assert resumes(cluster, lake, digests, tmp_path)
