"""What appeared in the place of a table that was set aside: a nightly job that writes on, for one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.listing import list_table
from lakebed.connectors.storage import LocalStorage, Storage
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted

_AWAY = frozenset({Phase.SET_ASIDE, Phase.PURGED})


@dataclass(frozen=True)
class Appeared:
    """Something that lies where a table was.

    Attributes:
        table: the table's name.
        path: what lies there, below the lake's root.
        hint: the command that brings the old table back beside it.
    """

    table: str
    path: str
    hint: str

    @property
    def told(self) -> str:
        """In a sentence, with what to do."""
        return (
            f"{self.path} was written after {self.table} was set aside from there; the new one is read at its place, "
            f"the old one lies in quarantine. To have both: {self.hint}"
        )


def appearances(quarantine: Quarantine) -> Iterator[Appeared]:
    """Every table that is away and whose place is taken."""
    for state in quarantine.live():
        if appeared := appearance(quarantine.lake, state, quarantine.receipt(state)):
            yield appeared


def appearance(lake: Storage, state: EntryState, receipt: Receipt) -> Appeared | None:
    """What lies in the place of one table; None while it is being moved, when its own files may lie there."""
    if state.phase not in _AWAY or not (path := taken_place(lake, receipt)):
        return None
    return Appeared(state.table, path, beside_command(lake.root, receipt))


def taken_place(lake: Storage, receipt: Receipt) -> str:
    """What lies where a table was: its path or one of its files, or new files that would be read with it; else empty.

    A folder that a table shared with others is looked into: its path is there as long as the others are.
    """
    path = receipt.table.identity.path
    if receipt.catalog is not None:
        # its own files are there still, or nothing is
        return ""
    if receipt.layout == "whole":
        return path if is_taken(lake, path) else ""
    own = next((file.path for file in receipt.files if is_taken(lake, file.path)), "")
    if own or not lake.exists("" if path == "." else path):
        return own
    config = receipt.lake.model_copy(update={"root": lake.root})
    found = discover(list_table(config, path), config).tables
    key = (receipt.table.identity.format, path)
    files = (file for source in found if (source.format, source.path or ".") == key for file in source.files)
    # empty parts and what the globs leave out lay there before, and are no part of a table
    return next((file.path for file in files if file.size and _is_chosen(file.path, config)), "")


def _is_chosen(path: str, config: LakeConfig) -> bool:
    is_included = not config.include or matches_any(path, config.include)
    return is_included and not matches_any(path, config.exclude)


def is_taken(lake: Storage, place: str) -> bool:
    """Whether a file or folder lies there; on object stores, where deleting leaves empty markers, an object."""
    if isinstance(lake, LocalStorage):
        return os.path.lexists(lake.uri(place))
    return lake.stat(place) is not None or bool(lake.list_files(place))


def beside_command(root: str, receipt: Receipt) -> str:
    """The command that brings a table back beside what took its place."""
    name = quoted(receipt.table.name)
    return f"lakebed restore {name} --beside {quoted(f'{receipt.table.name}_before')} --lake {quoted(root)}"
