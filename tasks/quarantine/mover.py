"""Moves the files of a table between its place and the quarantine, so that a crash at any point can be resumed.

A move has two parts. *Copy* makes every file whole at the new place while the old still has it; *drop* removes it from
the old. In between the journal notes that all copies are there. On a local file system a copy is a hard link, which
costs nothing and keeps the time of change; a table that has its folder or file to itself moves by one rename instead,
which is the drop. On object stores a copy is made by the store and its bytes are read back and compared.

Each part may be called again after a crash and then does what is left.
"""

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from lakebed.connectors.errors import ArtifactError, PlanError
from lakebed.connectors.lake.change import SeenFile, has_changed
from lakebed.connectors.lake.files import file_digest
from lakebed.connectors.lake.iceberg.renaming import rename_aside, rename_back
from lakebed.connectors.local_files import NO_LINKS
from lakebed.connectors.paths import folders_above
from lakebed.connectors.storage import LocalStorage, Storage, storage_error
from lakebed.tasks.quarantine.journal import sync_folder
from lakebed.tasks.quarantine.receipt import DATA, Receipt
from lakebed.tasks.retention.plan import FileIdentity


@dataclass(frozen=True)
class Route:
    """From where to where the files of a receipt move; `is_back` is from the quarantine to the lake.

    `beside` is another place in the lake than the table's own, to which it comes back.
    """

    receipt: Receipt
    source: Storage
    target: Storage
    is_back: bool
    beside: str = ""

    @property
    def files(self) -> tuple[FileIdentity, ...]:
        """The files that move: of a table that gets another name in its catalog only those that were rebuilt."""
        return self.receipt.files if self.is_back or self.receipt.catalog is None else ()

    def source_of(self, path: str) -> str:
        """Where a file of the lake is before the move, below the source's root."""
        return self.receipt.kept_at(path) if self.is_back else path

    def target_of(self, path: str) -> str:
        """Where it is after the move, below the target's root."""
        return self.receipt.moved_to(path, self.beside) if self.is_back else self.receipt.kept_at(path)


class Mover(ABC):
    """Moves between one lake and its quarantine."""

    def __init__(self, lake: Storage, quarantine: Storage) -> None:
        self.lake = lake
        self.quarantine = quarantine

    @staticmethod
    def between(lake: Storage, quarantine: Storage) -> "Mover":
        """The mover for these two, which are both local or both on one object store."""
        return LocalMover(lake, quarantine) if isinstance(lake, LocalStorage) else ObjectMover(lake, quarantine)

    def aside(self, receipt: Receipt) -> Route:
        """The way into the quarantine."""
        return Route(receipt, self.lake, self.quarantine, is_back=False)

    def back(self, receipt: Receipt, beside: str = "") -> Route:
        """The way out of it, to the table's own place or to another."""
        return Route(receipt, self.quarantine, self.lake, is_back=True, beside=beside)

    @abstractmethod
    def copy(self, route: Route) -> None:
        """Makes all files whole at their target.

        Raises:
            PlanError: if something else lies at a target, or a source is not what the receipt says.
            ArtifactError: if a file is at neither place.
        """

    def drop(self, route: Route) -> None:
        """Removes all files from their source, of which copies are known to be whole; or renames them away.

        A table of a catalog gets its other name there last.
        """
        self.drop_files(route)
        if route.receipt.catalog is not None:
            self.rename_entry(route)

    @abstractmethod
    def drop_files(self, route: Route) -> None:
        """The same for files alone."""

    def rename_entry(self, route: Route) -> None:
        """Gives a table its other name in its catalog, or its own again; one that has it is fine."""
        entry, catalogs = route.receipt.catalog, route.receipt.lake.iceberg
        if entry is not None:
            (rename_back if route.is_back else rename_aside)(entry, catalogs)

    @abstractmethod
    def delete(self, receipt: Receipt) -> None:
        """Deletes the files of a receipt from where they lie: what `purge` is for."""

    def lies(self, receipt: Receipt) -> tuple[Storage, bool]:
        """Where the files of a table that is set aside lie, and whether that is their own place."""
        return (self.quarantine, False) if receipt.catalog is None else (self.lake, True)

    def is_aside(self, receipt: Receipt) -> bool:
        """Whether every file of a table that is set aside is there with its size."""
        storage, is_back = self.lies(receipt)
        return is_whole_at(storage, receipt, is_back=is_back)

    def require_aside(self, receipt: Receipt) -> None:
        """Compares the files of a table that is set aside with its receipt: sizes and local times.

        Raises:
            ArtifactError: as `require_whole`.
        """
        storage, is_back = self.lies(receipt)
        self.require_whole(storage, receipt, is_back=is_back, with_bytes=False)

    def require_whole(self, storage: Storage, receipt: Receipt, *, is_back: bool, with_bytes: bool) -> None:
        """Compares what lies at one end with the receipt: sizes, local times, and the bytes if asked.

        Raises:
            ArtifactError: naming at most five files that are missing or differ.
        """
        wrong = list(_differences(storage, receipt, is_back=is_back, with_bytes=with_bytes))
        if wrong:
            raise ArtifactError(
                "files of a table are not what its receipt says",
                value=wrong[0],
                expected="the files as they were set aside",
                hint=f"see the receipt in {self.quarantine.uri(receipt.folder)}",
                examples=wrong[1:],
            )


class LocalMover(Mover):
    """Renames, or hard links followed by unlinks."""

    def copy(self, route: Route) -> None:
        """See `Mover.copy`; a table that moves whole has nothing to copy."""
        if route.receipt.layout == "whole":
            return
        folders = set()
        for file in route.files:
            source, target = self._ends(route, file.path)
            if self.link(source, target, file):
                folders.add(os.path.dirname(target))
        for folder in folders:
            sync_folder(folder)

    def drop_files(self, route: Route) -> None:
        """See `Mover.drop`."""
        if route.receipt.layout == "whole":
            self.rename(*self._ends(route, route.receipt.table.identity.path))
            return
        for file in route.files:
            source, target = self._ends(route, file.path)
            if os.path.lexists(source):
                if not (os.path.lexists(target) and _is_same(source, target, file)):
                    raise _occupied(source)
                self.unlink(source)
        for folder in {os.path.dirname(self._ends(route, file.path)[0]) for file in route.files}:
            with contextlib.suppress(FileNotFoundError):
                sync_folder(folder)

    def delete(self, receipt: Receipt) -> None:
        """See `Mover.delete`."""
        storage, is_back = self.lies(receipt)
        for file in receipt.files:
            self.unlink(storage.uri(file.path if is_back else receipt.kept_at(file.path)))
        self.quarantine.delete_folder(f"{receipt.folder}/{DATA}")
        for folder in folders_of(receipt) if is_back else ():
            with contextlib.suppress(OSError):
                # one in which something new lies stays
                os.rmdir(storage.uri(folder))

    def rename(self, source: str, target: str) -> None:
        """Renames a file or folder, durably; one that is renamed already is fine."""
        if os.path.lexists(target):
            if os.path.lexists(source):
                raise _occupied(target)
            return
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(source, target)
            sync_folder(os.path.dirname(target))
            sync_folder(os.path.dirname(source))
        except FileNotFoundError as error:
            raise _lost(source, target) from error
        except OSError as error:
            raise storage_error(error, f"move to {target}", source, PlanError) from error

    def link(self, source: str, target: str, file: FileIdentity) -> bool:
        """Makes `target` another name of `source`; False if it is already.

        A file system without hard links gets a copy.
        """
        if os.path.lexists(target):
            if os.path.lexists(source) and not _is_same(source, target, file):
                raise _occupied(target)
            return False
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(source, target, follow_symlinks=False)
        except FileNotFoundError as error:
            raise _lost(source, target) from error
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise storage_error(error, f"link to {target}", source, PlanError) from error
            _copy_file(source, target)
        return True

    def unlink(self, path: str) -> None:
        """Removes a name; one that is gone is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def _ends(self, route: Route, path: str) -> tuple[str, str]:
        return route.source.uri(route.source_of(path)), route.target.uri(route.target_of(path))


class ObjectMover(Mover):
    """Copies by the store, compared by their bytes, then deletes."""

    def copy(self, route: Route) -> None:
        """See `Mover.copy`."""
        for file in route.files:
            if not self._is_there(route, file):
                self.copy_object(route, route.source_of(file.path), route.target_of(file.path))
                self._require_copied(route, file)

    def drop_files(self, route: Route) -> None:
        """See `Mover.drop`; an object that somebody has overwritten since is not dropped."""
        for file in route.files:
            source = route.source_of(file.path)
            found = route.source.stat(source)
            if found is None:
                continue
            if not route.is_back and not is_untouched(route.source, found, file):
                raise _occupied(route.source.uri(source))
            self.delete_object(route.source, source)

    def delete(self, receipt: Receipt) -> None:
        """See `Mover.delete`."""
        storage, is_back = self.lies(receipt)
        for file in receipt.files:
            self.delete_object(storage, file.path if is_back else receipt.kept_at(file.path))

    def copy_object(self, route: Route, source: str, target: str) -> None:
        """Lets the store copy one object."""
        system, source_root = route.source.arrow()
        target_root = route.target.arrow()[1]
        try:
            system.copy_file(f"{source_root}/{source}", f"{target_root}/{target}")
        except OSError as error:
            raise storage_error(error, f"copy to {target}", route.source.uri(source), PlanError) from error

    def _is_there(self, route: Route, file: FileIdentity) -> bool:
        """Whether the target has the object already; what else lies there is overwritten in quarantine only."""
        source, target = route.source_of(file.path), route.target_of(file.path)
        has_source = route.source.stat(source) is not None
        if route.target.stat(target) is None:
            if not has_source:
                raise _lost(route.source.uri(source), route.target.uri(target))
            return False
        if not has_source or file_sha256(route.target, target) == file.sha256:
            return True
        if route.is_back:
            raise _occupied(route.target.uri(target))
        return False

    def _require_copied(self, route: Route, file: FileIdentity) -> None:
        target = route.target_of(file.path)
        if file_sha256(route.target, target) != file.sha256:
            route.target.delete_file(target)
            raise PlanError(
                "an object is not what the plan names",
                value=route.source.uri(route.source_of(file.path)),
                expected=f"SHA-256 {file.sha256}",
                hint="make the plan again: lakebed plan",
            )

    def delete_object(self, storage: Storage, path: str) -> None:
        """Deletes one object; one that is gone is fine."""
        storage.delete_file(path)


def folders_of(receipt: Receipt) -> list[str]:
    """The folders in which a table has files, its own with all below, the deepest first."""
    own = receipt.table.identity.path
    found = {above for file in receipt.files for above in folders_above(file.path) if f"{above}/".startswith(f"{own}/")}
    return sorted(found, key=len, reverse=True)


def file_sha256(storage: Storage, path: str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with storage.open(path) as stream:
        return file_digest(stream)


def is_untouched(storage: Storage, found: SeenFile, file: FileIdentity) -> bool:
    """Whether size and time of change are those noted; object stores tell the time of one object in whole seconds."""
    return not has_changed(file, found, unit_ns=1 if storage.is_local else 1_000_000_000)


def is_whole_at(storage: Storage, receipt: Receipt, *, is_back: bool) -> bool:
    """Whether every file of a receipt lies at one end with its size; `is_back` asks for the lake."""
    return not any(True for _ in _differences(storage, receipt, is_back=is_back, with_bytes=False, with_times=False))


def _differences(
    storage: Storage, receipt: Receipt, *, is_back: bool, with_bytes: bool, with_times: bool = True
) -> Iterator[str]:
    for file in receipt.files:
        path = file.path if is_back else receipt.kept_at(file.path)
        found = storage.stat(path)
        if found is None:
            yield f"{path} is missing"
        elif found.size != file.size:
            yield f"{path} has {found.size} bytes, not {file.size}"
        elif with_times and storage.is_local and found.mtime_ns != file.mtime_ns:
            yield f"{path} was changed"
        elif with_bytes and file_sha256(storage, path) != file.sha256:
            yield f"{path} has other bytes"


def _copy_file(source: str, target: str) -> None:
    """A durable copy with the time of change, whole or not at all."""
    part = f"{target}.part"
    shutil.copy2(source, part)
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(part, target)


def _is_same(source: str, target: str, file: FileIdentity) -> bool:
    """Whether two names have the file's content: one inode, or its bytes both."""
    return os.path.samefile(source, target) or all(_has_bytes(path, file) for path in (source, target))


def _has_bytes(path: str, file: FileIdentity) -> bool:
    folder, name = os.path.split(path)
    return os.path.getsize(path) == file.size and file_sha256(LocalStorage(folder), name) == file.sha256


def _occupied(path: str) -> PlanError:
    return PlanError(
        "something else lies where a table's file has to go; nothing was overwritten",
        value=path,
        expected="an empty place",
        hint="move what lies there to another name, then give the same command again",
    )


def _lost(source: str, target: str) -> ArtifactError:
    return ArtifactError(
        "a file is neither at its place nor in quarantine",
        value=source,
        expected=f"it there, or at {target}",
        hint="somebody else removed it; see the receipt and docs/apply.md",
    )
