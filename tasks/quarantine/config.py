"""Settings of the quarantine."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

QUARANTINE = "_lakebed_quarantine"


class QuarantineConfig(FrozenConfig):
    """Where tables wait that were set aside, for how long, and how many bytes of them."""

    grace_days: float = Field(
        30.0, ge=0, le=36_500, description="Days that a table stays in quarantine before `purge` may delete it."
    )
    max_bytes: int = Field(
        0, ge=0, description="Most bytes that the quarantine may hold; 0 means no limit but the disk's."
    )
    folder: str = Field(
        "",
        description="Folder of the quarantine, on the lake's file system or in its bucket; empty means "
        f"`{QUARANTINE}` in the lake, which no inventory lists.",
    )
    views_database: str = Field(
        "",
        description="Spark catalog database in which a view answers for each table set aside; empty means none.",
    )
