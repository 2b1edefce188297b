"""What goes wrong in a Delta log, in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from lakebed.connectors.errors import LakeError, SourceBusyError, SourceError, Transient, first_line
from lakebed.connectors.lake.delta_schema import plainly
from lakebed.connectors.lake.hidden import DELTA_LOG

HINT = f"restore the folder {DELTA_LOG}, or leave the table out with `exclude` in the lake section of the config"


@contextmanager
def log_errors(name: str) -> Iterator[None]:
    """Turns whatever reading a log raises into a SourceError that names the table.

    Raises:
        SourceBusyError: if the store does not answer.
        SourceError: for all else.
    """
    try:
        yield
    except LakeError as error:
        if isinstance(error, Transient):
            raise SourceBusyError(f"cannot read the Delta table {name}", value=_reason(error), hint=HINT) from error
        raise SourceError(f"cannot read the Delta table {name}", value=plainly(_reason(error)), hint=HINT) from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the Rust side is no Exception
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise SourceError(f"cannot read the Delta table {name}", value=reason, hint=HINT) from error


def _reason(error: LakeError) -> str:
    reason = f"{error.what}: {error.value}" if isinstance(error, SourceError) and error.value else error.what
    return reason.splitlines()[0][:300]
