import importlib
import pkgutil

from numba.core.dispatcher import Dispatcher

from tasks.containment import kernel
from tasks.containment.kernel.compile import compile_kernels


def test_every_kernel_is_compiled_for_the_types_that_the_stage_calls_it_with():
    compile_kernels()
    modules = [
        importlib.import_module(f"{kernel.__name__}.{found.name}") for found in pkgutil.iter_modules(kernel.__path__)
    ]
    kernels = {
        name: value for module in modules for name, value in vars(module).items() if isinstance(value, Dispatcher)
    }
    assert len(kernels) > 10
    # the growing of full arrays is called by compiled code only, and compiled with it
    assert [name for name, value in kernels.items() if not value.signatures] == []
