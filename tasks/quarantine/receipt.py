"""What is written beside a table set aside: the receipt in the quarantine, the pointer in the table's place."""

import json
import posixpath
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field, ValidationError

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.hidden import POINTER_ENDING
from lakebed.connectors.lake.iceberg.renaming import CatalogEntry
from lakebed.connectors.paths import PathPart
from lakebed.connectors.storage import Storage, is_object_store
from lakebed.connectors.version import ENGINE
from lakebed.tasks.retention.plan import FileIdentity, Plan, PlannedTable, TableIdentity
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.keys import sha256_of_parts

RECEIPT = "receipt.json"
ENTRIES = "entries"
DATA = "data"

Layout = Literal["whole", "files", "catalog"]


@dataclass(frozen=True)
class Moving:
    """The files that move when a table is set aside, digested, and how; see `Receipt`."""

    layout: Layout
    files: tuple[FileIdentity, ...]
    catalog: CatalogEntry | None = None


class Receipt(FrozenConfig):
    """All that is needed to bring a table back: by its files while they are in quarantine, by its recipe afterwards.

    Attributes:
        layout: `whole` where the table moves by one rename; `files` where each file moves by itself; `catalog` where
            the table gets another name in its catalog and its files stay.
        files: every file that moves, hidden ones in the table's folder included; paths below the lake's root.
        catalog: where an Iceberg catalog keeps the table.
        parents: the tables that the recipe reads, as they were; they are pinned as long as the entry lives.
        purge_not_before: UTC, ISO 8601.
    """

    # before version 2 the pointer was no hidden file
    version: Literal[1, 2] = 2
    entry: PathPart
    plan_id: str
    table: PlannedTable
    parents: tuple[TableIdentity, ...]
    lake: LakeConfig
    artifacts: dict[str, ArtifactRef] = Field(default_factory=dict)
    layout: Layout
    files: tuple[FileIdentity, ...]
    catalog: CatalogEntry | None = None
    set_aside_at: str
    purge_not_before: str
    engine: str

    @property
    def n_bytes(self) -> int:
        """Bytes of all files that move."""
        return sum(file.size for file in self.files)

    @property
    def pointer(self) -> str:
        """Path of the pointer file below the lake's root."""
        return pointer_path(self.table.name) if self.version > 1 else f"{self.table.name}{POINTER_ENDING}"

    @property
    def folder(self) -> str:
        """Folder of the entry below the quarantine's root."""
        return f"{ENTRIES}/{self.entry}"

    def kept_at(self, path: str) -> str:
        """Where a path of the lake lies below the quarantine's root."""
        return f"{self.folder}/{DATA}/{path}"

    def moved_to(self, path: str, beside: str) -> str:
        """Where a path of the table lies once the table has come back to another place; empty is its own."""
        return f"{beside}{path[len(self.table.identity.path) :]}" if beside else path


class Pointer(FrozenConfig):
    """What stands in a table's place.

    Attributes:
        receipt: path of the receipt, from the pointer's own folder where the quarantine lies in the lake, else whole.
        read: how to read the table meanwhile.
        restore: the command that brings it back.
    """

    lakebed_pointer: Literal[1] = 1
    table: str
    format: str
    n_rows: int
    n_bytes: int
    set_aside_at: str
    parents: tuple[str, ...]
    receipt: str
    read: str
    restore: str


def entry_id(plan_id: str, table: str) -> str:
    """The id of a table's entry: the same for the same plan, so that the same command goes on where it ended."""
    return sha256_of_parts([b"lakebed entry", plan_id.encode(), table.encode()])[:20]


def pointer_path(table: str) -> str:
    """Where the pointer of a table lies, below the lake's root: hidden, so that readers of its folder pass it over.

    Spark passes over names that begin with an underscore unless they have a `=`.
    """
    folder, slash, name = table.rpartition("/")
    return f"{folder}{slash}_{name.replace('=', '%3D')}{POINTER_ENDING}"


def make_receipt(plan: Plan, table: PlannedTable, moving: Moving, days: float) -> Receipt:
    """The receipt of a table that is about to be set aside, for `days` of grace."""
    now = datetime.now(UTC)
    return Receipt(
        entry=entry_id(plan.plan_id, table.name),
        plan_id=plan.plan_id,
        table=table,
        parents=tuple(plan.table(name).identity for name in table.parents),
        lake=plan.lake,
        artifacts=plan.artifacts,
        layout=moving.layout,
        files=moving.files,
        catalog=moving.catalog,
        set_aside_at=now.isoformat(timespec="seconds"),
        purge_not_before=(now + timedelta(days=days)).isoformat(timespec="seconds"),
        engine=ENGINE,
    )


def make_pointer(receipt: Receipt, lake_root: str, quarantine_root: str) -> Pointer:
    """The pointer to a receipt."""
    target = f"{quarantine_root.rstrip('/')}/{receipt.folder}/{RECEIPT}"
    base = lake_root.rstrip("/") + "/"
    if target.startswith(base):
        up = "../" * receipt.pointer.count("/")
        target = up + target[len(base) :]
    name = receipt.table.name
    return Pointer(
        table=name,
        format=receipt.table.identity.format,
        n_rows=receipt.table.n_rows,
        n_bytes=receipt.table.n_bytes,
        set_aside_at=receipt.set_aside_at,
        parents=receipt.table.parents,
        receipt=target,
        read=f"lakebed.open_table({lake_root.rstrip('/') + '/' + name!r})",
        restore=f"lakebed restore {quoted(name)} --lake {quoted(lake_root)}",
    )


def write_model(storage: Storage, path: str, model: FrozenConfig) -> None:
    """Writes a receipt or pointer, whole or not at all."""
    text = json.dumps(model.model_dump(mode="json"), indent=1, ensure_ascii=False)
    storage.write_bytes_atomic(path, text.encode() + b"\n")


def read_receipt(storage: Storage, path: str) -> Receipt:
    """A receipt.

    Raises:
        ArtifactError: if it is missing or not whole.
    """
    try:
        return Receipt.model_validate_json(storage.read_bytes(path))
    except ValidationError as error:
        raise _damaged("receipt", storage.uri(path), error) from error


def read_pointer(storage: Storage, path: str) -> Pointer:
    """A pointer.

    Raises:
        ArtifactError: if it is missing or not whole.
    """
    try:
        return Pointer.model_validate_json(storage.read_bytes(path))
    except ValidationError as error:
        raise _damaged("pointer", storage.uri(path), error) from error


def receipt_address(folder: str, pointer: Pointer) -> tuple[str, str]:
    """Root of the quarantine and path of the receipt below it, for a pointer that lies in `folder`."""
    target = pointer.receipt
    if not (is_object_store(target) or target.startswith("/")):
        scheme, sign, rest = folder.partition("://") if is_object_store(folder) else ("", "", folder)
        target = scheme + sign + posixpath.normpath(f"{rest}/{target}")
    root, _, below = target.rpartition(f"/{ENTRIES}/")
    return root, f"{ENTRIES}/{below}"


def quoted(text: str) -> str:
    """The text as a shell takes it."""
    import shlex

    return shlex.quote(text)


def _damaged(kind: str, path: str, error: ValidationError) -> ArtifactError:
    return ArtifactError(
        f"a {kind} of the quarantine is not whole",
        value=f"{path}: {error.errors()[0]['msg']}",
        expected=f"the {kind} as `lakebed apply` wrote it",
        hint="the table's files lie beside the receipt, under `data/`; see docs/apply.md",
    )
