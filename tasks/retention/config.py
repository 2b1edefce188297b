"""What keeping and rebuilding cost, what may be deleted, and how hard to look for the best choice."""

from typing import Annotated

from pydantic import Field

from lakebed.connectors.config import FrozenConfig
from lakebed.tasks.retention.recipes.config import RecipeConfig

Money = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, le=1e9, allow_inf_nan=False)]


class PricesConfig(FrozenConfig):
    """Prices; 1 GB is 10^9 bytes. The defaults are of the order of a large cloud's list prices: set your own."""

    currency: str = Field("USD", min_length=1, max_length=12, description="Currency of all prices.")
    date: str = Field("2025-01-01", pattern=r"^\d{4}-\d{2}-\d{2}$", description="Day that the prices are of.")
    storage_per_gb_month: Money = Field(0.023, description="Storing 1 GB for a month, in the currency.")
    read_per_gb: Money = Field(0.0004, description="Reading 1 GB from storage, in the currency.")
    write_per_gb: Money = Field(0.0005, description="Writing 1 GB to storage, in the currency.")
    maintenance_per_gb: Money = Field(0.005, description="Rewriting 1 GB in maintenance, in the currency.")
    compute_per_cpu_hour: Money = Field(0.05, description="One CPU for an hour, in the currency.")


class ThroughputConfig(FrozenConfig):
    """What turns bytes into time; 1 MB is 10^6 bytes."""

    read_mb_per_s: Rate = Field(100.0, description="Read from storage by a rebuild, in MB/s.")
    write_mb_per_s: Rate = Field(50.0, description="Written to storage by a rebuild, in MB/s.")
    compute_mb_per_cpu_s: Rate = Field(50.0, description="Bytes that one CPU turns into rows, in MB/s.")
    n_cpus: int = Field(2, ge=1, le=100_000, description="CPUs that a rebuild uses.")
    overhead_s: float = Field(5.0, ge=0.0, le=86_400.0, description="Start of any rebuild, in seconds.")


class AccessConfig(FrozenConfig):
    """How often tables are read."""

    default_per_month: float = Field(
        1.0, ge=0.0, le=1e9, description="Accesses of a table that the log does not name, a month."
    )
    log: str = Field(
        "",
        description="CSV file with a header, Parquet file or Delta table of accesses: a row per table with a count, or "
        "a row per query; empty means none.",
    )
    table_column: str = Field("table", min_length=1, description="Its column with the table's name as lakebed has it.")
    count_column: str = Field("", description="Its column with the number of accesses; empty: each row is one.")
    days: float = Field(30.0, gt=0.0, le=36_500.0, description="Days that the log covers.")


class TableAttributes(FrozenConfig):
    """What must be equal for a table to be rebuilt from another; empty is a value as any other."""

    owner: str = Field("", description="Who answers for the table.")
    access: str = Field("", description="Name of its access rights.")
    retention_class: str = Field("", description="How long it must be kept by policy.")


class PinConfig(FrozenConfig):
    """Tables that are never deleted, by globs of their names; each may still be what others are rebuilt from."""

    legal_hold: tuple[str, ...] = Field((), description="Globs of tables under a legal hold.")
    veto: tuple[str, ...] = Field((), description="Globs of tables whose owner says no.")
    streaming: tuple[str, ...] = Field((), description="Globs of tables that a stream writes to.")


LESSER_WORDS = (
    "copy", "backup", "bak", "bkp", "old", "tmp", "temp", "test", "sandbox", "export", "extract", "dump", "staging",
    "archive", "snapshot", "home/", "users/", "~", "scratch", "playground", "try", "wip", "trash",
)  # fmt: skip


class KeeperConfig(FrozenConfig):
    """Which of several tables is the right one to stay."""

    zones: tuple[str, ...] = Field(
        (), description="Globs of zones, the best first; of several that name a table the longest counts."
    )
    lesser_words: tuple[str, ...] = Field(
        LESSER_WORDS,
        description="Words, whole tokens of a table's path, by which it is no original; with a slash at the end: of "
        "its folders only.",
    )
    allow_lesser_keeper: bool = Field(
        False, description="Whether a table may be deleted in favour of one of lower rank."
    )


class DecisionConfig(KeeperConfig):
    """Prices, limits and policy: all that shows in a decision that was not cut short. A period is a month."""

    prices: PricesConfig = Field(default_factory=PricesConfig, description="Prices.")
    throughput: ThroughputConfig = Field(default_factory=ThroughputConfig, description="Speeds.")
    accesses: AccessConfig = Field(default_factory=AccessConfig, description="Accesses.")
    rewrites_per_month: float = Field(
        0.0, ge=0.0, le=1e6, description="How often maintenance rewrites a table, a month (compaction, backups)."
    )
    max_rebuild_s: float = Field(
        3600.0, ge=0.0, le=1e9, description="Longest rebuild that is allowed of a table, in seconds."
    )
    max_rebuild_s_of: dict[str, float] = Field(
        default_factory=dict,
        description="The same by glob of tables, in seconds; of several globs the shortest counts.",
    )
    pins: PinConfig = Field(default_factory=PinConfig, description="What is never deleted.")
    attributes: dict[str, TableAttributes] = Field(
        default_factory=dict, description="Attributes by glob of tables; of several globs the last one counts."
    )
    allow_other_attributes: bool = Field(
        False, description="Whether a table may be rebuilt from one of another owner, access or retention class."
    )
    include_coincidental: bool = Field(False, description="Whether containments called coincidental count.")
    solver_seconds: float = Field(
        60.0,
        ge=0.0,
        le=86_400.0,
        description="Time for the integer programmes, in seconds; then the greedy choice holds.",
    )
    curve_points: int = Field(12, ge=2, le=100, description="Rebuild-time budgets at which the savings are worked out.")
    baseline_max_bytes: int = Field(
        16 << 30, ge=0, le=1 << 50, description="Bytes that may be read to find byte-identical tables, for comparison."
    )
    recipes: RecipeConfig = Field(default_factory=RecipeConfig, description="Limits of rebuild recipes.")


class RetentionConfig(DecisionConfig):
    """Settings of the retention stage."""

    trial_budget_s: float = Field(
        0.0,
        ge=0.0,
        le=1e7,
        description="Time after which no further rebuild is begun, in seconds; the next run goes on. 0: no such time.",
    )

    def deciding(self) -> DecisionConfig:
        """What shows in a decision: how long a run may take is in no key."""
        return DecisionConfig(**{name: getattr(self, name) for name in DecisionConfig.model_fields})
