"""The chain as a Prefect flow: typed parameters in, artifacts out, works with no server running."""

import time

from prefect import flow, get_run_logger

from connectors.lake.config import LakeConfig
from connectors.spark.config import SparkConfig
from flows.chain import chosen_links
from flows.config import LakebedConfig
from flows.scope import RunScope
from tasks.containment.config import ContainmentConfig
from tasks.inventory.config import InventoryConfig
from tasks.report.config import ReportConfig
from tasks.runtime.artifacts import ArtifactRef
from tasks.runtime.record import new_run_id

SPARK, INVENTORY, CONTAINMENT, REPORT = SparkConfig(), InventoryConfig(), ContainmentConfig(), ReportConfig()


@flow(name="lakebed", description="From a lake to proven containments.", validate_parameters=True)
def lake_flow(  # noqa: PLR0913 - one parameter a config section, so that Prefect shows each as a form
    *,
    lake: LakeConfig,
    artifacts: str = ".lakebed",
    spark: SparkConfig = SPARK,
    inventory: InventoryConfig = INVENTORY,
    containment: ContainmentConfig = CONTAINMENT,
    report: ReportConfig = REPORT,
    to: str | None = None,
    only: str | None = None,
    run_id: str = "",
) -> dict[str, ArtifactRef]:
    """Runs the chain, up to a stage or only one; a stage whose artifact exists is reused.

    Args:
        lake: where the tables lie.
        artifacts: root of the artifacts.
        spark: the session.
        inventory: config of that stage.
        containment: config of that stage.
        report: config of the report.
        to: last stage to run.
        only: the one stage to run.
        run_id: of a run that the caller has opened; empty opens one.
    """
    config = LakebedConfig(
        lake=lake, artifacts=artifacts, spark=spark, inventory=inventory, containment=containment, report=report
    )
    scope = RunScope.joined(run_id)
    if scope is not None:
        return _run_links(scope, to, only)
    with RunScope(config, run_id or new_run_id(), ["prefect", "lakebed"]) as own:
        own.start_beside(needs_spark=any(link.needs_spark for link in chosen_links(to, only)))
        refs = _run_links(own, to, only)
        own.judge()
        own.note_costs(0.0)
        return refs


def _run_links(scope: RunScope, to: str | None, only: str | None) -> dict[str, ArtifactRef]:
    logger = get_run_logger()
    for link in chosen_links(to, only):
        started = time.monotonic()
        ref = link.build(scope.refs, scope.workspace, scope.config)
        scope.done(ref, time.monotonic() - started)
        logger.info("stage %s: artifact %s", link.name, ref.key[:12])
    return dict(scope.refs)
