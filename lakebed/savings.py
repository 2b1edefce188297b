"""What may go, what is set aside, and what is saved so far: three figures, for nothing is saved before `purge`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakebed.artifacts import newest_refs, newest_run
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ArtifactError, LakeError
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.report.model import Section, Tile, Tiles
from lakebed.tasks.retention.words import MONTHS_A_YEAR, period_text
from lakebed.tasks.runtime.prometheus import Figure
from lakebed.words import counted, human_bytes

# bytes and money a month, by name
Tables = dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Amount:
    """Tables, their bytes, and what these cost in a month and in a year, in the currency of the prices."""

    n_tables: int
    n_bytes: int
    per_month: float
    per_year: float

    @classmethod
    def of(cls, tables: Iterable[tuple[int, float]]) -> "Amount":
        """The sum over tables of bytes and money a month."""
        rows = list(tables)
        per_month = sum((money for _, money in rows), 0.0)
        return cls(len(rows), sum(size for size, _ in rows), per_month, MONTHS_A_YEAR * per_month)

    def text(self, currency: str) -> str:
        """In words."""
        size = human_bytes(self.n_bytes)
        return f"{counted(self.n_tables, 'table')}, {size}, {period_text(self.per_month, currency)}"


@dataclass(frozen=True)
class Savings:
    """Where the tables of a plan are by now; none is in two of the amounts.

    Attributes:
        currency: of all amounts.
        prices_date: day of the prices of `may_go`; the others have those of their plans.
        may_go: what the newest run would set aside and nobody has.
        set_aside: what lies in quarantine: its bytes are still paid for.
        saved: what was purged and not rebuilt since.
    """

    currency: str
    prices_date: str
    may_go: Amount
    set_aside: Amount
    saved: Amount

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words, a line each."""
        return [
            f"may go: {self.may_go.text(self.currency)}",
            f"set aside: {self.set_aside.text(self.currency)}; nothing of it is saved before lakebed purge",
            f"saved so far: {self.saved.text(self.currency)}",
        ]


def savings_of(settings: LakebedConfig) -> Savings:
    """The figures of an artifact root and of its lake's quarantine.

    Raises:
        ArtifactError: if no run has reached the retention stage.
    """
    record = newest_run(settings.artifacts, "retention")
    store, refs = newest_refs(settings.artifacts, "retention", record)
    rows = store.read(refs["retention"], "decisions", ["name", "decision", "n_bytes", "saving"]).to_pylist()
    aside, purged = _in_quarantine(settings)
    away = {*aside, *purged}
    going = [row for row in rows if row["decision"] == "delete" and row["name"] not in away]
    summary = store.manifest(refs["retention"]).summary
    return Savings(
        summary["currency"],
        summary["prices_date"],
        Amount.of((row["n_bytes"], row["saving"]) for row in going),
        Amount.of(aside.values()),
        Amount.of(purged.values()),
    )


def figures(settings: LakebedConfig) -> Sequence[Figure]:
    """The same as metrics; none where no run has decided."""
    try:
        found = savings_of(settings)
    except ArtifactError:
        return ()
    amounts = (("may_go", found.may_go), ("set_aside", found.set_aside), ("saved", found.saved))
    meanings = ("that may go", "that are set aside and still paid for", "that were purged: saved so far")
    made: list[Figure] = []
    for (name, amount), meaning in zip(amounts, meanings, strict=True):
        made.append((f"lakebed_{name}_tables", f"Tables {meaning}.", [({}, amount.n_tables)]))
        made.append((f"lakebed_{name}_bytes", f"Bytes of tables {meaning}.", [({}, amount.n_bytes)]))
        money = [({"currency": found.currency}, amount.per_month)]
        made.append((f"lakebed_{name}_money_per_month", f"What tables cost a month {meaning}.", money))
    return made


def section(found: Savings) -> Section:
    """The figures as a section of the report."""
    amounts = (("May go", found.may_go), ("Set aside", found.set_aside), ("Saved so far", found.saved))
    tiles = [
        Tile(
            name,
            human_bytes(each.n_bytes),
            f"{counted(each.n_tables, 'table')}, {period_text(each.per_month, found.currency)}",
        )
        for name, each in amounts
    ]
    lead = "As it was when this page was made. What is set aside is still paid for; it is saved once it is purged."
    return Section("savings", "Savings", "What may go, what is set aside, what is saved", lead, (Tiles(tuple(tiles)),))


def _in_quarantine(settings: LakebedConfig) -> tuple[Tables, Tables]:
    """Bytes and money a month of the tables that are set aside, and of those that are purged; none unlooked at."""
    aside: Tables = {}
    purged: Tables = {}
    if not settings.lake.root:
        return aside, purged
    try:
        quarantine = Quarantine.look(settings.lake.root, settings.quarantine)
        for state in quarantine.live():
            receipt = quarantine.receipt(state)
            saving = receipt.table.saving.total if receipt.table.saving else 0.0
            if state.phase in {Phase.SET_ASIDE, Phase.PURGING, Phase.PURGED}:
                (purged if state.phase is Phase.PURGED else aside)[state.table] = (receipt.n_bytes, saving)
    except LakeError:
        return {}, {}
    return aside, purged
