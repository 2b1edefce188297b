"""What becomes a node, and what an edge."""

from typing import Literal

from pydantic import Field, model_validator

from lakebed.connectors.config import FrozenConfig


class EdgeTableConfig(FrozenConfig):
    """A table of the lake with two key columns that is the graph, in place of tables, columns and values."""

    table: str = Field("", description="Name of the table; empty makes the graph of tables, columns and values.")
    source: str = Field("source", min_length=1, description="Column with one end of each edge.")
    target: str = Field("target", min_length=1, description="Column with the other end.")
    weight: str = Field("", description="Column with the weights, numbers ≥ 0 that are summed; empty: all weigh 1.")
    is_bipartite: bool = Field(
        False, description="Whether equal keys in the two columns are different nodes, as users and items are."
    )


class LakeGraphConfig(FrozenConfig):
    """Which values connect columns, and how many of them are kept."""

    edge_table: EdgeTableConfig = Field(default_factory=EdgeTableConfig, description="An edge table of the lake.")
    floats: Literal["out", "whole", "rounded", "exact"] = Field(
        "exact",
        description="Floats and decimals as values: none; whole numbers only; rounded to `float_digits`; all.",
    )
    float_digits: int = Field(6, ge=1, le=15, description="Significant digits of rounded floats.")
    values_per_column: int = Field(
        1 << 16, ge=16, le=1 << 24, description="Distinct values kept of a column, those of the least hashes."
    )
    value_budget: int = Field(
        1 << 26, ge=1 << 10, le=1 << 31, description="Values of all columns together, which lowers `values_per_column`."
    )
    names: bool = Field(True, description="Whether columns of one name, in different tables, meet in a node of it.")
    min_distinct: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="Columns of fewer distinct values, as flags are with 3, have no edges to values.",
    )
    max_value_columns: int = Field(
        1_000_000, ge=2, le=10_000_000, description="Values that stand in more columns than this are left out."
    )
    damping: float = Field(
        0.0,
        ge=0.0,
        le=2.0,
        description="Edges to a value of c columns weigh c^-damping; 0 keeps all at 1, and so the summary's operator.",
    )
    max_edges: int = Field(
        50_000_000, ge=1, le=2_000_000_000, description="Edges that an edge table may have; they are held in memory."
    )
    target_split_bytes: int = Field(
        32 << 20, ge=1 << 16, le=1 << 34, description="Bytes of column data one Spark task reads, about."
    )

    @model_validator(mode="after")
    def _require_columns_apart(self) -> "LakeGraphConfig":
        table = self.edge_table
        if table.table and table.source == table.target:
            raise ValueError("edge_table: source and target are the same column")
        return self
