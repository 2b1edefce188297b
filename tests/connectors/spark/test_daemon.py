import json
import subprocess
import sys

from lakebed.connectors.spark import daemon


def test_what_fails_to_load_is_told_and_not_fatal():
    failed = daemon.preload("json,no_such_module,json:no_such_function")
    assert [line.split(":")[0] for line in failed] == ["no_such_module", "json"]
    assert daemon.preload("") == []


def test_a_function_is_called():
    assert daemon.preload("lakebed.connectors.spark.daemon:preload") != []  # called without its argument


def test_nothing_preloaded_has_threads_that_a_fork_would_lose():
    """Only pyarrow's allocator has a thread of its own, and starts it anew in a child."""
    code = """
import json, os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.daemon import ALWAYS, preload
failed = preload(",".join(ALWAYS)) + preload(",".join(SparkConfig().worker_preload))
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(json.dumps([failed, sorted(name for name in names if name != "jemalloc_bg_thd")]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    failed, names = json.loads(done.stdout)
    assert failed == []
    assert len(names) == 1
