"""How the Spark session is made."""

from pydantic import Field

from connectors.config import FrozenConfig


class SparkConfig(FrozenConfig):
    """The session's master, memory and extra settings."""

    master: str = Field("local[*]", description="Spark master URL.")
    driver_memory_mib: int = Field(1024, ge=512, le=1 << 20, description="Heap of the driver's JVM, in MiB.")
    jars: str = Field("", description="Folder of Delta's jars; empty means the one that set-up filled.")
    jar_sets: tuple[str, ...] = Field(
        (), description="Further jars by name, such as `postgresql`; what the lake needs is added by itself."
    )
    worker_preload: tuple[str, ...] = Field(
        (
            "tasks.encoding:compile_kernels",
            "tasks.containment.kernel.compile:compile_kernels",
            "tasks.containment.spark",
            "tasks.inventory.worker",
        ),
        description="`module` or `module:function` that the workers' parent imports or calls once, before it forks.",
    )
    conf: dict[str, str] = Field(default_factory=dict, description="Further Spark settings, passed as they are.")

    @property
    def is_local(self) -> bool:
        """Whether the executors live in the driver's JVM."""
        return self.master == "local" or self.master.startswith("local[")
