"""Checkpoints of a training: whole or not there, checked before they are loaded, never a pickle."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage, storage_error
from lakebed.tasks.links.kernel.training import MOMENTS, TrainingState, Weights

ARRAYS, STATE, MANIFEST = "arrays.safetensors", "state.json", "manifest.json"
N_KEPT = 2


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: a resumed run must share all of it.

    Attributes:
        config: digest of the resolved config and the network's kind.
        data: digest of the training data.
        n_threads: of torch, which decide the order of some sums.
        n_features: feature columns that were given; weights of another number cannot be gone on from at all.
    """

    config: str
    data: str
    n_threads: int
    n_features: int = 0

    def as_dict(self) -> dict[str, Any]:
        """With the versions of what computes."""
        versions = {name: metadata.version(name) for name in ("torch", "numpy", "scipy")}
        return {
            "config": self.config,
            "data": self.data,
            "n_threads": self.n_threads,
            "n_features": self.n_features,
            "versions": versions,
            "machine": platform.machine(),
        }


class Checkpoints:
    """The checkpoints of one training below a local folder: the last two, and the best weights within each."""

    def __init__(self, folder: Path, identity: Identity, *, allow_drift: bool = False) -> None:
        self.folder = folder
        self._identity = identity.as_dict()
        self._allow_drift = allow_drift

    def save(self, state: TrainingState) -> Path:
        """Writes aside, syncs, and renames; older checkpoints than the last two go only then.

        Raises: ArtifactError: if it cannot be written; those before it are left as they are.
        """
        final = self.folder / f"epoch-{state.epoch:08d}"
        part: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.folder))
            self._write(part, state)
            if final.exists():
                shutil.rmtree(final)
            part.rename(final)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
            reason = error if isinstance(error, OSError) else OSError(28 if "space" in str(error) else 0, str(error))
            raise storage_error(reason, "write a checkpoint", str(final)) from error
        self._forget_old()
        return final

    def load(self) -> TrainingState | None:
        """The newest whole checkpoint, None where there is none; one that is damaged is passed over.

        Raises: ArtifactError: if it belongs to another config, other data, another number of threads or versions.
        """
        for path in reversed(self._paths()):
            state = _read(path)
            if state is None:
                continue
            self._require_same(path)
            return state
        return None

    def _write(self, part: Path, state: TrainingState) -> None:
        arrays = _flat(state)
        save_file(arrays, part / ARRAYS)
        facts = {
            "epoch": state.epoch,
            "n_steps": state.n_steps,
            "best_score": state.best_score,
            "best_epoch": state.best_epoch,
            "history": state.history,
            "losses": state.losses,
            "identity": self._identity,
        }
        (part / STATE).write_text(json.dumps(facts, indent=1))
        digests = {name: _sha256(part / name) for name in (ARRAYS, STATE)}
        for name in (ARRAYS, STATE):
            _sync(part / name)
        (part / MANIFEST).write_text(json.dumps(digests, indent=1))
        _sync(part / MANIFEST)
        _sync(part)

    def _require_same(self, path: Path) -> None:
        found = json.loads((path / STATE).read_text())["identity"]
        other = [name for name, value in self._identity.items() if found.get(name) != value]
        if "n_features" in other or (other and not self._allow_drift):
            raise ArtifactError(
                "the checkpoint belongs to another training",
                value=f"{path.name}: another {', another '.join(other)}",
                expected="the same config, data, threads and versions as now",
                hint="remove the checkpoint to begin anew"
                if "n_features" in other
                else "allow drift to go on all the same, or remove the checkpoint to begin anew",
                examples=[f"{name}: {found.get(name)} there, {self._identity[name]} here" for name in other],
            )

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*")) if self.folder.is_dir() else []

    def _forget_old(self) -> None:
        for path in self._paths()[:-N_KEPT]:
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(".part-*"):
            shutil.rmtree(path, ignore_errors=True)


def _flat(state: TrainingState) -> Weights:
    groups = {"weights": state.weights, "best": state.best, **state.moments}
    return {
        f"{group}/{name}": np.ascontiguousarray(rows) for group, part in groups.items() for name, rows in part.items()
    }


def _read(path: Path) -> TrainingState | None:
    """None where a file is missing or not what the manifest says."""
    with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
        digests = json.loads((path / MANIFEST).read_text())
        if any(_sha256(path / name) != digests[name] for name in (ARRAYS, STATE)):
            return None
        facts, arrays = json.loads((path / STATE).read_text()), load_file(path / ARRAYS)
        parts: dict[str, Weights] = {group: {} for group in ("weights", "best", *MOMENTS)}
        for name, rows in arrays.items():
            group, _, key = name.partition("/")
            parts[group][key] = rows
        moments = {moment: parts[moment] for moment in MOMENTS}
        rest = {name: facts[name] for name in ("n_steps", "epoch", "best_score", "best_epoch", "history", "losses")}
        return TrainingState(weights=parts["weights"], moments=moments, best=parts["best"], **rest)
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class MirroredCheckpoints(Checkpoints):
    """The same, with copies below a prefix; each copy is whole once its manifest is there, which is put last."""

    def __init__(self, folder: Path, identity: Identity, copies: Storage, *, allow_drift: bool = False) -> None:
        super().__init__(folder, identity, allow_drift=allow_drift)
        self._copies = copies

    def save(self, state: TrainingState) -> Path:
        """See `Checkpoints.save`; then copies it, and lets go of copies older than the last two."""
        made = super().save(state)
        for name in (ARRAYS, STATE, MANIFEST):
            self._copies.write_bytes_atomic(f"{made.name}/{name}", (made / name).read_bytes())
        for old in self._copies.list_folders()[:-N_KEPT]:
            self._copies.delete_file(f"{old}/{MANIFEST}")
            self._copies.delete_folder(old)
        return made

    def load(self) -> TrainingState | None:
        """See `Checkpoints.load`; fetches the copies first where the folder has none."""
        if not self._paths():
            for copy in self._copies.list_folders():
                self._fetch(copy)
        return super().load()

    def _fetch(self, copy: str) -> None:
        """Brings one copy; a part that is not there leaves it incomplete, and so passed over."""
        (self.folder / copy).mkdir(parents=True, exist_ok=True)
        for name in (ARRAYS, STATE, MANIFEST):
            data = self._copies.read_if_there(f"{copy}/{name}")
            if data is not None:
                (self.folder / copy / name).write_bytes(data)
