"""How runs are watched, what of them is kept, and whether others may write into the artifact root."""

from typing import Literal

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class LoggingConfig(FrozenConfig):
    """What a run says on standard error."""

    format: LogFormat = Field("text", description="`text` for people, `json` for one JSON object a line.")
    level: LogLevel = Field("info", description="The least level that is shown: debug, info, warning or error.")


class LineageConfig(FrozenConfig):
    """OpenLineage events of runs and stages; the key of the receiver comes from `OPENLINEAGE_API_KEY` alone."""

    enabled: bool = Field(True, description="Whether events are written at all.")
    url: str = Field(
        "",
        pattern=r"^(https?://[^\s@]+)?$",
        description="Address that events are posted to as well, such as `http://marquez:5000/api/v1/lineage`; "
        "empty means the run's file only.",
    )
    namespace: str = Field("lakebed", min_length=1, description="Namespace of the jobs.")
    timeout_s: float = Field(5.0, gt=0, le=60, description="Seconds that one post may take.")
    max_delay_s: float = Field(
        10.0, ge=0, le=600, description="Seconds that a run waits at its end for events that are not yet delivered."
    )
    max_datasets: int = Field(
        200,
        ge=0,
        le=10_000,
        description="Tables of the lake named in one event, the biggest first.",
    )


class SecurityConfig(FrozenConfig):
    """What is done about rights that let others change the artifacts."""

    shared_root: Literal["warn", "refuse", "allow"] = Field(
        "warn",
        description="What happens where everybody may write into the artifact root, or another user owns it: "
        "`warn`, `refuse` or `allow`.",
    )


class GcConfig(FrozenConfig):
    """Which runs `lakebed gc` keeps, and with them their artifacts: the newest and the young ones."""

    keep_runs: int = Field(10, ge=1, le=100_000, description="Newest runs that are kept whatever their age.")
    keep_days: float = Field(30.0, ge=0, le=36_500, description="Days for which every run is kept.")
