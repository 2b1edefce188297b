import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECOND_RUN = """
import json, lakebed.tasks.encoding as e
n = e.compile_kernels()
from lakebed.tasks.encoding.compile import MODULES
kernels = [kernel for module in MODULES for kernel in module.KERNELS]
stats = [kernel.stats for kernel in kernels]
print(json.dumps([n, sum(sum(s.cache_misses.values()) for s in stats), sum(sum(s.cache_hits.values()) for s in stats)]))
"""


def run(code: str, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_a_second_process_compiles_nothing():
    run("import lakebed.tasks.encoding as e; e.compile_kernels()")
    n_kernels, n_compiled, n_loaded = json.loads(run(SECOND_RUN))
    assert n_compiled == 0
    assert n_loaded == n_kernels > 10


def test_the_package_imports_without_numba():
    loaded = run(
        "import sys, lakebed.tasks.encoding as e; e.ENCODING_ID; print('numba' in sys.modules, 'numpy' in sys.modules)"
    )
    assert loaded.split() == ["False", "False"]
