"""What `lakebed gc` does: the artifact root's garbage, and what killed runs left on this machine."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebed.chain import STAGES
from lakebed.config import LakebedConfig, load_config
from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.embeddings.config import POWERS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.config import GcConfig
from lakebed.tasks.runtime.garbage import Garbage, Sweep, find_garbage, read_all_records, remove
from lakebed.tasks.runtime.lease import Lease, is_held
from lakebed.tasks.runtime.processes import Orphan, end, orphans, stale_folders
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.record import RunRecord, new_run_id


@dataclass(frozen=True)
class Cleaning:
    """What is, or was, removed.

    Attributes:
        sweep: of the artifact root.
        orphans: processes that killed runs left; they are ended before anything is removed.
        folders: temporary folders that killed runs left.
        left: of the orphans those that could not be ended.
        is_at_work: whether a run works on the root, so that this is a look only.
    """

    sweep: Sweep
    orphans: tuple[Orphan, ...]
    folders: tuple[str, ...]
    left: tuple[Orphan, ...] = ()
    is_at_work: bool = False

    @property
    def n_things(self) -> int:
        """How many runs, artifacts, files, processes and folders."""
        return len(self.sweep.all) + len(self.orphans) + len(self.folders)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "n_bytes": self.sweep.n_bytes,
            "runs": [_facts(one) for one in self.sweep.runs],
            "artifacts": [_facts(one) for one in self.sweep.artifacts],
            "checkpoints": [_facts(one) for one in self.sweep.checkpoints],
            "files": [_facts(one) for one in self.sweep.parts],
            "processes": [{"pid": one.pid, "run_id": one.run_id, "command": one.command} for one in self.orphans],
            "processes_left": [one.pid for one in self.left],
            "folders": list(self.folders),
            "kept_runs": list(self.sweep.kept_runs),
            "kept_artifacts": self.sweep.n_kept_artifacts,
            "is_at_work": self.is_at_work,
        }


def preview(root: str, config: GcConfig, plans: Sequence[Path] = ()) -> Cleaning:
    """What `clean` would remove; changes nothing and takes no lease.

    Raises:
        ArtifactError: if there is no such root, or a record, a receipt or a journal cannot be read: what it refers to
            is unknown.
        PlanError: if a plan cannot be read.
    """
    return _look(root, config, plans, is_at_work=is_held(root))


def clean(root: str, config: GcConfig, plans: Sequence[Path] = ()) -> Cleaning:
    """Removes it, with the artifact root held; killed, the same call goes on.

    Raises:
        LeaseError: if a run works on the artifact root.
        ArtifactError: as `preview`, or if something cannot be removed.
        PlanError: as `preview`.
    """
    with Lease(root, f"gc-{new_run_id()}"):
        found = _look(root, config, plans, is_at_work=False)
        left = end(found.orphans)
        with shown().step("Removing", len(found.sweep.all)) as step:
            remove(ArtifactStore(root), found.sweep, step.advance)
        for folder in found.folders:
            shutil.rmtree(folder, ignore_errors=True)
    return Cleaning(found.sweep, found.orphans, found.folders, tuple(left))


def _look(root: str, config: GcConfig, plans: Sequence[Path], *, is_at_work: bool) -> Cleaning:
    store = ArtifactStore(root)
    if not store.storage.exists(""):
        raise ArtifactError(
            "there is no such artifact root",
            value=root,
            expected="the artifact root of a run",
            hint="give it with --artifacts",
        )
    records = read_all_records(store.storage)
    pinned = [*_pinned_by_plans(plans), *_pinned_by_quarantines(records), *_newest_powers(store)]
    sweep = find_garbage(store, (*STAGES, POWERS), config, pinned, is_at_work=is_at_work)
    found = orphans(records)
    # the home of an orphan's server is in use until the orphan is gone
    return Cleaning(sweep, tuple(found), tuple(stale_folders(records)), is_at_work=is_at_work)


def _newest_powers(store: ArtifactStore) -> list[ArtifactRef]:
    """Of the powers that embeddings keep on request no run says that it needs them: the newest stay."""
    newest = store.newest(POWERS, lambda _: True)
    return [newest.ref] if newest else []


def _pinned_by_plans(plans: Sequence[Path]) -> Iterator[ArtifactRef]:
    from lakebed.tasks.retention.plan import read_plan

    for path in plans:
        plan = read_plan(path)
        yield from plan.artifacts.values()
        yield from (one.artifact for table in plan.deleted for one in table.evidence)


def _pinned_by_quarantines(records: Sequence[RunRecord]) -> Iterator[ArtifactRef]:
    """The artifacts that receipts name, of every lake that a run on this root has read."""
    from lakebed.tasks.quarantine.config import QuarantineConfig
    from lakebed.tasks.quarantine.place import Quarantine

    lakes = {}
    for record in records:
        lake = record.config.get("lake", {}).get("root", "")
        settings = record.config.get("quarantine", {})
        if lake:
            lakes[lake, settings.get("folder", "")] = settings
    for (lake, _), settings in lakes.items():
        known = {name: value for name, value in settings.items() if name in QuarantineConfig.model_fields}
        quarantine = Quarantine.look(lake, QuarantineConfig.model_validate(known))
        for state in quarantine.live():
            receipt = quarantine.receipt(state)
            yield from receipt.artifacts.values()
            yield from (one.artifact for one in receipt.table.evidence)


def settings_for(config: Path | None, root: str, given: dict[str, Any]) -> LakebedConfig:
    """The settings; no lake need be named."""
    return load_config(config, {"artifacts": root, "gc": given}, defaults={"lake": {"root": "."}})


def _facts(one: Garbage) -> dict[str, Any]:
    return {"path": one.path, "why": one.why, "n_bytes": one.n_bytes, "n_files": one.n_files}
