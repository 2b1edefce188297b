"""The chain as a Prefect flow: typed parameters in, artifacts out, works with no server running."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import cast

from prefect import flow, get_run_logger, runtime
from prefect.states import Completed

from lakebed.chain import Link, StageName, chosen_links, gets_report
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.failures import typed_failure
from lakebed.connectors.storage import is_object_store
from lakebed.flows.deployments import FLOW_COMMAND
from lakebed.flows.form import ContainmentForm
from lakebed.flows.prefect_home import users_server
from lakebed.flows.run_page import NOTHING_DONE, publish_run, run_message
from lakebed.flows.run_progress import RunLogProgress, ServerProgress
from lakebed.quarantine import quarantine_warnings
from lakebed.run import begin, report_of
from lakebed.scope import RunScope, run_links
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.config import LineageConfig, LoggingConfig, SecurityConfig
from lakebed.tasks.runtime.logs import configure
from lakebed.tasks.runtime.progress import Progress, show, shown
from lakebed.tasks.runtime.record import new_run_id
from lakebed.tasks.summary.config import SummaryConfig

SPARK, INVENTORY, CONTAINMENT, REPORT = SparkConfig(), InventoryConfig(), ContainmentForm(), ReportConfig()
RELATIONS, RETENTION = RelationsConfig(), RetentionConfig()
LAKEGRAPH, SUMMARY, EMBEDDINGS, INDEX = LakeGraphConfig(), SummaryConfig(), EmbeddingsConfig(), IndexConfig()
LINKS = LinksConfig()
LOGGING, LINEAGE, SECURITY = LoggingConfig(), LineageConfig(), SecurityConfig()


@flow(
    name="lakebed",
    description="From a lake to proven containments, what to keep of it, and a search index.",
    validate_parameters=True,
    # only a stage's task is tried again, and only after a transient error; no default of the server's changes that
    retries=0,
)
def lake_flow(  # noqa: PLR0913 - one parameter a config section, so that Prefect shows each as a form
    *,
    lake: LakeConfig,
    artifacts: str = ".lakebed",
    spark: SparkConfig = SPARK,
    inventory: InventoryConfig = INVENTORY,
    containment: ContainmentForm = CONTAINMENT,
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
    to: StageName | None = None,
    only: StageName | None = None,
    run_id: str = "",
) -> dict[str, ArtifactRef]:
    """Runs the chain, up to a stage or only one; a stage whose artifact exists is reused.

    Args:
        lake: where the tables lie.
        artifacts: root of the artifacts; in a deployment an absolute path.
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
        return _run_joined(scope, chosen_links(to, only, scope.config))
    config = LakebedConfig(
        lake=lake,
        artifacts=artifacts,
        spark=spark,
        inventory=inventory,
        containment=containment.config(),
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
    _require_absolute(config)
    return _run_alone(
        RunScope(config.resolved(), run_id or new_run_id(), [*FLOW_COMMAND, str(runtime.flow_run.id)]), to, only
    )


def _run_joined(scope: RunScope, links: Sequence[Link]) -> dict[str, ArtifactRef]:
    """Within a run of the command line, which has opened the scope; on the user's server it shows itself there."""
    with _shown_on_server(scope, links, shown()):
        _run_links(scope, links)
    _publish(scope)
    return _completed(scope)


def _run_alone(scope: RunScope, to: str | None, only: str | None) -> dict[str, ArtifactRef]:
    """What the command line does around the flow, for a run that a person or a schedule started in Prefect."""
    links, logger = chosen_links(to, only, scope.config), get_run_logger()
    progress: Progress = RunLogProgress(logger)
    if scope.config.logging.format == "json":
        configure(scope.config.logging)
        progress = shown()
    for line in quarantine_warnings(scope.config):
        logger.warning(line)
    with scope, _shown_on_server(scope, links, progress):
        _crash_dead_runs(scope)
        if begin(scope, links, only):
            _run_links(scope, links)
            scope.note_costs(0.0)
        else:
            logger.info(NOTHING_DONE)
        scope.judge()
    report = report_of(scope) if gets_report(to, only) else ""
    if report:
        logger.info("report: %s", report)
    _publish(scope, report)
    return _completed(scope)


def _run_links(scope: RunScope, links: Sequence[Link]) -> None:
    scope.note_prefect()
    run_links(scope, links, _build)


@contextlib.contextmanager
def _shown_on_server(scope: RunScope, links: Sequence[Link], inner: Progress) -> Iterator[None]:
    """What stages report goes to `inner`, and to the user's server where there is one."""
    before = shown()
    try:
        if users_server():
            names = tuple(link.name for link in links)
            with ServerProgress(inner, names, f"lakebed-progress-{scope.workspace_id}").running() as progress:
                show(progress)
                yield
        else:
            show(inner)
            yield
    finally:
        show(before)


def _publish(scope: RunScope, report: str = "") -> None:
    """The run's pages on the user's server; a server that refuses them spoils no run."""
    if not users_server():
        return
    try:
        publish_run(scope, report)
    except Exception as error:
        get_run_logger().warning("the run's pages were not made: %s", error)


def _completed(scope: RunScope) -> dict[str, ArtifactRef]:
    """The artifacts, in a state that says in a line what was done; callers of the flow get the artifacts alone."""
    message = run_message(scope.log.record.stages, scope.summaries())
    return cast("dict[str, ArtifactRef]", Completed(message=message, data=dict(scope.refs)))


def _crash_dead_runs(scope: RunScope) -> None:
    """The lease is ours, so what the server takes for running on this root and has no process is dead."""
    if not users_server():
        return
    from prefect.client.orchestration import get_client

    from lakebed.flows.serving import crash_dead_runs

    try:
        with get_client(sync_client=True) as client:
            for each in crash_dead_runs(client, scope.config.artifacts):
                get_run_logger().warning("flow run %s is marked as crashed: its process is gone", each)
    except Exception as error:
        get_run_logger().warning("dead runs were not told to the server: %s", error)


def _require_absolute(config: LakebedConfig) -> None:
    """A deployment's process works in a folder that goes with it: a path relative to that would be lost.

    Raises:
        ConfigError: naming the path.
    """
    if not runtime.deployment.id:
        return
    for name, path in (("lake.root", config.lake.root), ("artifacts", config.artifacts), ("suites", config.suites)):
        if path and not is_object_store(path) and not os.path.isabs(os.path.expanduser(path)):
            raise ConfigError(
                f"{name} is not an absolute path",
                value=path,
                expected="an absolute path: the run works in a temporary folder of its own",
                hint="change the parameter in the form, or register again with lakebed serve",
            )


def _build(scope: RunScope, link: Link) -> ArtifactRef:
    """Builds the stage; what Spark raises, as when its JVM died or a worker's disk is full, becomes a typed error."""
    try:
        ref = link.build(scope.refs, scope.workspace, scope.config)
    except Exception as error:
        typed = typed_failure(error)
        if typed is None:
            raise
        raise typed from error
    get_run_logger().info("stage %s: artifact %s", link.name, ref.key[:12])
    return ref
