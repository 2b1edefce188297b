"""Which failures of a task may be tried again."""

from typing import Any

from lakebed.connectors.errors import Transient


def is_transient(task: Any, task_run: Any, state: Any) -> bool:
    """Prefect's retry condition: only errors marked `Transient`; all others end the run at once."""
    try:
        state.result()
    except Transient:
        return True
    except BaseException:
        return False
    return False
