"""The record of a run, `runs/<run_id>/{run,config}.json`, as the report shows it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lakebed.connectors.redaction import redacted_value
from lakebed.tasks.report.model import RunFacts, StageFacts
from lakebed.tasks.runtime.artifacts import ArtifactStore

_OWN = ("run_id", "command", "stages", "versions", "config")


def read_run_record(store: ArtifactStore, run_id: str) -> RunFacts:
    """The record as far as it is written; a run without one has an empty record."""
    run = _read_json(store, f"runs/{run_id}/run.json")
    config = _read_json(store, f"runs/{run_id}/config.json")
    return run_record(run | {"run_id": run_id}, config)


def run_record(run: Mapping[str, Any], config: Mapping[str, Any]) -> RunFacts:
    """The record from its two JSON objects; facts that this report does not know by name are shown as they stand."""
    command = run.get("command", "")
    return RunFacts(
        run_id=str(run.get("run_id", "")),
        command=command if isinstance(command, str) else " ".join(map(str, command)),
        stages=_stages(run.get("stages", ())),
        facts={name: value for name, value in run.items() if name not in _OWN} | _changes(run.get("stages", ())),
        versions={name: str(version) for name, version in dict(run.get("versions", {})).items()},
        config=config or run.get("config", {}),
    )


def _stages(stages: Sequence[Mapping[str, Any]]) -> tuple[StageFacts, ...]:
    return tuple(
        StageFacts(
            stage=str(stage.get("stage", "")),
            key=str(stage.get("key", "")),
            digest=str(stage.get("digest", "")),
            is_reused=bool(stage.get("reused", False)),
            seconds=stage.get("seconds"),
            bytes_read=stage.get("bytes_read"),
            # nought stands for "not measured" in the record
            peak_driver_bytes=stage.get("peak_driver_bytes") or None,
            peak_worker_bytes=stage.get("peak_worker_bytes") or None,
        )
        for stage in stages
    )


def _changes(stages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What each stage took from earlier runs; nothing where all was made anew."""
    told = {
        str(stage["stage"]): ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in stage["changes"].items())
        for stage in stages
        if stage.get("changes")
    }
    return {"changes_since_the_last_run": "; ".join(f"{stage}: {text}" for stage, text in told.items())} if told else {}


def _read_json(store: ArtifactStore, path: str) -> dict[str, Any]:
    if store.storage.stat(path) is None:
        return {}
    # a record of an older version may tell more than it should
    return dict(redacted_value(json.loads(store.storage.read_bytes(path))))
