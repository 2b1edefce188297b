"""What `gc` removes from an artifact root: what no kept run, receipt or plan refers to, and what the dead left.

A record of a run goes before the artifacts that only it refers to, a manifest before its artifact's files. So a kill
at any point leaves no run that names what is gone and no artifact that looks complete, and the next call goes on.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage, StoredFile
from lakebed.tasks.runtime.artifacts import MANIFEST, ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.config import GcConfig
from lakebed.tasks.runtime.processes import STALE_AFTER_S
from lakebed.tasks.runtime.record import RECORD, RUNS, RunRecord

Why = Literal["unreferenced", "unfinished", "old run", "run without a record", "old checkpoint", "left by a kill"]

CHECKPOINTS = "checkpoints"

_KEY = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"(?:^|/)\.[^/]+\.part$")


@dataclass(frozen=True)
class Garbage:
    """One thing to remove: a folder of the artifact root, or a file where `is_file`."""

    path: str
    why: Why
    n_bytes: int
    n_files: int
    is_file: bool = False


@dataclass(frozen=True)
class Sweep:
    """What would be removed, in the order of removal.

    Attributes:
        runs: folders of runs.
        artifacts: folders of artifacts.
        checkpoints: folders of trainings that are done, or that nobody went on with.
        parts: files that a killed process was writing.
        kept_runs: ids of the runs that stay.
        n_kept_artifacts: artifacts that stay.
    """

    runs: tuple[Garbage, ...]
    artifacts: tuple[Garbage, ...]
    checkpoints: tuple[Garbage, ...]
    parts: tuple[Garbage, ...]
    kept_runs: tuple[str, ...]
    n_kept_artifacts: int

    @property
    def all(self) -> tuple[Garbage, ...]:
        """Everything, in the order of removal."""
        return (*self.runs, *self.artifacts, *self.checkpoints, *self.parts)

    @property
    def n_bytes(self) -> int:
        """Bytes of all files; fewer get free where a file has another name as well."""
        return sum(one.n_bytes for one in self.all)


def find_garbage(
    store: ArtifactStore,
    stages: Collection[str],
    config: GcConfig,
    pinned: Iterable[ArtifactRef] = (),
    *,
    is_at_work: bool = False,
) -> Sweep:
    """What nobody needs any more; changes nothing.

    Args:
        store: of the artifacts.
        stages: names of the stages; folders of other names are nobody's business here.
        config: which runs are kept.
        pinned: artifacts that are kept whatever the runs say, such as those of receipts.
        is_at_work: whether a run works on the root now; then what is unfinished is left alone.

    Raises:
        ArtifactError: if the record of a run cannot be read: what it refers to is unknown.
    """
    storage = store.storage
    files = _by_folder(storage, stages)
    records = read_all_records(storage)
    kept = kept_runs(records, config)
    needed = _closure(store, [*_refs_of(kept), *pinned])
    names = {record.run_id for record in kept}
    runs = tuple(_old_runs(storage, records, names, files, is_at_work=is_at_work))
    artifacts = tuple(_unneeded(store, stages, needed, files, is_at_work=is_at_work))
    checkpoints = () if is_at_work else tuple(_checkpoints(store, stages, config, files))
    gone = {one.path for one in (*runs, *artifacts, *checkpoints)}
    n_kept = sum(len(storage.list_folders(stage)) for stage in stages) - len(artifacts)
    kept_ids = tuple(sorted(names, reverse=True))
    return Sweep(runs, artifacts, checkpoints, tuple(_parts(storage, files, gone)), kept_ids, n_kept)


def remove(store: ArtifactStore, sweep: Sweep, advance: Callable[[], None] = lambda: None) -> None:
    """Removes it all; after a kill, call `find_garbage` again."""
    storage = store.storage
    for one in sweep.all:
        if one.is_file:
            storage.delete_file(one.path)
        else:
            # what makes a folder count goes first, the rest counts for nothing then
            storage.delete_file(f"{one.path}/{RECORD if one.path.startswith(f'{RUNS}/') else MANIFEST}")
            storage.delete_folder(one.path)
        advance()


def read_all_records(storage: Storage) -> list[RunRecord]:
    """The records of all runs, newest first.

    Raises:
        ArtifactError: if one cannot be read.
    """
    found = []
    for name in sorted(storage.list_folders(RUNS), reverse=True):
        path = f"{RUNS}/{name}/{RECORD}"
        if storage.stat(path) is None:
            continue
        try:
            found.append(RunRecord.model_validate_json(storage.read_bytes(path)))
        except ValidationError as error:
            raise ArtifactError(
                "the record of a run cannot be read, so nobody knows which artifacts it refers to; nothing was removed",
                value=storage.uri(path),
                expected="a record of this lakebed or an older one",
                hint=f"use the lakebed that wrote it, or remove {storage.uri(RUNS, name)} by hand",
            ) from error
    return found


def kept_runs(records: Sequence[RunRecord], config: GcConfig, now: datetime | None = None) -> list[RunRecord]:
    """The newest runs, the young ones, those at work, and for each stage the newest that reached it.

    The last are what verbs such as `containments` answer from.
    """
    since = (now or datetime.now(UTC)) - timedelta(days=config.keep_days)
    newest: dict[str, str] = {}
    for record in records:
        for stage in record.stages:
            newest.setdefault(stage.stage, record.run_id)
    young = [place < config.keep_runs or _begun(record) >= since for place, record in enumerate(records)]
    return [
        record
        for record, is_young in zip(records, young, strict=True)
        if is_young or record.status == "running" or record.run_id in newest.values()
    ]


def _begun(record: RunRecord) -> datetime:
    begun = datetime.fromisoformat(record.started_at)
    return begun if begun.tzinfo else begun.replace(tzinfo=UTC)


def _refs_of(records: Iterable[RunRecord]) -> Iterator[ArtifactRef]:
    for record in records:
        for one in record.stages:
            yield one.ref


def _closure(store: ArtifactStore, refs: Iterable[ArtifactRef]) -> set[tuple[str, str]]:
    """The artifacts named, and those that they were made from."""
    needed: set[tuple[str, str]] = set()
    todo = list(refs)
    while todo:
        ref = todo.pop()
        if (ref.stage, ref.key) in needed:
            continue
        needed.add((ref.stage, ref.key))
        manifest = store.peek(ref.stage, ref.key)
        todo += manifest.inputs if manifest else ()
    return needed


def _old_runs(
    storage: Storage,
    records: Sequence[RunRecord],
    kept: Collection[str],
    files: dict[str, list[StoredFile]],
    *,
    is_at_work: bool,
) -> Iterator[Garbage]:
    known = {record.run_id for record in records}
    for name in _own_folders(storage, RUNS):
        if name in kept or (name not in known and is_at_work):
            continue
        why: Why = "old run" if name in known else "run without a record"
        yield _garbage(f"{RUNS}/{name}", why, files)


def _unneeded(
    store: ArtifactStore,
    stages: Collection[str],
    needed: Collection[tuple[str, str]],
    files: dict[str, list[StoredFile]],
    *,
    is_at_work: bool,
) -> Iterator[Garbage]:
    for stage in stages:
        for key in filter(_KEY.fullmatch, _own_folders(store.storage, stage)):
            is_whole = store.peek(stage, key) is not None
            if (stage, key) in needed and is_whole:
                continue
            if is_whole or not is_at_work:
                yield _garbage(f"{stage}/{key}", "unreferenced" if is_whole else "unfinished", files)


def _parts(storage: Storage, files: dict[str, list[StoredFile]], gone: Collection[str]) -> list[Garbage]:
    """Temporary names of files; one younger than an hour may still be written, as by `lakebed report`."""
    before = (datetime.now(UTC).timestamp() - STALE_AFTER_S) * 1e9
    return [
        Garbage(file.path, "left by a kill", file.size, 1, is_file=True)
        for folder, found in sorted(files.items())
        if folder not in gone
        for file in found
        if _PART.search(file.path) and file.mtime_ns < before and _is_own(storage, file.path)
    ]


def _garbage(path: str, why: Why, files: dict[str, list[StoredFile]]) -> Garbage:
    found = files.get(path, [])
    return Garbage(path, why, sum(file.size for file in found), len(found))


def _checkpoints(
    store: ArtifactStore, stages: Collection[str], config: GcConfig, files: dict[str, list[StoredFile]]
) -> Iterator[Garbage]:
    before = (datetime.now(UTC) - timedelta(days=config.keep_days)).timestamp() * 1e9
    for stage in stages:
        for key in filter(_KEY.fullmatch, _own_folders(store.storage, f"{CHECKPOINTS}/{stage}")):
            path = f"{CHECKPOINTS}/{stage}/{key}"
            last = max((file.mtime_ns for file in files.get(path, [])), default=0)
            manifest = store.peek(stage, key)
            if last < before or (manifest is not None and manifest.is_whole):
                yield _garbage(path, "old checkpoint", files)


def _own_folders(storage: Storage, under: str) -> list[str]:
    """Folders that lie in the artifact root itself: what a symbolic link leads to is somebody else's."""
    names = storage.list_folders(under)
    if not storage.is_local:
        return names
    base = os.path.join(os.path.realpath(storage.root), *under.split("/"))
    return [name for name in names if os.path.realpath(storage.uri(under, name)) == os.path.join(base, name)]


def _is_own(storage: Storage, path: str) -> bool:
    folder = path.rpartition("/")[0]
    own = os.path.join(os.path.realpath(storage.root), *folder.split("/"))
    return not storage.is_local or os.path.realpath(storage.uri(folder)) == own


def _by_folder(storage: Storage, stages: Collection[str]) -> dict[str, list[StoredFile]]:
    """The files of each artifact, run and checkpoint, by its folder."""
    found: dict[str, list[StoredFile]] = {}
    for folder in (*stages, RUNS, *(f"{CHECKPOINTS}/{stage}" for stage in stages)):
        for name in _own_folders(storage, folder):
            found[f"{folder}/{name}"] = storage.list_files(f"{folder}/{name}")
    return found
