"""The secret key of the row hashes: 32 random bytes made with the artifact root, or bytes that are given.

It lies in the file `hash_key` of the root, in hex: readable by its owner alone in a folder, under the root's own rights
on an object store. It is made once, by an exclusive create or a conditional put, so that all who work on a root have
one key; the quarantine keeps a copy with each receipt whose recipe needs it.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from lakebed.connectors.conditional import ConditionalObjects
from lakebed.connectors.errors import ConfigError, PlanError
from lakebed.connectors.local_files import create_private
from lakebed.connectors.storage import LocalStorage, Storage, storage_error

KEY_FILE = "hash_key"
KEY_BYTES = 32
# what runs before the second encoding used where no key was given; it protects from nobody
OLDER_PUBLIC_KEY = bytes.fromhex("6c616b656265642d726f772d68617368")


def key_id(key: bytes) -> str:
    """What may be told of a key: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def root_key(artifacts: str) -> bytes:
    """The key of an artifact root, made where there is none.

    Raises:
        ConfigError: if the file holds something else.
        ArtifactError: if it can be neither read nor made.
    """
    storage = Storage.at(artifacts)
    known = stored_key(storage)
    if known is None:
        keep_key(storage, KEY_FILE, secrets.token_bytes(KEY_BYTES))
        known = stored_key(storage)
    if known is None:
        raise ConfigError("the hash key could not be made", value=storage.uri(KEY_FILE), expected="a root to write to")
    return known


def stored_key(storage: Storage, path: str = KEY_FILE) -> bytes | None:
    """The key in a file, None where there is none.

    Raises:
        ConfigError: if the file holds something else.
    """
    text = storage.read_if_there(path)
    if text is None:
        return None
    if not re.fullmatch(rb"[0-9a-f]{64}\n?", text):
        raise ConfigError(
            "the file of the hash key holds none",
            value=storage.uri(path),
            expected="64 hex digits",
            hint="put the file back from a copy; without it, delete it and run `lakebed run` again",
        )
    return bytes.fromhex(text.decode().strip())


def keep_key(storage: Storage, path: str, key: bytes) -> None:
    """Writes a key to a file that only its owner can read; one that is there already stays.

    Raises:
        ArtifactError: if it cannot be written.
    """
    data = key.hex().encode() + b"\n"
    if isinstance(storage, LocalStorage):
        target = storage.uri(path)
        try:
            create_private(target, data)
        except OSError as error:
            raise storage_error(error, "write the hash key", target) from error
    else:
        ConditionalObjects(storage.root).create(path, data)


@dataclass(frozen=True)
class HashKeys:
    """The keys that may be had to verify what was hashed earlier.

    Attributes:
        given: by the configuration; empty: none.
        artifacts: root whose key is tried too, but never made; empty: none.
        older: of what runs before the second encoding wrote.
    """

    given: bytes = field(default=b"", repr=False)
    artifacts: str = ""
    older: bytes = field(default=OLDER_PUBLIC_KEY, repr=False)

    def find(self, wanted: str, folder: str = "") -> bytes:
        """The key of an id.

        Args:
            wanted: its id.
            folder: in which the quarantine may keep it.

        Raises:
            PlanError: if none of the keys has that id.
        """
        for key in self._candidates(folder):
            if key and key_id(key) == wanted:
                return key
        raise PlanError(
            "the recipe was made under another hash key",
            value=f"key {wanted} is neither given nor kept",
            expected="the key of the run that made it",
            hint="set `containment.hash_key`, or `containment.older_hash_key`, to it; or run `lakebed plan` again",
        )

    def _candidates(self, folder: str) -> Iterator[bytes | None]:
        """One by one: a file is not looked at where an earlier key will do, be it damaged or out of reach."""
        yield self.given
        for root in filter(None, (folder, self.artifacts)):
            yield stored_key(Storage.at(root))
        yield self.older
