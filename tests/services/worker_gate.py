"""Stops one Spark task in the middle of a stage, so that a test can kill the machine that it runs on.

Executors import this file by itself, before they fork workers: `worker_gate:install` among `spark.worker_preload`. A
stage that is armed (a file `armed-STAGE` in the folder) holds the first task that comes to the stage's gate, which says
so by `held-STAGE-PID` and then waits for its end.
"""

import functools
import importlib
import os
import time
from pathlib import Path

FOLDER_VARIABLE = "LAKEBED_TEST_GATE"
HOLD_S = 300
# what tasks of each stage call in their middle, found by name when they call it
GATES = {
    "inventory": ("lakebed.tasks.inventory.worker", "_stage_text"),
    "containment": ("lakebed.tasks.containment.scan", "add_files"),
    "comparison": ("lakebed.tasks.containment.jobs", "compare_bucket"),
    "relations": ("lakebed.tasks.relations.worker", "add_files"),
    "retention": ("lakebed.tasks.retention.recipes.pairs", "solve_pairs"),
    "lakegraph": ("lakebed.tasks.lakegraph.scan", "_scan"),
    "summary": ("lakebed.tasks.summary.kernel.partial", "merge_part"),
    "embeddings": ("lakebed.tasks.embeddings.kernel.tiles", "multiply_tile"),
    "index": ("lakebed.tasks.index.folder", "build_one"),
}


def install():
    """Puts a gate before each of these functions."""
    for stage, (module, name) in GATES.items():
        loaded = importlib.import_module(module)
        setattr(loaded, name, _gated(stage, getattr(loaded, name)))


def _gated(stage, function):
    @functools.wraps(function)
    def call(*arguments, **named):
        _stand(stage)
        return function(*arguments, **named)

    return call


def _stand(stage):
    folder = Path(os.environ[FOLDER_VARIABLE])
    held = folder / f"held-{stage}-{os.getpid()}"
    try:
        (folder / f"armed-{stage}").rename(held)
    except FileNotFoundError:
        return
    time.sleep(HOLD_S)
    held.rename(folder / f"escaped-{stage}")
