"""How the Spark session is made."""

import os

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

REMOTE = "sc://"
REMOTE_VARIABLE = "SPARK_REMOTE"
_HERE = "local[*]"


class SparkConfig(FrozenConfig):
    """The session's master, memory and extra settings."""

    master: str = Field(
        _HERE,
        description="Spark master URL, or `sc://host:port` of a Spark Connect server; `SPARK_REMOTE` names one too.",
    )
    driver_memory_mib: int = Field(1024, ge=512, le=1 << 20, description="Heap of the driver's JVM, in MiB.")
    jars: str = Field("", description="Folder of Delta's jars; empty means the one that set-up filled.")
    jar_sets: tuple[str, ...] = Field(
        (), description="Further jars by name, such as `postgresql`; what the lake needs is added by itself."
    )
    worker_preload: tuple[str, ...] = Field(
        (
            "lakebed.tasks.encoding:compile_kernels",
            "lakebed.tasks.containment.kernel.compile:compile_kernels",
            "lakebed.tasks.containment.scan",
            "lakebed.tasks.inventory.worker",
        ),
        description="`module` or `module:function` that the workers' parent imports or calls once, before it forks.",
    )
    event_log: str = Field(
        "", description="Folder or URI of Spark's event log, which its history server reads; empty means none."
    )
    prometheus: bool = Field(
        False, description="Whether the driver's page is on and serves Spark's metrics to Prometheus."
    )
    executors_timeout_s: int = Field(
        300,
        ge=10,
        le=86_400,
        description="How long a run waits for executors of a cluster, at its start and whenever none is alive, in "
        "seconds.",
    )
    conf: dict[str, str] = Field(default_factory=dict, description="Further Spark settings, passed as they are.")

    @property
    def is_local(self) -> bool:
        """Whether the executors live in the driver's JVM."""
        return self.master == "local" or self.master.startswith("local[")

    @property
    def is_connect(self) -> bool:
        """Whether the session is a client of Spark Connect."""
        return self.master.startswith(REMOTE)

    def with_remote(self) -> "SparkConfig":
        """With the server that `SPARK_REMOTE` names, where no other master was; without what follows, as a token."""
        remote = os.environ.get(REMOTE_VARIABLE, "").partition("/;")[0]
        is_named = remote.startswith(REMOTE) and self.master == _HERE
        return self.model_copy(update={"master": remote}) if is_named else self
