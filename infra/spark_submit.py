"""lakebed as an application of spark-submit: the same verbs, options and exit codes as the console script.

    spark-submit --master spark://host:7077 --properties-file dist/lakebed.conf infra/spark_submit.py \
        run --lake /shared/lake --artifacts /shared/lakebed

Master, memory, cores and every other setting are spark-submit's; docs/cluster.md says which few lakebed pins. The chain
runs without Prefect, unless PREFECT_API_URL names a server.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from pathlib import Path

# of Linux, on every processor
_PIDFD_GETFD = 438


def main() -> None:
    """Hands the arguments to the console script, with the master that spark-submit has chosen."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "lakebed").is_dir():
        # before the zip of --py-files, beside which numba finds no compiled kernels
        sys.path.insert(0, str(checkout))
    else:
        _leave_the_zip()
    from lakebed.connectors.spark.submitted import is_submitted, submitted_master

    if is_submitted():
        _part_errors_from_results()
        os.environ["LAKEBED_SPARK__MASTER"] = submitted_master()
    from lakebed.flows.cli.main import main as run_verb

    run_verb()


def _leave_the_zip() -> None:
    """Goes on from files of a folder that ends with this process."""
    from lakebed.connectors.spark import code

    folder = Path(tempfile.mkdtemp(prefix="lakebed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    code.leave_the_zip(folder)


def _part_errors_from_results() -> None:
    """Spark joins standard error to standard output, where results alone belong: parts them again."""
    if not os.path.sameopenfile(1, 2):
        return
    with contextlib.suppress(OSError):
        os.dup2(_errors_of_parent(), 2)


def _errors_of_parent() -> int:
    """The parent's standard error itself, so that in a file neither writes over what the other wrote before.

    A system that lets no process look at its parent leaves opening the file once more.
    """
    parent, taken = os.getppid(), -1
    # neither every system nor every Python has it
    with contextlib.suppress(AttributeError, OSError):
        taken = ctypes.CDLL(None).syscall(_PIDFD_GETFD, os.pidfd_open(parent), 2, 0)
    return taken if taken >= 0 else os.open(f"/proc/{parent}/fd/2", os.O_WRONLY | os.O_APPEND)


if __name__ == "__main__":
    main()
