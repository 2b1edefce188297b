import subprocess
import sys
import time

import pytest

import lakebed
from lakebed.connectors import errors
from tests.flows.processes import environment

LIGHT = "import sys, lakebed; sys.exit(any(name in sys.modules for name in ('pyarrow', 'numpy', 'pydantic', 'pandas')))"


def test_what_is_listed_is_there_and_nothing_else():
    assert sorted(lakebed.__all__) == lakebed.__all__ == dir(lakebed)
    for name in lakebed.__all__:
        assert getattr(lakebed, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lakebed.nothing


def test_each_listed_name_lies_where_type_checkers_find_it():
    for module, names in lakebed._MODULES.items():
        for name in names:
            assert getattr(lakebed, name) is getattr(sys.modules[module], name)
            assert name in lakebed.__all__


def test_errors_are_those_of_the_command_line():
    assert lakebed.errors.LakeError is lakebed.LakeError is errors.LakeError
    typed = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.LakeError)}
    assert typed | {"Transient"} == set(lakebed.errors.__all__)


def test_importing_it_costs_nothing():
    started = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", LIGHT], check=False, env=environment()).returncode == 0
    assert time.perf_counter() - started < 5
