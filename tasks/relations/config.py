"""Which relations beyond containment are looked for, and how hard."""

from typing import Literal

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

Kind = Literal["union", "partition", "renamed", "near"]
KINDS: tuple[Kind, ...] = ("union", "partition", "renamed", "near")


class RelationsConfig(FrozenConfig):
    """Kinds, thresholds and limits of the relations stage. Semantics, types and key are those of containment."""

    kinds: tuple[Kind, ...] = Field(
        KINDS,
        description="Kinds looked for: `union` (a table covered by several), `partition` (a partition or file inside "
        "another table), `renamed` (columns under other names), `near` (all but a few rows); empty for none.",
    )
    near_threshold: float = Field(
        0.9, gt=0.0, lt=1.0, description="Share of a child's distinct rows from which on a near miss is listed."
    )
    confidence: float = Field(0.99, gt=0.5, lt=1.0, description="Of the interval of a near miss's fraction.")
    sketch_rows: int = Field(1024, ge=64, le=65_536, description="Row hashes kept of the smallest child, about.")
    sketch_budget_rows: int = Field(
        1 << 22, ge=1 << 12, le=1 << 28, description="Row hashes of all samples together, in the driver's memory."
    )
    max_parts: int = Field(100_000, ge=0, le=10_000_000, description="Partitions and files compared by themselves.")
    max_union_parents: int = Field(1_024, ge=2, le=65_536, description="Tables tried together for one child's union.")
    max_candidates: int = Field(
        20_000, ge=1, le=1_000_000, description="Candidates of one kind that go to the exact comparison."
    )
    max_postings: int = Field(
        256, ge=1, le=65_536, description="Columns that may share a value before it is too common to propose a map."
    )
    min_renamed_columns: int = Field(
        2, ge=1, le=10_000, description="Columns from which on a table is looked for under other column names."
    )
    min_distinct: int = Field(
        10, ge=1, le=1_000_000, description="Distinct rows below which a renamed match is called coincidental."
    )
    min_rows_per_parent: int = Field(
        2, ge=1, le=1_000_000, description="Distinct rows a union needs for each parent, or it is called coincidental."
    )

    def looks_for(self, kind: Kind) -> bool:
        """Whether this kind is switched on."""
        return kind in self.kinds
