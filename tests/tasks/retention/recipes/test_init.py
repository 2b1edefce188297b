import subprocess
import sys

import tasks.retention.recipes as recipes


def test_every_public_name_is_there() -> None:
    assert sorted(recipes.__all__) == sorted(recipes._HOME_OF)
    for name in recipes.__all__:
        assert getattr(recipes, name).__name__ == name


def test_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, tasks.retention.recipes; print([m for m in ('numba', 'pyspark', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"
