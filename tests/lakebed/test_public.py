import subprocess
import sys

import pytest

import lakebed


def test_what_is_listed_is_there_and_nothing_else():
    for name in lakebed.__all__:
        assert callable(getattr(lakebed, name))
        assert getattr(lakebed, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lakebed.nothing


def test_importing_it_costs_nothing():
    code = "import sys, lakebed; sys.exit(any(name in sys.modules for name in ('pyarrow', 'numpy', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
