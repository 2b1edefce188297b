"""How the inventory is made."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class InventoryConfig(FrozenConfig):
    """Threads, bounds of what the driver does alone, and of the data that may be read where metadata lacks bounds."""

    footer_threads: int = Field(4, ge=1, le=256, description="Driver threads that read Parquet footers.")
    max_driver_footers: int = Field(
        20_000, ge=0, description="Files up to which the driver reads the footers; above, a Spark job does."
    )
    statistics_mib: int = Field(
        64, ge=0, le=1 << 20, description="MiB of columns without statistics that may always be read for their bounds."
    )
    statistics_share: float = Field(
        0.2, ge=0.0, le=1.0, description="Share of the lake's bytes that may be read for the same, if that is more."
    )
