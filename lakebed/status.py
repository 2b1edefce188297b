"""What `status` tells: what needs attention, the newest runs, the quarantine and what it pins."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.rights import weakness_of
from lakebed.quarantine import quarantine_told
from lakebed.results import Result
from lakebed.savings import Savings, savings_of
from lakebed.tasks.runtime.record import RunRecord


@dataclass(frozen=True)
class RunRow:
    """A run: when it began, how it ended, what it took, which stages it reached."""

    run_id: str
    status: str
    started_at: str
    seconds: float
    stages: tuple[str, ...]


@dataclass(frozen=True)
class SetAside:
    """A table in quarantine; `at_place` is what was written in its place since, if anything."""

    table: str
    phase: str
    since: str
    n_bytes: int
    parents: tuple[str, ...]
    purge_not_before: str
    at_place: str = ""


@dataclass(frozen=True)
class Pinned:
    """A table that tables in quarantine need: it may not be dropped, overwritten or vacuumed."""

    parent: str
    children: tuple[str, ...]
    problem: str
    hint: str


class Status(Result[RunRow]):
    """The newest runs; beside them `warnings`, their whole `records`, `quarantine`, `pins` and `savings`."""

    def __init__(
        self,
        records: Sequence[RunRecord],
        warnings: list[str],
        aside: dict[str, list[dict[str, Any]]],
        savings: Savings | None = None,
    ) -> None:
        self.savings = savings
        self.records, self.warnings = tuple(records), tuple(warnings)
        entries = (SetAside(**{**one, "parents": tuple(one["parents"])}) for one in aside["quarantine"])
        pins = (Pinned(**{**one, "children": tuple(one["children"])}) for one in aside["pins"])
        self.quarantine = Result(SetAside, entries, "tables in quarantine")
        self.pins = Result(Pinned, pins, "tables that they need")
        super().__init__(RunRow, map(_run_row, records), "runs, newest first")

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        runs = [record.model_dump(mode="json") for record in self.records]
        aside = {"quarantine": [vars(one) for one in self.quarantine], "pins": [vars(one) for one in self.pins]}
        savings = self.savings.as_dict() if self.savings else None
        return {"warnings": list(self.warnings), "runs": runs, **aside, "savings": savings}


def status_of(root: str, records: Sequence[RunRecord], settings: LakebedConfig) -> Status:
    """What is to be told of an artifact root and these of its runs, under settings that name the lake."""
    (warnings, aside), weakness = quarantine_told(settings), weakness_of(root)
    if weakness and settings.security.shared_root != "allow":
        warnings.append(f"the artifact root {root} is not safe from others: {weakness}")
    savings = None
    with suppress(ArtifactError):
        savings = savings_of(settings)
    return Status(records, warnings, aside, savings)


def _run_row(record: RunRecord) -> RunRow:
    stages = tuple(stage.stage for stage in record.stages)
    return RunRow(record.run_id, record.status, record.started_at, record.total_s, stages)
