import importlib
import pkgutil

import pyarrow as pa
from numba.core.dispatcher import Dispatcher

from lakebed.tasks.relations import kernel
from lakebed.tasks.relations.kernel.compile import compile_kernels
from tests.tasks.containment.lakes import write_lake
from tests.tasks.relations.here import relate_here


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
    assert len(before) >= 6
    data = pa.table({"x": list(range(40)), "y": [f"y{number}" for number in range(40)]})
    lake = {"a": data, "b": data.slice(0, 25), "c": data.slice(20), "d": data.slice(3, 9).rename_columns(["u", "v"])}
    lake["e"] = pa.concat_tables([data.slice(0, 30), pa.table({"x": [99], "y": ["z"]})])
    write_lake(tmp_path / "lake", lake)
    found = relate_here(tmp_path)
    assert found.proven("union") and found.proven("renamed") and found.near()
    assert signatures() == before
