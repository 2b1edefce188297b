"""The parent of Spark's Python workers: imports once what every worker needs, then forks as PySpark's own does.

Spark starts it by `spark.python.daemon.module`. PySpark imports its worker after the fork, because some imports start
threads that a fork does not copy. Of those made here, given one BLAS thread, only pyarrow's allocator has one, which it
starts anew in a child; a test watches that there is no other.

On a cluster it comes in a zip, which it unpacks into the executor's folder first: numba keeps compiled kernels beside
files only.
"""

import importlib
import os
import tempfile
import traceback
from pathlib import Path

PRELOAD_VARIABLE = "LAKEBED_WORKER_PRELOAD"
ALWAYS = ("numpy", "pyarrow", "pyarrow.compute", "pyarrow.parquet", "pyspark.worker")


def preload(names: str) -> list[str]:
    """Imports each `module`, calls each `module:function` of a comma-separated list; answers what failed and why.

    A failure is not fatal: the worker that needs the module raises it where it can be seen, in the task.
    """
    failed = []
    for name in filter(None, names.split(",")):
        module, _, function = name.partition(":")
        try:
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()
        except Exception:
            failed.append(f"{name}: {traceback.format_exc(limit=-1)}")
    return failed


def leave_the_zip() -> None:
    """Goes on from unpacked files, where this module came from a zip."""
    from lakebed.connectors.spark import code

    here = Path.cwd() if os.access(".", os.W_OK) else Path(tempfile.mkdtemp(prefix="lakebed-"))
    code.leave_the_zip(here)


def main() -> None:
    """Preloads and serves, until Spark closes standard input."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    leave_the_zip()
    preload(",".join(ALWAYS))
    preload(os.environ.get(PRELOAD_VARIABLE, ""))
    importlib.import_module("pyspark.daemon").manager()


if __name__ == "__main__":
    main()
