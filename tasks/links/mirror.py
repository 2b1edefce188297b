"""Checkpoints of a training whose artifact root is an object store: made in a local folder, copied to the store."""

from pathlib import Path

from lakebed.connectors.storage import Storage
from lakebed.tasks.links.checkpoint import ARRAYS, MANIFEST, N_KEPT, STATE, Checkpoints, Identity
from lakebed.tasks.links.kernel.training import TrainingState


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
