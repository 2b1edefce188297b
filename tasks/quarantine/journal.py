"""The journal: every step of `apply`, `restore` and `purge`, durable before the next one begins.

On a local lake it is a file to which lines are appended, each with its checksum, followed by fsync; a line that a crash
cut short is no step, and is cut off by the next append. On object stores, which cannot append, each step is an object
of its own, put whole or not at all. Only the holder of the quarantine's lease appends.
"""

import json
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import LocalStorage, Storage, storage_error
from lakebed.tasks.quarantine.kernel import EntryState, Event, Step, advance, replay
from lakebed.tasks.runtime.keys import canonical_json

JOURNAL_FILE = "journal.jsonl"
JOURNAL_FOLDER = "journal"
_ENDED = f"{JOURNAL_FOLDER}/ended"


class Journal(ABC):
    """All steps so far, and the way to add one."""

    def __init__(self) -> None:
        self.events: list[Event] = self._load()
        self.states: dict[str, EntryState] = replay(self.events)

    @staticmethod
    def at(storage: Storage) -> "Journal":
        """The journal of the quarantine at `storage`; one that does not exist yet is empty.

        Raises:
            ArtifactError: if it is damaged before its last line, or cannot be read.
        """
        return FileJournal(storage) if isinstance(storage, LocalStorage) else ObjectJournal(storage)

    def append(self, entry: str, step: Step, **facts: Any) -> EntryState:
        """Adds a step; it is durable when this returns.

        Raises:
            ArtifactError: if the step may not follow, or cannot be written.
        """
        event = Event(len(self.events), datetime.now(UTC).isoformat(timespec="milliseconds"), entry, step, facts)
        state = advance(self.states.get(entry), event)
        self._write(event)
        self.events.append(event)
        self.states[entry] = state
        return state

    def text(self) -> bytes:
        """All steps as lines."""
        return b"".join(encode(event) + b"\n" for event in self.events)

    @abstractmethod
    def end(self) -> None:
        """Takes the journal away, when no table is left in quarantine; also after a crash all of it or nothing."""

    @abstractmethod
    def _load(self) -> list[Event]:
        """Reads all whole steps."""

    @abstractmethod
    def _write(self, event: Event) -> None:
        """Makes one more step durable."""


class FileJournal(Journal):
    """A file of lines."""

    def __init__(self, storage: LocalStorage) -> None:
        self._path = storage.uri(JOURNAL_FILE)
        self._n_whole_bytes = 0
        super().__init__()

    def end(self) -> None:
        """See `Journal.end`."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, "remove the quarantine's journal", self._path) from error

    def _load(self) -> list[Event]:
        try:
            with open(self._path, "rb") as stream:
                data = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(error, "read the quarantine's journal", self._path) from error
        events, lines = [], data.split(b"\n")
        for number, line in enumerate(lines[:-1]):
            event = decode(line)
            if event is None or event.seq != number:
                if number == len(lines) - 2:
                    break
                raise _damaged(self._path, number)
            events.append(event)
            self._n_whole_bytes += len(line) + 1
        return events

    def _write(self, event: Event) -> None:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            is_new = not os.path.exists(self._path)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.ftruncate(handle, self._n_whole_bytes)
                self._n_whole_bytes += _write_all(handle, encode(event) + b"\n", self._n_whole_bytes)
                os.fsync(handle)
            finally:
                os.close(handle)
            if is_new:
                sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise storage_error(error, "write the quarantine's journal", self._path) from error


class ObjectJournal(Journal):
    """An object a step, named by its number."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        super().__init__()

    def end(self) -> None:
        """See `Journal.end`: from the mark on the steps count for nothing; it goes last."""
        self._storage.write_bytes_atomic(_ENDED, b"ended")
        for path in self._paths():
            self._storage.delete_file(path)
        self._storage.delete_file(_ENDED)

    def _paths(self) -> list[str]:
        if not self._storage.exists(JOURNAL_FOLDER):
            return []
        return [file.path for file in self._storage.list_files(JOURNAL_FOLDER) if file.path.endswith(".json")]

    def _load(self) -> list[Event]:
        events: list[Event] = []
        if self._storage.stat(_ENDED) is not None:
            return events
        for number, path in enumerate(self._paths()):
            event = decode(self._storage.read_bytes(path))
            if event is None or event.seq != number:
                raise _damaged(self._storage.uri(path), number)
            events.append(event)
        return events

    def _write(self, event: Event) -> None:
        if event.seq == 0 and self._storage.stat(_ENDED) is not None:
            self.end()
        self._storage.write_bytes_atomic(f"{JOURNAL_FOLDER}/{event.seq:08d}.json", encode(event))


def encode(event: Event) -> bytes:
    """One line: the checksum of the rest, a space, and the step as JSON."""
    text = canonical_json({"seq": event.seq, "at": event.at, "entry": event.entry, "step": event.step, **_facts(event)})
    data = text.encode()
    return b"%08x " % zlib.crc32(data) + data


def decode(line: bytes) -> Event | None:
    """The step of a line, or None if the line is not whole."""
    checksum, _, data = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(data):
            return None
        values = json.loads(data)
        return Event(values["seq"], values["at"], values["entry"], Step(values["step"]), values["facts"])
    except (ValueError, KeyError, TypeError):
        return None


def sync_folder(path: str) -> None:
    """Makes new, renamed and removed names of a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _facts(event: Event) -> Mapping[str, Any]:
    return {"facts": dict(event.facts)}


def _write_all(handle: int, data: bytes, offset: int) -> int:
    written = 0
    while written < len(data):
        written += os.pwrite(handle, data[written:], offset + written)
    return written


def _damaged(path: str, number: int) -> ArtifactError:
    return ArtifactError(
        "the quarantine's journal is damaged",
        value=f"{path}, step {number}",
        expected="steps in order, each with its checksum",
        hint="the receipts in the quarantine name every table and its files; see docs/apply.md",
    )
