from lakebed.tasks.summary.kernel import layout
from lakebed.tasks.summary.kernel.compile_products import compile_products


def test_everything_compiles() -> None:
    compile_products()


def test_summaries_from_files_find_their_kernel_compiled() -> None:
    compile_products()
    assert {signature[0].mutable for signature in layout._places.signatures} == {True, False}
