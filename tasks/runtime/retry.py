"""The one retry policy: what is tried again, how often, and after how long; with Prefect and without it."""

import time
from collections.abc import Callable
from typing import TypeVar

from lakebed.connectors.errors import Transient, first_line
from lakebed.tasks.runtime.progress import shown

T = TypeVar("T")
# seconds before each further attempt
DELAYS_S = (5.0, 20.0)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: only what is declared so where it is raised."""
    return isinstance(error, Transient)


def retried(call: Callable[[], T], name: str) -> T:
    """Calls, and after a transient error calls again; `name` is said of what is tried again.

    Raises: whatever the call raises that is not transient, or still is at the last attempt.
    """
    for delay in DELAYS_S:
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            shown().note(f"{name} is tried again: {first_line(error)}")
            time.sleep(delay)
    return call()
