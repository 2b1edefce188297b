"""A training killed with -9 at random points ends with the artifact of one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_edge_graph, workspace

REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = SMALL.model_copy(
    update={"gnn": SMALL.gnn.model_copy(update={"n_epochs": 120, "patience": 120, "checkpoint_every": 2})}
)
MAX_WAIT_S = 300
CHILD = """
import sys
from pathlib import Path
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import links_inputs, publish_edge_graph, workspace
from tests.tasks.links.test_kill import CONFIG

space = workspace(Path(sys.argv[1]))
run_stage(LINKS, links_inputs(space, publish_edge_graph(space), CONFIG))
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    space = workspace(tmp_path_factory.mktemp("undisturbed"))
    return run_stage(LINKS, links_inputs(space, publish_edge_graph(space), CONFIG))


def checkpoints(root, key):
    return [path.name for path in (root / "artifacts" / "checkpoints" / "links" / key).glob("*/epoch-*")]


def killed_after(root, key, kind, epoch):
    """Starts a training, kills it once a network has got so far; whether it was alive then."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(root)], cwd=REPOSITORY)
    folder = root / "artifacts" / "checkpoints" / "links" / key / kind
    end = time.monotonic() + MAX_WAIT_S
    try:
        while child.poll() is None and time.monotonic() < end:
            if any(int(path.name[6:]) >= epoch for path in folder.glob("epoch-*")):
                break
            time.sleep(0.005)
        was_alive = child.poll() is None
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
        status = child.wait()
    assert status == -signal.SIGKILL if was_alive else status == 0
    return was_alive


def ends_as_undisturbed(root, undisturbed, kind, epoch):
    killed = killed_after(root, undisturbed.key, kind, epoch)
    space = workspace(root)
    graph = publish_edge_graph(space)
    if killed:
        assert LINKS.open(links_inputs(space, graph, CONFIG)).reuse() is None
        assert checkpoints(root, undisturbed.key)
    assert run_stage(LINKS, links_inputs(space, graph, CONFIG)) == undisturbed
    return killed


def test_a_killed_training_goes_on_to_the_same_artifact(tmp_path, undisturbed):
    assert ends_as_undisturbed(tmp_path, undisturbed, "sage", 6)


@pytest.mark.heavy
@pytest.mark.long
def test_twenty_random_kills_twenty_times_the_same_artifact(tmp_path, undisturbed):
    chosen = random.Random(7)
    n_killed = 0
    for number in range(20):
        kind, epoch = chosen.choice(["gcn", "sage"]), chosen.randrange(2, 110)
        n_killed += ends_as_undisturbed(tmp_path / str(number), undisturbed, kind, epoch)
    assert n_killed >= 15
