"""Pins: parents that tables in quarantine need, and what somebody did to them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.change import SeenFile
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.appeared import Appeared, appearances
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.mover import file_sha256, is_untouched
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.retention.parents import ParentChange, parent_change, rows_read
from lakebed.tasks.retention.plan import FileIdentity, TableIdentity


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
    wanted: dict[str, list[tuple[Receipt, TableIdentity]]] = {}
    gone: dict[str, list[str]] = {}
    for state in quarantine.live():
        receipt = quarantine.receipt(state)
        for parent in receipt.parents:
            wanted.setdefault(parent.name, []).append((receipt, parent))
            if state.phase in {Phase.PURGED, Phase.REBUILDING}:
                gone.setdefault(parent.name, []).append(state.table)
    return tuple(_pin(quarantine, name, wanted[name], tuple(gone.get(name, ()))) for name in sorted(wanted))


def require_pins(quarantine: Quarantine, receipts: Sequence[Receipt], *, with_bytes: bool) -> None:
    """Refuses to go on where a parent of these tables is not what it was.

    Raises:
        PlanError: naming the parent and the command that saves the child.
    """
    for receipt in receipts:
        for parent in receipt.parents:
            if change := _change(quarantine.lake, receipt, parent, with_bytes=with_bytes):
                raise PlanError(
                    "a parent of a table in quarantine has changed; nothing was deleted",
                    value=f"{parent.name}, which {receipt.table.name} is rebuilt from: {change.told}",
                    expected="the files that its recipe reads as they were, and live in the newest version",
                    hint=_restore(quarantine, [receipt.table.name]),
                )


@dataclass(frozen=True)
class Standing:
    """How a quarantine stands: what `status` and `run` say first, and what they list.

    Attributes:
        half_moved: a sentence for each interrupted verb, with the command that goes on.
        pins: as `pins`.
        appeared: what lies in the places of tables that are away.
    """

    half_moved: tuple[str, ...]
    pins: tuple[Pin, ...]
    appeared: tuple[Appeared, ...]

    @classmethod
    def of(cls, quarantine: Quarantine) -> "Standing":
        """Looks at every entry once."""
        half_moved = (
            f"{state.table} is half moved ({state.phase} since {state.since}): give the same command again, or "
            + _restore(quarantine, [state.table])
            for state in quarantine.live()
            if state.is_interrupted
        )
        return cls(tuple(half_moved), pins(quarantine), tuple(appearances(quarantine)))

    @property
    def warnings(self) -> list[str]:
        """What needs attention, each with its command."""
        changed = [
            f"{pin.parent} has changed, but {', '.join(pin.children[:5])} in quarantine need it: {pin.problem}; "
            + pin.hint
            for pin in self.pins
            if pin.problem
        ]
        return [*self.half_moved, *changed, *(appeared.told for appeared in self.appeared)]


def _pin(
    quarantine: Quarantine, name: str, wanted: Sequence[tuple[Receipt, TableIdentity]], gone: tuple[str, ...]
) -> Pin:
    """One parent, of which the same files with the same rows are looked at once."""
    children = tuple(receipt.table.name for receipt, _ in wanted)
    distinct = {
        (parent.files, frozenset(rows_read([receipt.table.recipe]).items())): (receipt, parent)
        for receipt, parent in wanted
    }.values()
    changes = (_change(quarantine.lake, receipt, parent, with_bytes=False) for receipt, parent in distinct)
    change = next(filter(None, changes), None)
    if change is None:
        return Pin(name, children, gone, "", "")
    if change.is_kept:
        hint = _restore(quarantine, children) + ", before its old files are vacuumed"
        return Pin(name, children, gone, change.told, hint)
    safe = [child for child in children if child not in gone]
    hint = _restore(quarantine, safe)
    if gone:
        hint = f"bring {name} back to its old state: only it can rebuild {', '.join(gone)}" + (f"; {hint}" * bool(safe))
    return Pin(name, children, gone, change.told, hint)


def _change(lake: Storage, receipt: Receipt, parent: TableIdentity, *, with_bytes: bool) -> ParentChange | None:
    """What became of a parent; a file that was only touched is read."""

    def is_other(was: FileIdentity, now: SeenFile) -> bool:
        is_read = with_bytes or not is_untouched(lake, now, was)
        return was.size != now.size or (is_read and file_sha256(lake, was.path) != was.sha256)

    return parent_change(lake.root, parent, rows_read([receipt.table.recipe]), lake.stat, is_other)


def _restore(quarantine: Quarantine, tables: Sequence[str]) -> str:
    return f"lakebed restore {' '.join(map(quoted, tables))} --lake {quoted(quarantine.lake.root)}"
