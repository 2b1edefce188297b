"""What dies on a real cluster, and what is said: `docs/cluster.md` shows it, numbers of ports and times aside."""

import json
import re

import pytest

from tests.docs.pages import ROOT
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import lakebed
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
    return ("run", "--lake", lake, "--artifacts", "artifacts", "--to", "containment", "--json")


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
    return re.sub(r"\d+(\.\d+)*", "0", text)


def test_a_worker_that_is_killed_changes_nothing(cluster, lake, digests, tmp_path):
    conf, preload = gate(tmp_path / "gate")
    with Killer(cluster, tmp_path / "gate", ["containment"]) as killer:
        found = lakebed(*command(lake), folder=tmp_path, **settings(cluster, **conf), **preload)
    assert found.status == 0, found.err
    assert list(killer.hits) == ["containment"] and found.digests == digests
    (line,) = {each for each in found.err.splitlines() if "Lost executor" in each}
    assert documented(line.partition(" ERROR ")[2] or line)
