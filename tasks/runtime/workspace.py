"""Where a run reads and writes, and with which Spark."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.runtime.config import EngineName, LocalConfig


class Workspace(FrozenConfig):
    """What every stage of a run shares; no part of it enters a stage's key."""

    lake: LakeConfig = Field(description="The lake that is read.")
    artifacts: str = Field(description="Artifact root: folder or object-store prefix that the run writes to.")
    spark: SparkConfig = Field(default_factory=SparkConfig, description="How the Spark session is made.")
    engine: EngineName = Field("auto", description="Which engine reads the lake.")
    local: LocalConfig = Field(default_factory=LocalConfig, description="How the local engine works.")
    is_full: bool = Field(False, description="Whether stages take nothing from artifacts of earlier runs.")
    run_id: str = Field("", description="The run's id; empty outside a run, then nothing is queued for checks.")
