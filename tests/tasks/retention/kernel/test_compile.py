from lakebed.tasks.retention.kernel import greedy, polish, tree
from lakebed.tasks.retention.kernel.compile import compile_kernels


def test_every_kernel_gets_compiled():
    compile_kernels()
    kernels = (tree._solve, greedy._delete_greedily, polish._polish)
    assert all(kernel.signatures for kernel in kernels)
