"""The runner of the command line: the stages of a run as Prefect's flow, on the user's server or one of its own."""

import atexit
import os
import sys
import tempfile
import time
from pathlib import Path

from lakebed.config import NOT_OF_RUNS, LakebedConfig
from lakebed.connectors.errors import StageError
from lakebed.connectors.places import temporary_prefix
from lakebed.connectors.spark.submitted import is_submitted
from lakebed.flows.prefect_home import EphemeralServer, configured_api_url
from lakebed.run import Runner, run_here
from lakebed.scope import RunScope
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.choice import is_local

_servers: list[EphemeralServer] = []


def chosen_runner(config: LakebedConfig) -> Runner:
    """Through Prefect; but neither a local run nor a driver that spark-submit started begins a server of its own."""
    has_server = bool(configured_api_url())
    return run_flow if has_server or not (is_submitted() or is_local(config.workspace())) else run_here


def run_flow(scope: RunScope, to: str | None, only: str | None) -> None:
    """Calls the flow, which joins the scope.

    Raises:
        StageError: if Prefect's server does not start or does not answer.
        LakeError: whatever a stage raises.
    """
    # the command line prints a stage's error itself; Prefect would log it twice more, with its own traceback
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    server = _shared_server()
    with shown().step("Starting Prefect"):
        if server is not None:
            server.start()
        from lakebed.flows.lake import lake_flow

        if server is not None:
            server.wait()
    ready_at = time.monotonic()
    # no stage reads the settings of the quarantine and of `gc`
    sections = {name: getattr(scope.config, name) for name in LakebedConfig.model_fields if name not in NOT_OF_RUNS}
    try:
        lake_flow(**sections, to=to, only=only)
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        raise StageError(
            "Prefect's server does not answer",
            value=configured_api_url() or error,
            expected="a server that runs, or none named: then the run starts its own",
            hint="start it, or unset PREFECT_API_URL",
        ) from error
    scope.note_costs((server.seconds if server else None) or 0.0, ready_at)


def _shared_server() -> EphemeralServer | None:
    """The one server of this process, which ends with it: Prefect reads its address only when it is imported.

    None where Prefect is imported already by somebody else: then it looks after its server itself.
    """
    if not _servers and "prefect" not in sys.modules:
        _servers.append(EphemeralServer(Path(tempfile.mkdtemp(prefix=temporary_prefix("prefect")))))
        atexit.register(_servers[0].stop)
    return _servers[0] if _servers else None
