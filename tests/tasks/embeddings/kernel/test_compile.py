from lakebed.tasks.embeddings.kernel.compile import compile_kernels


def test_everything_compiles() -> None:
    compile_kernels()
