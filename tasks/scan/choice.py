"""Which engine a stage works with."""

import pyarrow.compute as pc

from lakebed.connectors.spark.submitted import is_submitted
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.local import LocalEngine
from lakebed.tasks.scan.spark import SparkEngine
from lakebed.tasks.scan.splits import InventoryTables, spark_only


def engine_for(workspace: Workspace, n_bytes: int = 0, *, needs_spark: bool = False) -> Engine:
    """The engine that the config names; under `auto` the local one where everything is on this machine and fits.

    Args:
        workspace: of the run.
        n_bytes: of column data that the stage may read.
        needs_spark: whether there is a table that only Spark can read.
    """
    return (
        LocalEngine(workspace.local, workspace.spark.worker_preload)
        if is_local(workspace, n_bytes, needs_spark=needs_spark)
        else SparkEngine(workspace.spark)
    )


def is_local(workspace: Workspace, n_bytes: int = 0, *, needs_spark: bool = False) -> bool:
    """Whether the local engine is chosen; the arguments as above."""
    if workspace.engine != "auto":
        return workspace.engine == "local"
    is_here = workspace.spark.is_local and not is_submitted()
    needs_spark = needs_spark or workspace.lake.needs_spark
    return is_here and not needs_spark and n_bytes <= workspace.local.max_bytes


def reads_all(engine: Engine, inventory: InventoryTables) -> bool:
    """Whether the engine can read every table of the inventory."""
    return not (engine.is_local and spark_only(inventory))


def engine_for_tables(workspace: Workspace, inventory: InventoryTables) -> Engine:
    """The engine for a stage that reads tables of the inventory, by their bytes and by whether only Spark can."""
    n_bytes = pc.sum(inventory.tables["n_bytes"]).as_py() or 0
    return engine_for(workspace, n_bytes, needs_spark=bool(spark_only(inventory)))
