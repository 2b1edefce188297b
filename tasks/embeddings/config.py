"""How nodes become vectors."""

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lakebed.connectors.config import FrozenConfig

# the artifact beside the embeddings that keeps the powers
POWERS = "powers"


class FastRpConfig(FrozenConfig):
    """FastRP: size, weights of the powers, damping of hubs; what beside the edges counts; where it is computed."""

    dim: int = Field(128, ge=2, le=8_192, description="Numbers of a vector.")
    weights: tuple[float, ...] = Field(
        (0.0, 0.0, 1.0, 6.67),
        min_length=1,
        max_length=32,
        description="Weight of each power of the transition matrix, from the first on. "
        "Others of the same number are computed from stored powers.",
    )
    degree_exponent: float = Field(
        -0.64,
        ge=-2.0,
        le=2.0,
        description="β: a node counts by its share of all degrees to this power; negative damps hubs.",
    )
    self_weight: float = Field(0.0, ge=0.0, le=1e6, description="Weight of a node's own projection.")
    normalize: bool = Field(
        True, description="Whether each power's rows are brought to length 1 before they are weighted."
    )
    standardize: bool = Field(True, description="Whether each column is brought to mean 0 and standard deviation 1.")
    sparsity: int = Field(
        0,
        ge=0,
        le=1 << 16,
        description="s: one in s numbers of the projection is not 0. 0 takes √nodes or dim/8, the lesser, "
        "as a power of two.",
    )
    features: tuple[str, ...] = Field(
        (), description="Columns of the node table that take part: numbers by value, text by equality."
    )
    property_ratio: float = Field(
        0.5, gt=0.0, lt=1.0, description="Share of a vector that the features fill, where there are any."
    )
    edge_types: dict[str, float] = Field(
        default_factory=dict, description="Weight of each kind of edge; empty: all edges are of one kind."
    )
    type_mode: Literal["weighted", "concatenated"] = Field(
        "weighted", description="Whether kinds of edges share the vector, or each fills a part of its own."
    )
    use_weights: bool = Field(True, description="Whether edge weights count.")
    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of the projection.")
    local_max_values: int = Field(
        1 << 30,
        ge=0,
        description="Nodes times dim up to which this process computes; Spark beyond. Shows in the last digits only.",
    )
    rows_per_block: int = Field(1 << 13, ge=1, le=1 << 24, description="Nodes of one block on Spark.")
    keep_powers: bool = Field(
        False,
        description="Whether the powers are kept, so that other weights need no product, at nodes times dim times 4 "
        "bytes each. No effect on the result.",
    )
    threads: int = Field(0, ge=0, le=1_024, description="Threads; 0 takes all cores. No effect on the result.")

    @field_validator("weights")
    @classmethod
    def _require_weights(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not all(math.isfinite(weight) for weight in weights):
            raise ValueError("expected finite numbers")
        if not any(weights):
            raise ValueError("expected one weight that is not 0")
        return weights

    @field_validator("edge_types")
    @classmethod
    def _require_types(cls, types: dict[str, float]) -> dict[str, float]:
        if any(not (math.isfinite(weight) and weight > 0) for weight in types.values()):
            raise ValueError("expected weights above 0")
        return types


class EmbeddingsConfig(FastRpConfig):
    """The same, and the other method."""

    method: Literal["fastrp", "orthogonal"] = Field(
        "fastrp",
        description="How vectors are made: weighted powers, or orthogonal rounds: a quarter of the numbers for as much "
        "about a node's labels, at ten times the time; of the settings above dim, standardize, use_weights and seed "
        "count there.",
    )
    orthogonal_rounds: int = Field(16, ge=1, le=1_000, description="Products of the orthogonal rounds.")
    orthogonal_every: int = Field(
        4, ge=1, le=16, description="Rounds after which the directions are made orthogonal again."
    )

    @model_validator(mode="after")
    def _require_one_kind(self) -> "EmbeddingsConfig":
        if self.method == "orthogonal" and (self.features or self.edge_types):
            raise ValueError('method = "orthogonal" takes neither features nor edge_types; "fastrp" does')
        return self

    def powers_part(self) -> "PowersConfig":
        """What decides the powers; weights, self weight and standardisation come after."""
        names = set(PowersConfig.model_fields) - {"n_powers"}
        return PowersConfig(n_powers=len(self.weights), **{name: getattr(self, name) for name in names})

    def result_part(self) -> FrozenConfig:
        """What shows in the result, which is what the key is made of."""
        if self.method == "orthogonal":
            return RoundsConfig(**{name: getattr(self, name) for name in RoundsConfig.model_fields})
        shown = {name: getattr(self, name) for name in FastRpConfig.model_fields}
        return FastRpConfig(**{**shown, "threads": 0, "keep_powers": True})


class PowersConfig(FrozenConfig):
    """The settings that decide the powers."""

    n_powers: int = Field(ge=1, description="Powers of the transition matrix.")
    dim: int = Field(description="Numbers of a vector.")
    degree_exponent: float = Field(description="β.")
    sparsity: int = Field(description="s, 0 by size.")
    features: tuple[str, ...] = Field(description="Columns of the node table that take part.")
    property_ratio: float = Field(description="Share of a vector that the features fill.")
    edge_types: dict[str, float] = Field(description="Weight of each kind of edge.")
    type_mode: str = Field(description="How kinds of edges come together.")
    use_weights: bool = Field(description="Whether edge weights count.")
    seed: int = Field(description="Seed of the projection.")


class RoundsConfig(FrozenConfig):
    """The settings that decide the vectors of orthogonal rounds."""

    method: str = Field(description="How vectors are made.")
    dim: int = Field(description="Numbers of a vector.")
    orthogonal_rounds: int = Field(description="Products.")
    orthogonal_every: int = Field(description="Rounds after which directions are made orthogonal again.")
    standardize: bool = Field(description="Whether each column is brought to mean 0 and standard deviation 1.")
    sparsity: int = Field(description="s of the projection of nodes without edges, 0 by size.")
    use_weights: bool = Field(description="Whether edge weights count.")
    seed: int = Field(description="Seed of the start.")
    local_max_values: int = Field(description="Where Spark begins; shows in the last digits.")
    rows_per_block: int = Field(description="Nodes of one block on Spark; likewise.")
