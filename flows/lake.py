"""The chain as a Prefect flow: typed parameters in, artifacts out, works with no server running."""

import time
from collections.abc import Sequence

from prefect import flow, get_run_logger

from connectors.lake.config import LakeConfig
from connectors.spark.config import SparkConfig
from connectors.spark.failures import typed_failure
from flows.chain import Link, chosen_links, gets_report
from flows.config import LakebedConfig
from flows.quarantine import quarantine_warnings
from flows.run import begin, report_of
from flows.scope import RunScope
from tasks.containment.config import ContainmentConfig
from tasks.embeddings.config import EmbeddingsConfig
from tasks.index.config import IndexConfig
from tasks.inventory.config import InventoryConfig
from tasks.lakegraph.config import LakeGraphConfig
from tasks.links.config import LinksConfig
from tasks.relations.config import RelationsConfig
from tasks.report.config import ReportConfig
from tasks.retention.config import RetentionConfig
from tasks.runtime.artifacts import ArtifactRef
from tasks.runtime.config import LineageConfig, LoggingConfig, SecurityConfig
from tasks.runtime.logs import configure
from tasks.runtime.record import new_run_id
from tasks.summary.config import SummaryConfig

SPARK, INVENTORY, CONTAINMENT, REPORT = SparkConfig(), InventoryConfig(), ContainmentConfig(), ReportConfig()
RELATIONS, RETENTION = RelationsConfig(), RetentionConfig()
LAKEGRAPH, SUMMARY, EMBEDDINGS, INDEX = LakeGraphConfig(), SummaryConfig(), EmbeddingsConfig(), IndexConfig()
LINKS = LinksConfig()
LOGGING, LINEAGE, SECURITY = LoggingConfig(), LineageConfig(), SecurityConfig()


@flow(
    name="lakebed",
    description="From a lake to proven containments, what to keep of it, and a search index.",
    validate_parameters=True,
)
def lake_flow(  # noqa: PLR0913 - one parameter a config section, so that Prefect shows each as a form
    *,
    lake: LakeConfig,
    artifacts: str = ".lakebed",
    spark: SparkConfig = SPARK,
    inventory: InventoryConfig = INVENTORY,
    containment: ContainmentConfig = CONTAINMENT,
    relations: RelationsConfig = RELATIONS,
    retention: RetentionConfig = RETENTION,
    lakegraph: LakeGraphConfig = LAKEGRAPH,
    summary: SummaryConfig = SUMMARY,
    embeddings: EmbeddingsConfig = EMBEDDINGS,
    index: IndexConfig = INDEX,
    links: LinksConfig = LINKS,
    report: ReportConfig = REPORT,
    logging: LoggingConfig = LOGGING,
    lineage: LineageConfig = LINEAGE,
    security: SecurityConfig = SECURITY,
    suites: str = "",
    full: bool = False,
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
        relations: config of that stage.
        retention: config of that stage.
        lakegraph: config of that stage.
        summary: config of that stage.
        embeddings: config of that stage.
        index: config of that stage.
        links: config of that stage.
        report: config of the report.
        logging: what is said on standard error.
        lineage: OpenLineage events.
        security: what is borne of the artifact root's rights.
        suites: folder of the user's own Great Expectations suites.
        full: whether nothing is taken from earlier runs.
        to: last stage to run.
        only: the one stage to run.
        run_id: of a run that the caller has opened; empty opens one.
    """
    scope = RunScope.joined(run_id)
    if scope is not None:
        return _run_links(scope, chosen_links(to, only))
    config = LakebedConfig(
        lake=lake,
        artifacts=artifacts,
        spark=spark,
        inventory=inventory,
        containment=containment,
        relations=relations,
        retention=retention,
        lakegraph=lakegraph,
        summary=summary,
        embeddings=embeddings,
        index=index,
        links=links,
        report=report,
        logging=logging,
        lineage=lineage,
        security=security,
        suites=suites,
        full=full,
    )
    return _run_alone(RunScope(config.resolved(), run_id or new_run_id(), ["prefect", "lakebed"]), to, only)


def _run_alone(scope: RunScope, to: str | None, only: str | None) -> dict[str, ArtifactRef]:
    """What the command line does around the flow, for a run that a person or a schedule started in Prefect."""
    links = chosen_links(to, only)
    if scope.config.logging.format == "json":
        configure(scope.config.logging)
    for line in quarantine_warnings(scope.config):
        get_run_logger().warning(line)
    with scope:
        if begin(scope, links, only):
            _run_links(scope, links)
            scope.note_costs(0.0)
        scope.judge()
    if gets_report(to, only):
        get_run_logger().info("report: %s", report_of(scope))
    return dict(scope.refs)


def _run_links(scope: RunScope, links: Sequence[Link]) -> dict[str, ArtifactRef]:
    logger = get_run_logger()
    scope.settle()
    scope.note_prefect()
    for link in links:
        if link.reads_lake_rows:
            scope.require_lake_suites()
        started = time.monotonic()
        with scope.stage(link.name):
            ref = _build(scope, link)
        scope.done(ref, time.monotonic() - started)
        logger.info("stage %s: artifact %s", link.name, ref.key[:12])
    return dict(scope.refs)


def _build(scope: RunScope, link: Link) -> ArtifactRef:
    """Builds the stage; what Spark raises, as when its JVM died or a worker's disk is full, becomes a typed error."""
    try:
        return link.build(scope.refs, scope.workspace, scope.config)
    except Exception as error:
        typed = typed_failure(error)
        if typed is None:
            raise
        raise typed from error
