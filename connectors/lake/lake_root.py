"""The folder of a lake by each of its names: catalogs write the places of tables by others than the config does."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from lakebed.connectors.lake.files import local_path
from lakebed.connectors.uris import is_object_store

_SCHEME = re.compile(r"^(?:file:(?://(?:localhost(?=/))?)?|(s3)[an]?://|(gs|abfs)://|(?:(gc)|(abf)s)s://)")
_STORES = {"gc": "gs", "abf": "abfs"}


def plain_path(recorded: str) -> str:
    """A recorded path without the ways in which writers spell the same place: `file:/a`, `s3a://b/c`, `./d`."""
    match = _SCHEME.match(recorded)
    rest = recorded[match.end() :] if match else recorded
    store = next((found for found in match.groups() if found), "") if match else ""
    prefix = f"{_STORES.get(store, store)}://" if store else ""
    return prefix + rest.removeprefix("./")


@dataclass(frozen=True)
class LakeRoot:
    """Where a lake's folder lies; `uri` is empty for a lake without one."""

    uri: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Its absolute path and, where links lead to it, its real one; its address on a store."""
        if is_object_store(self.uri) or not self.uri:
            return (plain_path(self.uri).rstrip("/"),) if self.uri else ()
        plain = os.path.abspath(local_path(self.uri))
        return tuple(dict.fromkeys((os.path.realpath(plain), plain)))

    def below(self, place: str) -> str | None:
        """What a place is called below the root, as the lake is listed: links are followed as long as they stay in it.

        Args:
            place: absolute path or address, however it is spelled.

        Returns:
            Empty for the root itself; None for what lies elsewhere.
        """
        plain = plain_path(place).rstrip("/")
        if is_object_store(self.uri):
            return self.spelled_below(plain)
        if not plain.startswith("/"):
            return None
        try:
            found = self.spelled_below(os.path.realpath(plain))
        except ValueError:
            # what no system has a path for: a NUL, half of a character
            return None
        return self._below_by_links(PurePath(os.path.normpath(plain))) if found is None else found

    def spelled_below(self, plain: str) -> str | None:
        """The same of a plain path, by its text alone: no link in it is followed."""
        begins = (f"{name.rstrip('/')}/" for name in self.names)
        return next((f"{plain}/".removeprefix(one).strip("/") for one in begins if f"{plain}/".startswith(one)), None)

    def _below_by_links(self, path: PurePath) -> str | None:
        """The same of a place that a link leads out of the lake: a folder above it is the root by some name."""
        for above in path.parents if self.names else ():
            with suppress(OSError):
                if os.path.samefile(above, self.names[0]):
                    return str(path.relative_to(above))
        return None
