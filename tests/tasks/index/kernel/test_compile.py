from lakebed.tasks.index.kernel.compile import compile_kernels
from lakebed.tasks.index.kernel.twins import expand_groups, group_sorted


def test_kernels_are_compiled_for_one_signature_each():
    compile_kernels()
    for kernel in (group_sorted, expand_groups):
        assert len(kernel.signatures) == 1
