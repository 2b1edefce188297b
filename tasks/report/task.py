"""The report as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.report.collect import collect
from tasks.report.config import REPORT, ReportConfig
from tasks.report.model import RunFacts
from tasks.report.run_record import read_run_record
from tasks.report.stage import write_report
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tasks.runtime.workspace import Workspace


@task(name="report", cache_policy=NO_CACHE)
def build_report(
    inventory: ArtifactRef, containment: ArtifactRef, workspace: Workspace, config: ReportConfig, run: RunFacts | None
) -> str:
    """Write `runs/<run_id>/report.html` and return its path.

    Without `run` the record is read from the run's folder.
    """
    store = ArtifactStore(workspace.artifacts)
    record = run or read_run_record(store, workspace.run_id)
    data = collect(store, inventory, containment, record, lake=workspace.lake.root, config=config)
    return write_report(data, store.storage.uri("runs", workspace.run_id, REPORT), config)
