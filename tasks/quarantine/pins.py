"""Pins: parents that tables in quarantine need, and what somebody did to them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.mover import file_sha256, is_untouched
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.retention.plan import TableIdentity


@dataclass(frozen=True)
class Pin:
    """A table that may not be dropped, overwritten or vacuumed.

    Attributes:
        parent: its name.
        children: tables in quarantine that are rebuilt from it.
        purged: those of them whose files are gone, which only this parent can bring back.
        problem: what somebody did to it; empty if it is as it was.
        hint: the command to run.
    """

    parent: str
    children: tuple[str, ...]
    purged: tuple[str, ...]
    problem: str
    hint: str


def pins(quarantine: Quarantine) -> tuple[Pin, ...]:
    """Every pinned parent with what became of it, by name; files are looked at, not read."""
    wanted: dict[str, list[TableIdentity]] = {}
    children: dict[str, list[str]] = {}
    gone: dict[str, list[str]] = {}
    for state in quarantine.live():
        for parent in quarantine.receipt(state).parents:
            wanted.setdefault(parent.name, []).append(parent)
            children.setdefault(parent.name, []).append(state.table)
            if state.phase in {Phase.PURGED, Phase.REBUILDING}:
                gone.setdefault(parent.name, []).append(state.table)
    return tuple(
        _pin(quarantine, name, wanted[name], tuple(children[name]), tuple(gone.get(name, ())))
        for name in sorted(wanted)
    )


def require_pins(quarantine: Quarantine, receipts: Sequence[Receipt], *, with_bytes: bool) -> None:
    """Refuses to go on where a parent of these tables is not what it was.

    Raises:
        PlanError: naming the parent and the command that saves the child.
    """
    for receipt in receipts:
        for parent in receipt.parents:
            if problem := _problem(quarantine.lake, parent, with_bytes=with_bytes):
                raise PlanError(
                    "a parent of a table in quarantine has moved; nothing was deleted",
                    value=f"{parent.name}, which {receipt.table.name} is rebuilt from: {problem}",
                    expected="the parent as it was when the table was set aside",
                    hint=_restore(quarantine, [receipt.table.name]),
                )


def warnings(quarantine: Quarantine) -> list[str]:
    """What `status` and `run` say first: interrupted verbs and broken pins, each with its command."""
    lines = [
        f"{state.table} is half moved ({state.phase} since {state.since}): give the same command again, or "
        + _restore(quarantine, [state.table])
        for state in quarantine.live()
        if state.is_interrupted
    ]
    broken = [pin for pin in pins(quarantine) if pin.problem]
    return lines + [
        f"{pin.parent} has moved, but {', '.join(pin.children[:5])} in quarantine need it: {pin.problem}; {pin.hint}"
        for pin in broken
    ]


def _pin(
    quarantine: Quarantine, name: str, wanted: Sequence[TableIdentity], children: tuple[str, ...], gone: tuple[str, ...]
) -> Pin:
    problem = next(filter(None, (_problem(quarantine.lake, one, with_bytes=False) for one in wanted)), "")
    safe = [child for child in children if child not in gone]
    hint = _restore(quarantine, safe)
    if gone:
        hint = f"bring {name} back to its old state: only it can rebuild {', '.join(gone)}" + (f"; {hint}" * bool(safe))
    return Pin(name, children, gone, problem, hint if problem else "")


def _problem(lake: Storage, parent: TableIdentity, *, with_bytes: bool) -> str:
    """What became of a parent; new files of a Delta table are newer versions and harm nothing."""
    for file in (*parent.files, *parent.log_files):
        try:
            found = lake.stat(file.path)
        except LakeError as error:
            return f"{file.path}: {error.what}"
        if found is None:
            return f"{file.path} is gone"
        is_read = with_bytes or not is_untouched(lake, found, file)
        if found.size != file.size or (is_read and file_sha256(lake, file.path) != file.sha256):
            return f"{file.path} was overwritten"
    if parent.format != "delta" and (new := _new_file(lake, parent)):
        return f"{new} is new"
    return ""


def _new_file(lake: Storage, parent: TableIdentity) -> str:
    """A file that came to a folder of plain files: its rows are counted by rebuilds."""
    known = {file.path for file in parent.files}
    if parent.path in known or parent.path in {"", "."}:
        return ""
    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.connectors.lake.discovery import format_of
    from lakebed.connectors.lake.listing import list_table

    found = (entry.path for entry in list_table(LakeConfig(root=lake.root), parent.path).files)
    folders = {path.rpartition("/")[0] for path in known}
    return next(
        (
            path
            for path in found
            if path not in known
            and format_of(path) == parent.format
            and ("=" in path[len(parent.path) :] or path.rpartition("/")[0] in folders)
        ),
        "",
    )


def _restore(quarantine: Quarantine, tables: Sequence[str]) -> str:
    return f"lakebed restore {' '.join(map(quoted, tables))} --lake {quoted(quarantine.lake.root)}"
