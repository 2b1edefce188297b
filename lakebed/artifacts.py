"""The artifact root: its short name, its runs, and the artifacts that the newest one left."""

import hashlib
import os
import re

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord, iterate_runs, list_runs

Reached = tuple[ArtifactStore, dict[str, ArtifactRef]]


def root_id(artifacts: str) -> str:
    """A short name of an artifact root: the end of its path and a digest, so that no two roots share it."""
    last = re.sub(r"[^a-z0-9]+", "-", os.path.basename(artifacts.rstrip("/")).lower()).strip("-")[:24]
    return "-".join(filter(None, [last, hashlib.sha256(artifacts.encode()).hexdigest()[:8]]))


def all_runs(root: str) -> list[RunRecord]:
    """Every run on an artifact root, newest first.

    Raises:
        ArtifactError: if there is none.
    """
    if runs := list_runs(root):
        return runs
    raise _nothing("no run has been made on this artifact root", root, "the artifact root of a run")


def newest_run(root: str, stage: str, only: RunRecord | None = None) -> RunRecord:
    """The newest run that has reached a stage; with `only`, that one.

    Raises:
        ArtifactError: if there is none, or the one has not reached it.
    """
    for record in iterate_runs(root) if only is None else [only]:
        if any(entry.stage == stage for entry in record.stages):
            return record
    what = "no run on this artifact root has" if only is None else f"run {only.run_id} has not"
    raise _nothing(f"{what} reached the stage {stage}", root, "the artifact root of a finished run")


def newest_refs(root: str, stage: str, only: RunRecord | None = None) -> Reached:
    """The artifacts of that run, by stage."""
    return ArtifactStore(root), refs_of(newest_run(root, stage, only))


def refs_of(record: RunRecord) -> dict[str, ArtifactRef]:
    """The artifacts of a run, by stage."""
    return {entry.stage: entry.ref for entry in record.stages}


def search_refs(root: str, only: RunRecord | None = None) -> Reached:
    """The artifacts of the newest run with an index, and the newest links that were trained on the same lake graph.

    Raises:
        ArtifactError: if no run has made an index.
    """
    store, refs = newest_refs(root, "index", only)
    if "links" in refs or "lakegraph" not in refs:
        return store, refs
    for record in iterate_runs(root):
        keys = {entry.stage: entry.key for entry in record.stages}
        if "links" in keys and keys.get("lakegraph") == refs["lakegraph"].key:
            found = store.find("links", keys["links"])
            return store, refs if found is None else {**refs, "links": found}
    return store, refs


def _nothing(what: str, root: str, expected: str) -> ArtifactError:
    return ArtifactError(what, value=root, expected=expected, hint=f"lakebed run --lake PATH --artifacts {root}")
