"""How runs are watched, what of them is kept, and whether others may write into the artifact root."""

from typing import Literal

from pydantic import Field

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.cores import usable_cores

EngineName = Literal["auto", "local", "spark"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class LocalConfig(FrozenConfig):
    """The local engine: worker processes of this machine, without a JVM."""

    processes: int = Field(0, ge=0, le=1024, description="Worker processes; 0 means one per core.")
    worker_memory_mib: int = Field(
        2048, ge=512, le=1 << 20, description="Memory that one worker may take for its data, in MiB; more is an error."
    )
    max_bytes: int = Field(8 << 30, ge=0, description="Bytes of column data up to which `engine = auto` works locally.")

    @property
    def n_workers(self) -> int:
        """Worker processes."""
        return self.processes or usable_cores()


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


class ExpectationsConfig(FrozenConfig):
    """Great Expectations beside a run; lakebed's own checks gate every artifact whatever is said here."""

    run: Literal["always", "deployed", "never"] = Field(
        "deployed",
        description="When it judges what a run makes: `always`, in runs that Prefect starts (`deployed`), or `never`. "
        "Suites of your own are always judged and waited for.",
    )


class SecurityConfig(FrozenConfig):
    """What is done about rights that let others change the artifacts."""

    shared_root: Literal["warn", "refuse", "allow"] = Field(
        "warn",
        description="What happens where everybody may write into the artifact root, or another user owns it: "
        "`warn`, `refuse` or `allow`.",
    )


class IncrementalConfig(FrozenConfig):
    """When a stage may start from what an earlier run made of it, with a result that a full run need not share.

    No part of a key: the key of what was started from an earlier artifact names that.
    """

    full_every: int = Field(
        30, ge=1, le=100_000, description="Each so many-th artifact of a stage is made anew; 1 makes each anew."
    )
    changed_share: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="Share of a summary's edges, or an index's vectors, that may be other; beyond, all is made anew.",
    )
    least_edges: int = Field(
        100_000, ge=1, le=1 << 40, description="Edges of a lake graph below which making anew is as fast."
    )


class GcConfig(FrozenConfig):
    """Which runs `lakebed gc` keeps, and with them their artifacts: the newest and the young ones."""

    keep_runs: int = Field(10, ge=1, le=100_000, description="Newest runs that are kept whatever their age.")
    keep_days: float = Field(30.0, ge=0, le=36_500, description="Days for which every run is kept.")
