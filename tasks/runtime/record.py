"""The record of a run, `runs/<run_id>/run.json`: written after every change, so it tells how far a killed run came."""

import contextlib
import json
import os
import platform
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.memory import usable_memory
from lakebed.connectors.redaction import redacted_value
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.lease import is_free
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.process_id import is_gone, is_here, this_process
from lakebed.tasks.runtime.provenance import package_versions, seeds_of, source_commit

RUNS = "runs"
RECORD = "run.json"

RunStatus = Literal["running", "completed", "failed", "dead"]


class StageRecord(BaseModel):
    """One stage of a run: what it made and what that cost. Times in seconds, sizes in bytes.

    Attributes:
        finished_at: when it was done, in UTC.
        bytes_written: of the artifact's tables and files; 0 where it is reused.
        task_run_id: of Prefect, where it was built in a task.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    key: str
    digest: str
    reused: bool
    finished_at: str = ""
    seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    rows: int = 0
    peak_driver_bytes: int = 0
    peak_worker_bytes: int = 0
    changes: dict[str, int] = Field(default_factory=dict, description="what was reused of the previous artifact")
    anew: str = Field("", description="why nothing was reused of it, where there was one")
    steps: list[tuple[str, float, int]] = Field(default_factory=list, description="(step, seconds, bytes read)")
    task_run_id: str = ""

    @property
    def ref(self) -> ArtifactRef:
        """Of what it made."""
        return ArtifactRef(stage=self.stage, key=self.key, digest=self.digest)

    @classmethod
    def of(cls, ref: ArtifactRef, metrics: dict[str, Any], *, reused: bool, seconds: float) -> "StageRecord":
        """The record of a stage; a reused one has read nothing in this run, whatever its artifact once cost."""
        facts = {name: metrics[name] for name in cls.model_fields if name in metrics} if not reused else {}
        own = {"rows": metrics.get("rows", 0), "reused": reused, "seconds": seconds, "finished_at": utc_now()}
        return cls.model_validate(facts | ref.model_dump() | own)


class ExpectationsRecord(BaseModel):
    """What Great Expectations said, how long its process took beside the run, and where its page lies."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["passed", "rejected", "failed", "none"] = "none"
    seconds: float = 0.0
    docs: str = ""


class RunRecord(BaseModel):
    """All that is kept of a run. Times in seconds, sizes in bytes, instants in UTC.

    What an older lakebed did not write is empty.

    Attributes:
        commit: of the code that ran; see `source_commit`.
        process: the run's own, as `this_process` names it.
        seeds: every seed of the config, by its key.
        spark: application id, master, versions of Spark, Scala and Java, jars; empty where no session was started.
        prefect: ids of the flow run and its deployment; empty where Prefect was not started.
        dead: ids of earlier runs that this one found dead.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    run_id: str
    status: RunStatus = "running"
    started_at: str
    finished_at: str = ""
    command: list[str] = Field(default_factory=list)
    error: dict[str, Any] | None = None
    process: dict[str, Any] = Field(default_factory=dict)
    host: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str = ""
    seeds: dict[str, int] = Field(default_factory=dict)
    spark: dict[str, Any] = Field(default_factory=dict)
    prefect: dict[str, str] = Field(default_factory=dict)
    dead: list[str] = Field(default_factory=list)
    config: dict[str, Any] = Field(default_factory=dict)
    stages: list[StageRecord] = Field(default_factory=list)
    session_start_s: float = 0.0
    prefect_start_s: float = 0.0
    expectations: ExpectationsRecord = Field(default_factory=ExpectationsRecord)
    wall_after_session_s: float = 0.0
    total_s: float = 0.0
    peak_driver_bytes: int = 0


class RunLog:
    """Writes a run's record: at its beginning, after every change, at its end."""

    def __init__(self, root: str, record: RunRecord) -> None:
        self._storage = Storage.at(root)
        self._started = time.perf_counter()
        self.record = record
        self.folder = self._storage.uri(RUNS, record.run_id)

    @classmethod
    def begin(cls, root: str, run_id: str, command: list[str], config: BaseModel) -> "RunLog":
        """Begin a run; the lease on `root` is held, so that a record still "running" belongs to a dead run."""
        settings = config.model_dump(mode="json")
        record = RunRecord(
            run_id=run_id,
            started_at=utc_now(),
            command=command,
            process=this_process(),
            host=_host_facts(),
            versions=package_versions(),
            commit=source_commit(),
            seeds=seeds_of(settings),
            dead=mark_dead_runs(root),
            config=settings,
        )
        log = cls(root, record)
        log.save()
        return log

    def add_stage(self, stage: StageRecord, packages: Collection[str] = (), order: Sequence[str] = ()) -> None:
        """Note a stage that is done.

        Args:
            stage: what it made, and what that cost.
            packages: that only this stage loads: their versions are noted.
            order: of all stages, in which they stand in the record; as they are noted without it.
        """
        places = {name: place for place, name in enumerate(order)}
        stages = [*self.record.stages, stage]
        self.record.stages = sorted(stages, key=lambda one: places.get(one.stage, len(places)))
        self.record.versions = self.record.versions | package_versions(packages)
        self.save()

    def update(self, **facts: object) -> None:
        """Set fields of the record."""
        for name, value in facts.items():
            setattr(self.record, name, value)
        self.save()

    def finish(self, status: Literal["completed", "failed"], error: dict[str, Any] | None = None) -> RunRecord:
        """Close the record."""
        peak = max(
            [self.record.peak_driver_bytes, peak_memory_bytes(), *(s.peak_driver_bytes for s in self.record.stages)]
        )
        total = time.perf_counter() - self._started
        self.update(status=status, error=error, finished_at=utc_now(), total_s=total, peak_driver_bytes=peak)
        return self.record

    def save(self) -> None:
        """Write the record, at once or not at all."""
        _save(self._storage, self.record)


def new_run_id() -> str:
    """An id that sorts by time: `20261123T184500-1f9a2c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def iterate_runs(root: str) -> Iterator[RunRecord]:
    """The runs below an artifact root, newest first, each read when it is asked for.

    A "running" one whose process is gone is shown as dead; where its process cannot be looked for from here, one that
    nobody holds the lease for any more.
    """
    storage = Storage.at(root)
    return (_as_dead(record) if _is_dead(root, storage, record) else record for record in _records(storage))


def list_runs(root: str) -> list[RunRecord]:
    """All of them; O(runs) reads."""
    return list(iterate_runs(root))


def find_run(root: str, run_id: str) -> RunRecord:
    """The run of an id, or of the only one that begins so.

    Raises:
        ArtifactError: if there is none, or more than one.
    """
    runs = [record for record in list_runs(root) if record.run_id.startswith(run_id)]
    exact = [record for record in runs if record.run_id == run_id]
    if len(exact or runs) == 1:
        return (exact or runs)[0]
    raise ArtifactError(
        "more than one run begins so" if runs else "there is no such run on this artifact root",
        value=run_id,
        expected="the id of a run",
        hint=f"lakebed status --artifacts {root}",
        examples=[record.run_id for record in runs],
    )


def last_run(root: str) -> RunRecord:
    """The newest run.

    Raises:
        ArtifactError: if there is none.
    """
    newest = next(iterate_runs(root), None)
    if newest is None:
        raise ArtifactError("no run has been made on this artifact root", value=root, hint="lakebed run")
    return newest


def mark_dead_runs(root: str) -> list[str]:
    """Mark as dead what is still "running" in its record; only the holder of the lease may do this.

    Each run does so before it writes its own record, so nothing older than one that is not "running" is left to mark.
    """
    storage = Storage.at(root)
    dead = list(takewhile(lambda record: record.status == "running", _records(storage)))
    for record in dead:
        _save(storage, _as_dead(record))
    return [record.run_id for record in dead]


def _is_dead(root: str, storage: Storage, record: RunRecord) -> bool:
    if record.status != "running" or is_here(record.process):
        return record.status == "running" and is_gone(record.process)
    if not is_free(root):
        return False
    # a run holds the lease for as long as its record says "running": it may have ended since that was read
    path = f"{RUNS}/{record.run_id}/{RECORD}"
    return RunRecord.model_validate_json(storage.read_bytes(path)).status == "running"


def _as_dead(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"status": "dead"}) if record.status == "running" else record


def _records(storage: Storage) -> Iterator[RunRecord]:
    """The records, newest first; one that cannot be read is left out."""
    if storage.is_local and not storage.exists(RUNS):
        return
    paths = [f"{RUNS}/{name}/{RECORD}" for name in sorted(storage.list_folders(RUNS), reverse=True)]
    for path in paths:
        with contextlib.suppress(ValidationError, ArtifactError):
            yield RunRecord.model_validate_json(storage.read_bytes(path))


def _save(storage: Storage, record: RunRecord) -> None:
    text = json.dumps(redacted_value(record.model_dump(mode="json")), indent=1, ensure_ascii=False)
    # a name that is no text, as a file may have, stays one escape of JSON
    storage.write_bytes_atomic(f"{RUNS}/{record.run_id}/{RECORD}", text.encode(errors="backslashreplace"))


def utc_now() -> str:
    """This instant in UTC, as records and events state it: `2026-11-26T10:00:00.000+00:00`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _host_facts() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "n_cpus": os.cpu_count(),
        "memory_bytes": usable_memory().total_bytes,
    }
