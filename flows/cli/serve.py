"""`lakebed serve`: the chain as Prefect deployments, and the worker that runs them."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigFile, Lake, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.flows.deployment_limits import MIN_INTERVAL_S, MIN_SILENT_S, POOL, SILENT_S

if TYPE_CHECKING:
    from lakebed.flows.serving import Registered


def serve(  # noqa: PLR0913 - one argument an option
    config: ConfigFile = None,
    *,
    lake: Lake = None,
    artifacts: Artifacts = None,
    cron: Annotated[str, typer.Option("--cron", help="Schedule of the chain, such as '0 3 * * *'.")] = "",
    interval: Annotated[
        float, typer.Option("--interval", help=f"Seconds between runs of the chain, at least {MIN_INTERVAL_S}.", min=0)
    ] = 0.0,
    timezone: Annotated[str, typer.Option("--timezone", help="Time zone of the schedule; UTC by default.")] = "",
    to: Annotated[str, typer.Option("--to", help="Last stage of the chain; the index where none is named.")] = "",
    name: Annotated[str, typer.Option("--name", help="End of the deployments' names, for a second root.")] = "",
    pool: Annotated[str, typer.Option("--pool", help="Work pool; a process pool is made if it is not there.")] = POOL,
    silent: Annotated[
        int, typer.Option("--silent", help="Seconds without a heartbeat until a run is crashed.", min=MIN_SILENT_S)
    ] = SILENT_S,
    health: Annotated[
        bool,
        typer.Option(
            "--health", help="Answer at http://127.0.0.1:8080/health; PREFECT_WORKER_WEBSERVER_PORT moves it."
        ),
    ] = False,
    register_only: Annotated[bool, typer.Option("--register-only", help="Register, and start no worker.")] = False,
    as_json: AsJson = False,
) -> None:
    """Registers the deployments at the Prefect server of PREFECT_API_URL, then works for them until it is stopped."""
    from lakebed.chain import chosen_stages
    from lakebed.config import DEFAULT_FILE, load_config
    from lakebed.flows.schedules import Schedule
    from lakebed.flows.serving import ELSEWHERE, PROCESS, Serving, register, require_server, work

    settings = load_config(config, overrides(lake, artifacts))
    chosen_stages(to or None)
    require_server()
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_WORKER_WEBSERVER_HOST", "127.0.0.1")
    file = config or Path(DEFAULT_FILE)
    serving = Serving(
        config=settings,
        config_file=str(file.resolve()) if file.exists() else "",
        label=name,
        pool=pool,
        to=to,
        schedule=Schedule(cron, interval, timezone),
        silent_s=silent,
        has_health=health,
        pool_types=ELSEWHERE if register_only else PROCESS,
    )
    _say(register(serving), as_json=as_json)
    if not register_only:
        sys.stdout.flush()
        work(serving)


def _say(made: "Registered", *, as_json: bool) -> None:
    if as_json:
        print_json(made.as_dict())
        return
    page = made.server.removesuffix("/api")
    rows = ((name, f"{page}/deployments/deployment/{each}") for name, each in made.deployments.items())
    print_table("Deployments", ("deployment", "page"), rows)
    print_text()
    print_text(f"schedule of the chain: {made.schedule or 'as the server has it; --cron or --interval sets one'}")
    print_text(f"one run at a time on {made.artifacts}: work queue {made.pool}/{made.queue}, further runs wait")
    for each in made.crashed:
        print_text(f"flow run {each} was marked as crashed: its process is gone")
