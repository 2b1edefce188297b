"""The states of a table in quarantine, and which event leads from one to the next. Pure: no files, no clock.

```
            set_aside_begun            set_aside             purge_begun            purged
(at place) ────────────────► SETTING_ASIDE ──► SET_ASIDE ─────────────► PURGING ───────────► PURGED
     ▲                            │               │                        │                   │
     │       restore_begun        ▼               ▼    nothing deleted yet │  rebuild_begun    │
     └─────────────────────── RESTORING ◄─────────┴────────────────────────┴───► REBUILDING ◄──┘
     restored                                                                        │
     ◄───────────────────────────────────────────────────────────────────────────────┘
```
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from lakebed.connectors.errors import ArtifactError


class Phase(StrEnum):
    """Where a table is, as the journal tells it."""

    AT_PLACE = "at place"
    SETTING_ASIDE = "setting aside"
    SET_ASIDE = "set aside"
    RESTORING = "restoring"
    PURGING = "purging"
    PURGED = "purged"
    REBUILDING = "rebuilding"


class Step(StrEnum):
    """One line of the journal: written when what it says is durable, except `…_begun`, written before anything is done.

    `…COPIED` says that every file lies at its new place as well as at the old, so the old may go.
    """

    SET_ASIDE_BEGUN = "set_aside_begun"
    SET_ASIDE_COPIED = "set_aside_copied"
    SET_ASIDE = "set_aside"
    RESTORE_BEGUN = "restore_begun"
    RESTORE_COPIED = "restore_copied"
    RESTORED = "restored"
    PURGE_BEGUN = "purge_begun"
    PURGED = "purged"
    REBUILD_BEGUN = "rebuild_begun"
    REBUILD_FAILED = "rebuild_failed"
    REBUILT = "rebuilt"


_TRANSITIONS: Mapping[tuple[Phase, Step], Phase] = {
    (Phase.AT_PLACE, Step.SET_ASIDE_BEGUN): Phase.SETTING_ASIDE,
    (Phase.SETTING_ASIDE, Step.SET_ASIDE_COPIED): Phase.SETTING_ASIDE,
    (Phase.SETTING_ASIDE, Step.SET_ASIDE): Phase.SET_ASIDE,
    (Phase.SETTING_ASIDE, Step.RESTORE_BEGUN): Phase.RESTORING,
    (Phase.SET_ASIDE, Step.RESTORE_BEGUN): Phase.RESTORING,
    (Phase.RESTORING, Step.RESTORE_COPIED): Phase.RESTORING,
    (Phase.RESTORING, Step.RESTORED): Phase.AT_PLACE,
    (Phase.SET_ASIDE, Step.PURGE_BEGUN): Phase.PURGING,
    (Phase.PURGING, Step.RESTORE_BEGUN): Phase.RESTORING,
    (Phase.PURGING, Step.PURGED): Phase.PURGED,
    (Phase.PURGING, Step.REBUILD_BEGUN): Phase.REBUILDING,
    (Phase.PURGED, Step.REBUILD_BEGUN): Phase.REBUILDING,
    (Phase.REBUILDING, Step.REBUILD_FAILED): Phase.PURGED,
    (Phase.REBUILDING, Step.REBUILT): Phase.REBUILDING,
    (Phase.REBUILDING, Step.RESTORED): Phase.AT_PLACE,
}
INTERRUPTED = frozenset({Phase.SETTING_ASIDE, Phase.RESTORING, Phase.PURGING, Phase.REBUILDING})


@dataclass(frozen=True)
class Event:
    """One step of one entry: `facts` are small and JSON, `seq` counts from 0, `at` is UTC in ISO 8601."""

    seq: int
    at: str
    entry: str
    step: Step
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EntryState:
    """One table's way through the quarantine.

    Attributes:
        entry: its id.
        table: its name in the lake.
        plan_id: of the plan that set it aside.
        phase: where it is.
        is_copied: whether the move under way has all files at the new place, so that the old ones may be going.
        since: time of the last event.
        facts: those of all its events since it was last at its place, later ones over earlier.
    """

    entry: str
    table: str
    plan_id: str
    phase: Phase
    is_copied: bool
    since: str
    facts: Mapping[str, Any]

    @property
    def is_live(self) -> bool:
        """Whether the quarantine has to do with the table: it is not, or not wholly, at its place."""
        return self.phase is not Phase.AT_PLACE

    @property
    def is_interrupted(self) -> bool:
        """Whether a verb began and did not end: it runs now, or was killed."""
        return self.phase in INTERRUPTED


def replay(events: Iterable[Event]) -> dict[str, EntryState]:
    """The state of each entry after all events, in the order in which the entries first appeared. O(events).

    Raises:
        ArtifactError: if an event may not follow what was before it: the journal is not ours, or damaged.
    """
    states: dict[str, EntryState] = {}
    for event in events:
        states[event.entry] = advance(states.get(event.entry), event)
    return states


def advance(state: EntryState | None, event: Event) -> EntryState:
    """The state after one more event.

    Raises:
        ArtifactError: if the event may not follow.
    """
    phase = Phase.AT_PLACE if state is None else state.phase
    after = _TRANSITIONS.get((phase, event.step))
    if after is None:
        raise ArtifactError(
            "the quarantine's journal is out of order",
            value=f"step {event.seq}: {event.step} of {event.entry}, which is {phase}",
            expected=f"one of {', '.join(allowed_steps(phase))}",
            hint="the receipts in the quarantine name every table and its files; see docs/apply.md",
        )
    if state is None or event.step is Step.SET_ASIDE_BEGUN:
        table, plan_id = str(event.facts.get("table", "")), str(event.facts.get("plan_id", ""))
        return EntryState(event.entry, table, plan_id, after, False, event.at, dict(event.facts))
    is_copied = event.step in {Step.SET_ASIDE_COPIED, Step.RESTORE_COPIED, Step.REBUILT}
    return replace(state, phase=after, is_copied=is_copied, since=event.at, facts={**state.facts, **event.facts})


def allowed_steps(phase: Phase) -> tuple[Step, ...]:
    """The steps that may follow a phase."""
    return tuple(step for before, step in _TRANSITIONS if before is phase)


def live(states: Mapping[str, EntryState]) -> tuple[EntryState, ...]:
    """The entries that are not wholly at their place."""
    return tuple(state for state in states.values() if state.is_live)
