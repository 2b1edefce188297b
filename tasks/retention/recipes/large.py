"""Pairs of tables too large for a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.retention.recipes.model import Refusal
from tasks.retention.recipes.pairs import refused

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tasks.retention.recipes.context import RecipeContext
    from tasks.retention.recipes.model import Outcome
    from tasks.retention.recipes.pairs import PairRefs


def synthesise_large(session: SparkSession, context: RecipeContext, pair: PairRefs) -> Outcome:
    """The outcome of a pair with a table above `max_table_bytes`."""
    del session
    limit = context.config.max_table_bytes
    reason = f"a table has {pair.largest_bytes:,} bytes, more than `retention.recipes.max_table_bytes` ({limit:,})"
    return refused(pair, Refusal(code="too_large", reason=reason))
