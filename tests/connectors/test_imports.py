import json
import subprocess
import sys

ARROW = """
import json, sys
from lakebed.connectors.imports import import_arrow
import_arrow()
import pyarrow as pa
pa.table({"x": [1, 2]}).to_pylist(), pa.array(["a"])
before = "pandas" in sys.modules
import pandas
print(json.dumps([before, pandas.DataFrame({"x": [1]}).shape]))
"""
NUMBA = """
import json, sys
from lakebed.connectors.imports import hide_pandas, import_numba
hide_pandas()
import_numba()
import lakebed.tasks.encoding as encoding
encoding.compile_kernels()
import pyarrow as pa
pa.array([1])
loaded = [name for name in ("pandas", "scipy.linalg") if name in sys.modules]
from scipy.linalg import norm
print(json.dumps([loaded, norm([3.0, 4.0])]))
"""


def printed(code):
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def test_arrow_does_not_import_pandas_and_others_can():
    assert printed(ARROW) == [False, [1, 1]]


def test_numba_does_not_import_scipys_blas_and_others_can():
    assert printed(NUMBA) == [[], 5.0]
