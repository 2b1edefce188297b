"""`lakebed report`: the HTML report of the newest run."""

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root, overrides
from lakebed.flows.cli.output import print_json, print_text


def report(artifacts: Artifacts = None, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Write the HTML report of the newest run that reached containment anew, and say where it lies."""
    from lakebed.artifacts import newest_run
    from lakebed.changes import changes_since_last
    from lakebed.quarantine import lake_settings
    from lakebed.run import write_run_report
    from lakebed.tasks.report.config import ReportConfig
    from lakebed.tasks.runtime.artifacts import ArtifactStore

    root = artifact_root(artifacts, config)
    record = newest_run(root, "containment")
    shown = ReportConfig.model_validate(record.config["report"])
    settings = lake_settings(config, overrides(None, artifacts)).model_copy(update={"report": shown})
    store = ArtifactStore(root)
    path = write_run_report(store, record, settings, changes_since_last(store, record))
    if as_json:
        print_json({"run_id": record.run_id, "report": path})
    else:
        print_text(path)
