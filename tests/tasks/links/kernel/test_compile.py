from lakebed.tasks.links.kernel import neighbours, reweighting, row_cache, sampling, topology
from lakebed.tasks.links.kernel.compile import compile_kernels


def test_kernels_are_compiled_for_one_signature_each():
    compile_kernels()
    cached = (row_cache._copy_held, row_cache.copy_checked, row_cache.row_checks)
    for kernel in (neighbours._shared, reweighting._raised, sampling._sampled_places, topology._concentration, *cached):
        assert len(kernel.signatures) == 1
