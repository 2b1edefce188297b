from lakebed.tasks.retention.recipes.kernel.compile import compile_kernels


def test_every_kernel_is_compiled_once() -> None:
    assert compile_kernels() == 2
