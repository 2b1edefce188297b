import importlib
import pkgutil

from numba.core.dispatcher import Dispatcher

from lakebed.tasks.index import kernel as index_kernel
from lakebed.tasks.index.kernel.compile import compile_kernels as compile_of_index
from lakebed.tasks.search import kernel
from lakebed.tasks.search.kernel.compile import compile_kernels
from lakebed.tasks.search.lake_search import LakeSearch
from tests.tasks.search.lakes import publish_lake


def signatures():
    """Of every kernel that Python has called so far."""
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for package in (kernel, index_kernel)
        for found in pkgutil.iter_modules(package.__path__)
    ]
    functions = [(name, value) for module in modules for name, value in vars(module).items()]
    return {name: value.signatures for name, value in functions if isinstance(value, Dispatcher) and value.signatures}


def test_kernels_are_compiled_for_the_types_that_questions_call_them_with(tmp_path):
    tables = {"a": {"x": [f"p{n}" for n in range(9)]}, "b": {"x": [f"q{n}" for n in range(4, 30)], "y": [2] * 26}}
    store, refs = publish_lake(tmp_path, tables)
    compile_kernels()
    compile_of_index()
    before = signatures()
    assert {"_cosines", "_most_pairs", "_meet", "_put", "_dots"} <= set(before)
    search = LakeSearch(store, refs)
    search.similar("a", novel=True)
    search.joinable("a.x")
    assert signatures() == before
