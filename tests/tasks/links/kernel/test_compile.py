from lakebed.tasks.links.kernel import neighbours, reweighting, sampling, topology
from lakebed.tasks.links.kernel.compile import compile_kernels


def test_kernels_are_compiled_for_one_signature_each():
    compile_kernels()
    for kernel in (neighbours._shared, reweighting._raised, sampling._sampled_places, topology._concentration):
        assert len(kernel.signatures) == 1
