"""The Prefect server of one run: `python -m lakebed.flows.prefect_server FD`, on a listening socket that it inherits.

It ends when its standard input closes, so it never outlives the run that started it, however that run ends.
"""

import gc
import os
import shutil
import sys
import threading


def main() -> None:
    """Serves until told to stop, or until the parent is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # imports make ten thousands of objects that stay: collecting among them only costs time
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)
    gc.freeze()
    gc.enable()
    uvicorn.run(app, fd=int(sys.argv[1]), log_level="critical", lifespan="on", access_log=False)


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    # a run that ended in order has removed its home already; one that was killed has not
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
