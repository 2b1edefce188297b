"""Everything the report says, as plain data: what the templates may show and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CheckStatus = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the lake."""

    name: str
    format: str
    n_rows: int
    n_columns: int
    n_bytes: int
    n_files: int = 1
    delta_version: int | None = None


@dataclass(frozen=True)
class Relation:
    """Every proven containment, without its evidence.

    Shapes: child, parent (E,) int32, indices into `ReportData.tables`; is_coincidental (E,) bool.
    """

    child: NDArray[np.int32]
    parent: NDArray[np.int32]
    is_coincidental: NDArray[np.bool_]

    @property
    def n_edges(self) -> int:
        """Proven edges."""
        return len(self.child)

    def select(self, mask: NDArray[np.bool_]) -> "Relation":
        """The edges where `mask` (E,) is true."""
        return Relation(self.child[mask], self.parent[mask], self.is_coincidental[mask])


@dataclass(frozen=True, slots=True)
class Edge:
    """A proven containment with its evidence, None where it is unknown.

    `child` and `parent` are indices into `ReportData.tables`.
    """

    child: int
    parent: int
    semantics: str
    n_child_rows: int
    n_child_distinct: int | None
    n_parent_rows: int
    n_parent_distinct: int | None
    chance: float | None
    is_coincidental: bool
    coincidental_reason: str | None
    is_mutual: bool
    n_compared: int | None = None
    chance_parts: Mapping[str, Any] = field(default_factory=dict)
    certificate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A pair that was compared and refuted; fractions are of the child's distinct rows."""

    child: int
    parent: int
    verdict: str
    n_compared: int
    n_missing: int
    fraction: float | None = None
    fraction_low: float | None = None
    fraction_high: float | None = None


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one step left over, None if it drops nothing, and what it cost, None if not measured."""

    step: str
    n_pairs: int | None
    n_tables: int | None
    seconds: float | None = None
    bytes_read: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A table that was not compared."""

    name: str
    reason: str
    hint: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict on one artifact table; `link` is relative to the report's folder."""

    engine: str
    subject: str
    status: CheckStatus
    n_checks: int | None = None
    detail: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage of the run."""

    stage: str
    key: str
    digest: str
    is_reused: bool
    seconds: float | None = None
    bytes_read: int | None = None
    peak_driver_bytes: int | None = None
    peak_worker_bytes: int | None = None


@dataclass(frozen=True)
class RunFacts:
    """Enough to repeat the run: the only part of the report that two equal runs may differ in."""

    run_id: str = ""
    command: str = ""
    stages: tuple[StageFacts, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure that stands out: its name, the figure as it is shown, and what it means."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Figures in a row."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite spec, made by altair, under a title; `spec` is None where nothing was measured."""

    title: str
    spec: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of texts; `right` names the columns that are figures, `n_all` how many rows there are beyond those shown.

    Every cell is shown as plain text: names from a lake need no escaping here.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    n_all: int | None = None


Block = Prose | Tiles | Charts | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """What one stage says in the report.

    Attributes:
        anchor: a word of lower-case letters, the section's place in the page.
        name: its short name in the page's navigation.
        title: its heading.
        lead: what it shows, in a sentence or two.
        blocks: what stands below, in order.
    """

    anchor: str
    name: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ReportData:
    """The whole report.

    In `sampled` mode the edges survived a sample and nothing is proven.
    `edges` and `near_misses` may be cut (the most important first); `relation` holds every proven edge. `other_files`
    and `other_bytes` are of files of kinds that lakebed does not read; 0 too where an older run did not count them.
    """

    lake: str
    mode: Literal["exact", "sampled"]
    tables: tuple[Table, ...]
    relation: Relation
    edges: tuple[Edge, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    n_near_misses: int = 0
    are_near_misses_complete: bool = True
    funnel: tuple[FunnelStep, ...] = ()
    unreadable: tuple[Problem, ...] = ()
    unstable: tuple[Problem, ...] = ()
    n_unreadable: int = 0
    n_unstable: int = 0
    other_files: int = 0
    other_bytes: int = 0
    checks: tuple[Check, ...] = ()
    sections: tuple[Section, ...] = ()
    run: RunFacts = field(default_factory=RunFacts)
