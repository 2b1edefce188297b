"""The artifact root: its short name, its runs, and the artifacts that the newest one left."""

import hashlib
import os
import re

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord, list_runs


def root_id(artifacts: str) -> str:
    """A short name of an artifact root: the end of its path and a digest, so that no two roots share it."""
    last = re.sub(r"[^a-z0-9]+", "-", os.path.basename(artifacts.rstrip("/")).lower()).strip("-")[:24]
    return "-".join(filter(None, [last, hashlib.sha256(artifacts.encode()).hexdigest()[:8]]))


def all_runs(root: str) -> list[RunRecord]:
    """Every run on an artifact root, newest first.

    Raises:
        ArtifactError: if there is none.
    """
    runs = list_runs(root)
    if not runs:
        raise ArtifactError(
            "no run has been made on this artifact root",
            value=root,
            expected="the artifact root of a run",
            hint=f"lakebed run --lake PATH --artifacts {root}",
        )
    return runs


def newest_run(root: str, stage: str) -> RunRecord:
    """The newest run that has reached a stage.

    Raises:
        ArtifactError: if there is none.
    """
    for record in list_runs(root):
        if any(entry.stage == stage for entry in record.stages):
            return record
    raise ArtifactError(
        f"no run on this artifact root has reached the stage {stage}",
        value=root,
        expected="the artifact root of a finished run",
        hint=f"lakebed run --lake PATH --artifacts {root}",
    )


def newest_refs(root: str, stage: str) -> tuple[ArtifactStore, dict[str, ArtifactRef]]:
    """The artifacts of that run, by stage."""
    record = newest_run(root, stage)
    refs = {entry.stage: ArtifactRef(stage=entry.stage, key=entry.key, digest=entry.digest) for entry in record.stages}
    return ArtifactStore(root), refs


def search_refs(root: str) -> tuple[ArtifactStore, dict[str, ArtifactRef]]:
    """The artifacts of the newest run with an index, and the newest links that were trained on the same lake graph.

    Raises:
        ArtifactError: if no run has made an index.
    """
    store, refs = newest_refs(root, "index")
    if "links" in refs or "lakegraph" not in refs:
        return store, refs
    for record in list_runs(root):
        keys = {entry.stage: entry.key for entry in record.stages}
        if "links" in keys and keys.get("lakegraph") == refs["lakegraph"].key:
            found = store.find("links", keys["links"])
            return store, refs if found is None else {**refs, "links": found}
    return store, refs
