"""A real process that publishes an artifact, and may be told to die by SIGKILL just before its manifest is written."""

import os
import signal
import sys

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Manifest
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.runtime.conftest import EDGES, edge_rows


class Config(FrozenConfig):
    """Nothing to set."""


class DyingStore(ArtifactStore):
    """Dies where the data is written and the manifest is not."""

    def write_manifest(self, manifest: Manifest) -> ArtifactRef:
        os.kill(os.getpid(), signal.SIGKILL)
        return manifest.ref


def make_stage(root: str, run_id: str = "") -> Stage:
    workspace = Workspace(lake=LakeConfig(root=root), artifacts=root, run_id=run_id)
    return Stage(StageSpec("containment", 1, {"edges": EDGES}), inputs=[], config=Config(), workspace=workspace)


def publish(stage: Stage) -> ArtifactRef:
    with open(f"{stage.folder}/weights.bin", "wb") as weights:
        weights.write(b"weights")
    return stage.publish({"edges": EDGES.table(edge_rows(5))}, {"proven": 5}, StageMetrics(), files=["weights.bin"])


if __name__ == "__main__":
    stage = make_stage(sys.argv[1])
    if "die" in sys.argv:
        stage.store = DyingStore(sys.argv[1])
    sys.stdout.write(publish(stage).digest)
