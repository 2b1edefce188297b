from tasks.summary.kernel.compile_products import compile_products


def test_everything_compiles() -> None:
    compile_products()
