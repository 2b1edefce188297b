"""How hard to look for a small summary. Every field decides the bytes of the result, except where it says so."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

MAX_NODES = 1 << 30


class SummaryConfig(FrozenConfig):
    """Iterations, group size and seed of the summary, and the size up to which one machine makes it."""

    iterations: int = Field(20, ge=1, le=1_000, description="Rounds of merging.")
    final_iterations: int = Field(
        3, ge=1, le=1_000, description="The last of them, which take every saving; a sixth at most."
    )
    group_size: int = Field(500, ge=2, le=100_000, description="Roots that are tried with each other, at most.")
    levels: int = Field(10, ge=1, le=60, description="Times that an oversize group is split by another min-hash.")
    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of the hashes and draws.")
    max_height: int = Field(0, ge=0, le=1 << 20, description="Height of a tree of merges, at most; 0 sets no limit.")
    extra_iterations: int = Field(0, ge=0, le=1_000, description="Further rounds that take every saving.")
    work_budget: int = Field(
        0, ge=0, description="Row entries compared, after which no further round starts; 0 sets no limit."
    )
    local_max_edges: int = Field(
        50_000_000,
        ge=0,
        description="Edges up to which this process makes the summary; beyond, Spark does. Not in the result.",
    )
    threads: int = Field(0, ge=0, le=1_024, description="Threads of the merging; 0 takes all cores. Not in the result.")

    def result_part(self) -> "SummaryConfig":
        """The same with what does not show in the result at its default: what a stage's key depends on."""
        defaults = SummaryConfig()
        return self.model_copy(update={"threads": defaults.threads, "local_max_edges": defaults.local_max_edges})
