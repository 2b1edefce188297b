"""Which code and which seeds a run used: enough to repeat it."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

COMMIT_VARIABLE = "LAKEBED_COMMIT"

_GIT_TIMEOUT_S = 5
_PACKAGES = (
    "lakebed",
    "pyspark",
    "delta-spark",
    "deltalake",
    "prefect",
    "great-expectations",
    "pyarrow",
    "numpy",
    "numba",
    "openlineage-python",
)
# what only these stages load
_STAGE_PACKAGES = {
    "retention": ("scipy",),
    "embeddings": ("scipy",),
    "index": ("hnswlib",),
    "links": ("torch", "safetensors", "scipy"),
}


def package_versions(stages: Collection[str] = ()) -> dict[str, str]:
    """Versions of the packages that every run uses, and of those that these stages use."""
    names = [*_PACKAGES, *(name for stage in stages for name in _STAGE_PACKAGES.get(stage, ()))]
    found = {}
    for name in dict.fromkeys(names):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@functools.cache
def source_commit() -> str:
    """The commit of the checkout that runs, with `-dirty` where files differ from it.

    Where the code is no checkout, as in an image: the variable `LAKEBED_COMMIT`, empty without it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return os.environ.get(COMMIT_VARIABLE, "")
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return os.environ.get(COMMIT_VARIABLE, "")
    return done.stdout.strip() if done.returncode == 0 else os.environ.get(COMMIT_VARIABLE, "")


def seeds_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Every seed of a config, by its dotted key."""
    return dict(_seeds(config, ""))


def prefect_ids() -> dict[str, str]:
    """Ids of the flow run and task run that this thread works for; empty outside Prefect, which is not imported."""
    context: Any = sys.modules.get("prefect.context")
    if context is None:
        return {}
    found: dict[str, str] = {}
    task, flow = context.TaskRunContext.get(), context.FlowRunContext.get()
    if task is not None:
        found["task_run_id"] = str(task.task_run.id)
        if task.task_run.flow_run_id:
            found["flow_run_id"] = str(task.task_run.flow_run_id)
    if flow is not None and flow.flow_run is not None:
        found |= {"flow_run_id": str(flow.flow_run.id), "flow_run": str(flow.flow_run.name)}
        if flow.flow_run.deployment_id:
            found["deployment_id"] = str(flow.flow_run.deployment_id)
    return found


def _seeds(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, int]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{prefix}{name}.")
        elif (name == "seed" or name.endswith("_seed")) and isinstance(value, int):
            yield f"{prefix}{name}", value
