import importlib
import pkgutil

import pyarrow as pa
from numba.core.dispatcher import Dispatcher

from lakebed.tasks.containment import kernel
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.kernel.compile import compile_kernels
from tests.tasks.containment.lakes import search_here, write_lake


def signatures():
    """Of every kernel that Python has called so far."""
    modules = [
        importlib.import_module(f"{kernel.__name__}.{found.name}") for found in pkgutil.iter_modules(kernel.__path__)
    ]
    functions = [(name, value) for module in modules for name, value in vars(module).items()]
    return {name: value.signatures for name, value in functions if isinstance(value, Dispatcher) and value.signatures}


def test_kernels_are_compiled_for_the_types_that_a_search_calls_them_with(tmp_path):
    compile_kernels()
    before = signatures()
    assert len(before) >= 5
    data = pa.table({"x": [1, 2, 3], "y": ["a", "b", None]})
    write_lake(tmp_path / "lake", {"a": data, "b": data.slice(1), "c": data.select(["x"])})
    (tmp_path / "lake" / "d.csv").write_text("y\n1\n2\n")
    for semantics in ("set", "bag"):
        search_here(tmp_path, ContainmentConfig(semantics=semantics), out=semantics)
    assert signatures() == before
