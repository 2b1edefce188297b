"""The keeper rank: which of two tables is the one to stay, by signals that people would look at too.

The signals compare one after the other, the strongest first: the zone, use, name, format, history. All of them order
equal copies; where a table is only a part of another, an old or unused parent is no reason to keep the part, so zone,
name and format alone decide. What no signal tells apart is left to the cost.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.globs import matches_any
from lakebed.tasks.retention.config import KeeperConfig
from lakebed.tasks.retention.contract import SIGNALS
from lakebed.tasks.retention.kernel.model import Int64
from lakebed.tasks.retention.plan import MAKE_AGAIN, Plan, PlannedTable

SIGNALS_OF_PARTS = ("zone", "name", "format")
# tables first written within ten seconds are of one age: one job or one load wrote both, and clocks differ
SAME_AGE_NS = 10 * 10**9

_TEXT = 3
_FORMATS: Mapping[str, int] = {
    "delta": 0, "iceberg": 0, "hudi": 0, "parquet": 1, "orc": 1, "postgresql": 1, "catalog": 1, "avro": 2,
}  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TOKEN = re.compile(r"[^\W_]+")
_DAY = re.compile(r"(?<!\d)(?:19|20)\d\d[-_. ]?(?:0[1-9]|1[0-2])[-_. ]?(?:0[1-9]|[12]\d|3[01])(?!\d)")
_NUMBER = re.compile(r"v?\d+|.*(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?")
_PLURALS = (("s", ""), ("es", ""), ("ies", "y"))


@dataclass(frozen=True)
class Standing:
    """What ranks a table.

    Attributes:
        zone: place of its zone among those configured, the best first; `zone_glob` names it, empty for none.
        n_accesses: a month.
        signs: the lesser words of its path, and a date or number in its name.
        first_written_ns: time of its first commit or oldest file; None where nothing tells.
    """

    name: str
    zone: int
    zone_glob: str
    n_accesses: float
    signs: tuple[str, ...]
    format: str
    first_written_ns: int | None = None

    @property
    def in_words(self) -> str:
        """All but the history, for people."""
        named = f"in its path: {_quoted(self.signs)}" if self.signs else "no lesser word in its path"
        zone = f"zone {self.zone_glob}; " if self.zone_glob else ""
        return f"{zone}{self.n_accesses:,.3g} accesses a month; {named}; {self.format}"

    @cached_property
    def worths(self) -> Mapping[str, float]:
        """A number for each signal but history: the lower, the better."""
        return {
            "zone": self.zone,
            "use": -self.n_accesses,
            "name": bool(self.signs),
            "format": _FORMATS.get(self.format, _TEXT),
        }


def standing(
    name: str, format_: str, n_accesses: float, config: KeeperConfig, first_written_ns: int | None = None
) -> Standing:
    """The signals of one table."""
    zone = _zone(name, config.zones)
    return Standing(
        name,
        zone,
        zone_glob(name, config.zones),
        n_accesses,
        lesser_signs(name, config.lesser_words),
        format_,
        first_written_ns,
    )


def lesser_by(parent: Standing, child: Standing, *, is_equal: bool) -> str:
    """The signal by which the parent ranks lower than the child; empty where it does not.

    Args:
        parent: the table that would stay.
        child: the table that would go.
        is_equal: whether both hold the same rows and columns; else the child is a part of the parent.
    """
    for signal in SIGNALS if is_equal else SIGNALS_OF_PARTS:
        if difference := _difference(signal, parent, child):
            return signal if difference > 0 else ""
    return ""


def told(signal: str, lesser: Standing, better: Standing) -> str:
    """By what one table ranks lower than the other; no times, which differ from one copy of a lake to the next."""
    facts = {
        "zone": f"{lesser.zone_glob or 'none'}, the other's is {better.zone_glob or 'none'}",
        "use": f"{lesser.n_accesses:,.6g} accesses a month, the other has {better.n_accesses:,.6g}",
        "name": _quoted(lesser.signs),
        "format": f"{lesser.format}, the other's is {better.format}",
        "history": "it was first written later than the other",
    }
    return f"its {signal}: {facts[signal]}"


def require_keepers(plan: Plan, config: KeeperConfig, hint: str = MAKE_AGAIN) -> None:
    """Refuses a plan that deletes a table in favour of one of lower rank, whatever version made it.

    Use and history count between tables that the plan itself calls equal copies: an older plan names none.

    Raises:
        PlanError: naming the first pair, the signal, and the setting that allows it.
    """
    if config.allow_lesser_keeper:
        return
    group = {name: number for number, copies in enumerate(plan.copies) for name in copies.tables}
    found = []
    for child in plan.deleted:
        for parent in map(plan.table, child.parents):
            is_equal = group.get(child.name, -1) == group.get(parent.name, -2)
            lesser, better = _standing(parent, config), _standing(child, config)
            if signal := lesser_by(lesser, better, is_equal=is_equal):
                found.append(
                    f"{child.name} in favour of {parent.name}, which ranks lower by {told(signal, lesser, better)}"
                )
    if found:
        raise PlanError(
            "the plan deletes tables in favour of ones that rank lower; nothing was done",
            value=found[0],
            expected="parents of the same or a higher rank, or retention.allow_lesser_keeper = true",
            hint=hint,
            examples=found[1:],
        )


def preference(standings: Sequence[Standing], paths: Sequence[str]) -> Int64:
    """(n,) a permutation that orders what costs the same: by rank but history, then fewer signs, shorter path, name."""
    keys = [
        (*(one.worths[signal] for signal in SIGNALS[:-1]), len(one.signs), len(path), one.name)
        for one, path in zip(standings, paths, strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    return rank


def lesser_signs(name: str, words: Sequence[str]) -> tuple[str, ...]:
    """What in a table's path speaks against it.

    Words are compared as whole tokens, in any case and as plurals; one with a slash at its end counts in folders only.
    A date or number counts in the last part, a day in the names of folders too, each beside words only: `2024/01/05`
    and `dt=2024-01-05` are how data lies, `orders_2024-01-05` is a copy.
    """
    *folders, last = [part for part in name.split("/") if "=" not in part] or [""]
    anywhere = {word.casefold() for word in words if not word.endswith("/")}
    in_folders = anywhere | {word.removesuffix("/").casefold() for word in words}
    found: list[str] = []
    for part in folders:
        found += [token for token in tokens(part) if _is_word(token, in_folders)]
        found += _DAY.findall(part) if _has_words(part) else []
    found += [token for token in tokens(last) if _is_word(token, anywhere)]
    numbers = [token for token in tokens(last) if _NUMBER.fullmatch(token)]
    found += ["-".join(numbers)] if numbers and _has_words(last) else []
    return tuple(dict.fromkeys(found))


def tokens(part: str) -> list[str]:
    """The words of one part of a path in small letters; a tilde at its beginning, which marks a home, is one too."""
    found = [token.casefold() for token in _TOKEN.findall(_CAMEL.sub(" ", part))]
    return ["~", *found] if part.startswith("~") else found


def _is_word(token: str, words: set[str]) -> bool:
    singular = (token.removesuffix(ending) + new for ending, new in _PLURALS if token.endswith(ending))
    return token in words or any(one in words for one in singular)


def _has_words(part: str) -> bool:
    """Whether a part is more than a date or number."""
    return any(not re.fullmatch(r"v?\d+", token) for token in tokens(part))


def zone_glob(name: str, zones: Sequence[str]) -> str:
    """The zone of a table among those configured, by its glob; empty for none."""
    place = _zone(name, zones)
    return zones[place] if place < len(zones) else ""


def _zone(name: str, zones: Sequence[str]) -> int:
    """The place of the glob with most letters of those that name the table; past the last where none does."""
    found = [(-len(glob.replace("*", "")), place) for place, glob in enumerate(zones) if matches_any(name, [glob])]
    return min(found)[1] if found else len(zones)


def _difference(signal: str, parent: Standing, child: Standing) -> float:
    """Above 0 where the parent is the worse one."""
    if signal != "history":
        return parent.worths[signal] - child.worths[signal]
    if parent.first_written_ns is None or child.first_written_ns is None:
        return 0.0
    younger_by = parent.first_written_ns - child.first_written_ns
    return 0.0 if abs(younger_by) <= SAME_AGE_NS else float(younger_by)


def _quoted(signs: Sequence[str]) -> str:
    return ", ".join(f'"{sign}"' for sign in signs)


def _standing(table: PlannedTable, config: KeeperConfig) -> Standing:
    files = (*table.identity.files, *table.identity.log_files)
    written = min((file.mtime_ns for file in files if file.mtime_ns > 0), default=None)
    return standing(table.name, table.identity.format, table.n_accesses, config, written)
