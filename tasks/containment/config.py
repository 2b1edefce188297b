"""What counts as contained, and how hard to look."""

import re
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from lakebed.connectors.config import FrozenConfig
from lakebed.tasks.runtime.hash_key import OLDER_PUBLIC_KEY, HashKeys, root_key

_NO_KEY = SecretStr("")


class SampledConfig(FrozenConfig):
    """The published, sampled content step: cheap, and no proof."""

    n_rows: int = Field(30, ge=1, le=1_000_000, description="Rows drawn from each child.")
    n_columns: int = Field(4, ge=1, le=10_000, description="Columns drawn for the `columns` reading.")
    reading: Literal["rows", "columns"] = Field(
        "rows", description="Whether sampled rows are compared on all of the child's columns, or on the drawn ones."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of the draws.")


class ContainmentConfig(FrozenConfig):
    """Semantics, mode and effort of the containment stage."""

    mode: Literal["exact", "sampled"] = Field(
        "exact", description="`exact` proves each edge; `sampled` is the published content step and certifies nothing."
    )
    semantics: Literal["set", "bag"] = Field("set", description="Whether repeated rows must be repeated in the parent.")
    strict_types: bool = Field(False, description="Whether 1, 1.0 and decimal 1.00 are different values.")
    hash_key: SecretStr = Field(
        _NO_KEY,
        exclude=True,
        description="Secret key of the row hashes, 64 hex digits; empty: the one that the artifact root keeps.",
    )
    older_hash_key: SecretStr = Field(
        _NO_KEY,
        exclude=True,
        description="Key of recipes that runs before the second encoding made, 32 hex digits; empty: their public one.",
    )
    sketch_rows: int = Field(256, ge=16, le=65_536, description="Row hashes kept of a table, about.")
    sketch_budget_rows: int = Field(
        1 << 21, ge=1 << 12, le=1 << 28, description="Row hashes of all sketches together, which lowers `sketch_rows`."
    )
    max_listed_pairs: int = Field(
        250_000, ge=0, le=50_000_000, description="Pairs after min-max up to which each pair's near miss is measured."
    )
    confidence: float = Field(0.99, gt=0.5, lt=1.0, description="Of the interval of an estimated containment fraction.")
    chance_threshold: float = Field(
        0.01, ge=0.0, le=1.0, description="Chance above which a containment is called coincidental."
    )
    target_split_bytes: int = Field(
        32 << 20, ge=1 << 16, le=1 << 34, description="Bytes of column data one Spark task reads, about."
    )
    rows_per_bucket: int = Field(
        1 << 22, ge=1 << 10, le=1 << 28, description="Row hashes compared by one Spark task, about."
    )
    sampled: SampledConfig = Field(default_factory=SampledConfig, description="The sampled mode.")

    @field_validator("hash_key", "older_hash_key")
    @classmethod
    def _require_hex(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        n_digits, text = 64 if info.field_name == "hash_key" else 32, key.get_secret_value()
        if text and n_digits == 64 and text == OLDER_PUBLIC_KEY.hex():
            raise ValueError("this key is public, and betrays what it hashes; expected 64 hex digits of your own")
        if text and not re.fullmatch(f"[0-9a-f]{{{n_digits}}}", text):
            raise ValueError(f"expected {n_digits} hex digits")
        return key

    def key_at(self, artifacts: str) -> bytes:
        """The key of the row hashes, 32 bytes: the one given, else that of the artifact root, made where it has none.

        Raises:
            ConfigError: if the root's file holds something else.
            ArtifactError: if it can be neither read nor made.
        """
        return bytes.fromhex(self.hash_key.get_secret_value()) or root_key(artifacts)

    def hash_keys(self, artifacts: str = "") -> HashKeys:
        """The keys to verify with; none is made. Not called `keys`, by which Prefect tells a mapping."""
        given, older = (bytes.fromhex(key.get_secret_value()) for key in (self.hash_key, self.older_hash_key))
        return HashKeys(given, artifacts, older or OLDER_PUBLIC_KEY)
