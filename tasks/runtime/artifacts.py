"""Artifacts: a folder `<root>/<stage>/<key>` whose manifest, written last, says that it is complete."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field, ValidationError

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.delta import Writer, read_table
from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.paths import InsidePath, PathPart
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts
from lakebed.tasks.runtime.lease import require_lease

MANIFEST = "manifest.json"
METRICS = "metrics.json"
VERDICT = "expectations.json"

VerdictStatus = Literal["passed", "rejected"]


class ArtifactRef(FrozenConfig):
    """What stages pass to each other; `key` and `digest` are hex SHA-256."""

    stage: PathPart
    key: PathPart
    digest: str


class TableFile(FrozenConfig):
    """A file of a table: path below the artifact's folder, size in bytes."""

    path: InsidePath
    size: int


class TableEntry(FrozenConfig):
    """A Delta table of an artifact: its contract, content digest, and the files it must have."""

    contract: str
    contract_version: int
    digest: str
    n_rows: int
    n_bytes: int
    n_files: int
    writer: Writer
    files: tuple[TableFile, ...]


class FileEntryDigest(FrozenConfig):
    """A file beside the tables; one without SHA-256 is held to its size only and not digested."""

    size: int
    sha256: str = ""


class Manifest(FrozenConfig):
    """What an artifact holds. Times, run ids and machines live in `metrics.json` beside it.

    Artifacts of one `family` were made by the same code under the same config, of whatever state of the lake. One that
    is not whole lacks what another run may have, and is never reused. `nights` counts the artifacts of which each was
    started from the one before, back to one that was made anew.
    """

    stage: PathPart
    key: PathPart
    digest: str
    version: int
    family: str = ""
    inputs: tuple[ArtifactRef, ...] = ()
    tables: dict[PathPart, TableEntry] = Field(default_factory=dict)
    files: dict[InsidePath, FileEntryDigest] = Field(default_factory=dict)
    summary: dict[str, Any] = Field(default_factory=dict)
    is_whole: bool = True
    nights: int = 0

    @property
    def ref(self) -> ArtifactRef:
        """The reference to this artifact."""
        return ArtifactRef(stage=self.stage, key=self.key, digest=self.digest)

    @property
    def n_bytes(self) -> int:
        """Bytes of the tables' data and of the files beside them."""
        return sum(entry.n_bytes for entry in self.tables.values()) + sum(one.size for one in self.files.values())

    def expected_sizes(self) -> dict[str, int]:
        """Every file that must exist, by path below the folder, with its size in bytes."""
        sizes = {file.path: file.size for entry in self.tables.values() for file in entry.files}
        return sizes | {path: entry.size for path, entry in self.files.items()}


class Verdict(FrozenConfig):
    """What Great Expectations said; bound to the content by `digest`, to what was asked by `suite_digest`."""

    digest: str
    suite_digest: str = ""
    status: VerdictStatus
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seconds: float = 0.0


def content_digest(
    stage: str, version: int, tables: Mapping[str, TableEntry], files: Mapping[str, FileEntryDigest]
) -> str:
    """The digest of an artifact: its tables' and files' digests under their names."""
    named = [("table", name, entry.digest) for name, entry in sorted(tables.items())]
    named += [("file", path, entry.sha256) for path, entry in sorted(files.items()) if entry.sha256]
    return sha256_of_parts([stage.encode(), str(version).encode(), *(part.encode() for row in named for part in row)])


class ArtifactStore:
    """The artifacts below one root, a local folder or an object-store prefix; `run_id` is the run that writes them."""

    def __init__(self, root: str, run_id: str = "") -> None:
        self._run_id = run_id
        self.storage = Storage.at(root)
        self.root = self.storage.root

    def folder(self, stage: str, key: str) -> str:
        """The full path or URI of an artifact's folder."""
        return self.storage.uri(stage, key)

    def find(self, stage: str, key: str) -> ArtifactRef | None:
        """The complete artifact under this key; None as for `complete`."""
        manifest = self.complete(stage, key)
        return None if manifest is None else manifest.ref

    def complete(self, stage: str, key: str) -> Manifest | None:
        """The manifest of the complete artifact under this key.

        None where the manifest is missing or unreadable, a file it names is missing or has another size, somebody
        has changed a table since, or Great Expectations rejected it.
        """
        manifest = self._load(stage, key)
        if manifest is None or not self._has_all_files(manifest):
            return None
        verdict = self.verdict(manifest.ref)
        return None if verdict is not None and verdict.status == "rejected" else manifest

    def peek(self, stage: str, key: str) -> Manifest | None:
        """The manifest under this key, whatever became of its files; None if it is missing or unreadable."""
        return self._load(stage, key)

    def newest(self, stage: str, is_wanted: Callable[[Manifest], bool], but: str = "") -> Manifest | None:
        """The newest complete artifact of a stage that is wanted, but for the key `but`.

        Cost: a look at each artifact of the stage, and a read of manifests from the newest on.
        """
        found = ((key, self.storage.stat(f"{stage}/{key}/{MANIFEST}")) for key in self.storage.list_folders(stage))
        dated = sorted(((file.mtime_ns, key) for key, file in found if file is not None and key != but), reverse=True)
        for _, key in dated:
            manifest = self._load(stage, key)
            if manifest is not None and is_wanted(manifest) and self.find(stage, key) is not None:
                return manifest
        return None

    def manifest(self, ref: ArtifactRef) -> Manifest:
        """The manifest of an artifact.

        Raises:
            ArtifactError: if it is missing, unreadable, or of other content than `ref` says.
        """
        manifest = self._load(ref.stage, ref.key)
        if manifest is None or manifest.digest != ref.digest:
            raise ArtifactError(
                f"the {ref.stage} artifact is missing or has changed",
                value=self.folder(ref.stage, ref.key),
                expected=f"a manifest with digest {ref.digest}",
                hint="run `lakebed run` again: it rebuilds what is missing",
            )
        return manifest

    def read(
        self,
        ref: ArtifactRef,
        table: str,
        columns: Sequence[str] | None = None,
        below: tuple[str, int] | None = None,
    ) -> pa.Table:
        """A table of an artifact; with `below`, its rows whose number in a column is below another.

        Raises:
            ArtifactError: if the artifact or the table is missing or unreadable.
        """
        return read_table(self.table_uri(ref, table), columns, below)

    def table_uri(self, ref: ArtifactRef, table: str) -> str:
        """The full path or URI of a table of an artifact.

        Raises:
            ArtifactError: if the artifact has no such table.
        """
        names = list(self.manifest(ref).tables)
        if table not in names:
            raise ArtifactError(
                f"the {ref.stage} artifact has no such table", value=table, expected="one of " + ", ".join(names)
            )
        return self.storage.uri(ref.stage, ref.key, table)

    def metrics(self, ref: ArtifactRef) -> dict[str, Any]:
        """Seconds, bytes, memory, run id and time of the run that made the artifact."""
        return dict(json.loads(self.storage.read_bytes(f"{ref.stage}/{ref.key}/{METRICS}")))

    def verdict(self, ref: ArtifactRef) -> Verdict | None:
        """What Great Expectations said of this content; None if it has not yet."""
        data = self.storage.read_if_there(f"{ref.stage}/{ref.key}/{VERDICT}")
        if data is None:
            return None
        try:
            verdict = Verdict.model_validate_json(data)
        except ValidationError:
            return None
        return verdict if verdict.digest == ref.digest else None

    def write_metrics(self, stage: str, key: str, metrics: Mapping[str, Any]) -> None:
        """Write `metrics.json` of an artifact that is being made."""
        self.storage.write_bytes_atomic(f"{stage}/{key}/{METRICS}", _pretty(dict(metrics)))

    def write_manifest(self, manifest: Manifest) -> ArtifactRef:
        """Complete an artifact; nothing may be written to its folder's tables afterwards.

        Raises:
            LeaseError: if this run has lost its lease on the root.
        """
        require_lease(self.root, self._run_id)
        path = f"{manifest.stage}/{manifest.key}/{MANIFEST}"
        self.storage.write_bytes_atomic(path, _pretty(manifest.model_dump(mode="json")))
        return manifest.ref

    def clear(self, stage: str, key: str) -> None:
        """Empty the folder of an artifact, manifest first, so that a kill meanwhile leaves it incomplete."""
        require_lease(self.root, self._run_id)
        self.storage.delete_file(f"{stage}/{key}/{MANIFEST}")
        self.storage.delete_folder(f"{stage}/{key}")
        self.storage.make_folder(f"{stage}/{key}")

    def _load(self, stage: str, key: str) -> Manifest | None:
        data = self.storage.read_if_there(f"{stage}/{key}/{MANIFEST}")
        if data is None:
            return None
        try:
            return Manifest.model_validate_json(data)
        except ValidationError:
            return None

    def _has_all_files(self, manifest: Manifest) -> bool:
        """Whether every file is there with its size, and no table got a commit since."""
        base = f"{manifest.stage}/{manifest.key}/"
        found = {file.path.removeprefix(base): file.size for file in self.storage.list_files(base.rstrip("/"))}
        expected = manifest.expected_sizes()
        commits = {path for path in found if "/_delta_log/" in path and path.endswith(".json")}
        return commits <= expected.keys() and all(found.get(path) == size for path, size in expected.items())


def _pretty(value: dict[str, Any]) -> bytes:
    return (json.dumps(json.loads(canonical_json(value)), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
