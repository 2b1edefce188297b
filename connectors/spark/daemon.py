"""The parent of Spark's Python workers: imports once what every worker needs, then forks as PySpark's own does.

Spark starts it by `spark.python.daemon.module`. PySpark imports its worker after the fork, because some imports start
threads that a fork does not copy; the ones made here do not, given one BLAS thread, and a test watches that.
"""

import importlib
import os
import sys
import traceback

PRELOAD_VARIABLE = "LAKEBED_WORKER_PRELOAD"
_ALWAYS = ("numpy", "pyarrow", "pyarrow.compute", "pyarrow.parquet", "pyspark.worker")


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


def n_threads() -> int:
    """Threads of this process; 1 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def main() -> None:
    """Preloads and serves, until Spark closes standard input."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    failed = preload(",".join(_ALWAYS)) + preload(os.environ.get(PRELOAD_VARIABLE, ""))
    if failed and os.environ.get("LAKEBED_WORKER_VERBOSE"):
        sys.stderr.write("\n".join(failed) + "\n")
    os.environ["LAKEBED_DAEMON_THREADS"] = str(n_threads())
    importlib.import_module("pyspark.daemon").manager()


if __name__ == "__main__":
    main()
