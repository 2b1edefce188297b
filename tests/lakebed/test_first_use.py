"""What a machine needs once: told with its progress, and made where it is wanting only."""

import io
import os
import shutil
import subprocess
import sys

import pytest

from lakebed import first_use
from lakebed.connectors.places import CACHE_VARIABLE, KERNELS_VARIABLE
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.jars import JARS_VARIABLE, find_jars
from lakebed.first_use import compile_kernels_once, fetch_jars_once, kernel_modules
from lakebed.tasks.runtime.progress import Progress, show


@pytest.fixture
def told(tmp_path, monkeypatch):
    """An empty cache; what the progress says."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(KERNELS_VARIABLE, str(tmp_path / "cache" / "kernels"))
    stream = io.StringIO()
    show(Progress(stream))
    return stream


def test_every_stage_with_kernels_is_compiled():
    assert kernel_modules()[0] == "lakebed.tasks.encoding.compile"
    assert {"lakebed.tasks.summary.kernel.compile", "lakebed.tasks.retention.recipes.kernel.compile"} < {
        *kernel_modules()
    }


def test_kernels_are_compiled_once_with_progress(told, tmp_path, monkeypatch):
    monkeypatch.setattr(first_use, "kernel_modules", lambda: ["lakebed.tasks.index.kernel.compile"] * 2)
    compile_kernels_once()
    assert "\nCompiling kernels, once 2 of 2 (" in "\n" + told.getvalue()
    kernels = tmp_path / "cache" / "kernels"
    (stamp,) = kernels.glob("*.compiled")
    assert [*kernels.rglob("*.nbc")]
    before = told.getvalue()
    compile_kernels_once()
    assert told.getvalue() == before
    # numba keeps them elsewhere: they are not there
    monkeypatch.setenv(KERNELS_VARIABLE, str(tmp_path / "elsewhere"))
    assert first_use._stamp() != stamp


def test_kernels_that_cannot_be_compiled_are_left_to_their_callers(told, tmp_path, monkeypatch):
    monkeypatch.setattr(first_use, "kernel_modules", lambda: ["lakebed.nothing", "lakebed.nothing_else"])
    compile_kernels_once()
    assert not [*(tmp_path / "cache").rglob("*.compiled")]


def test_where_set_up_made_them_nothing_is_compiled(told, monkeypatch):
    monkeypatch.setattr(first_use, "has_own_folder", lambda: True)
    monkeypatch.setattr(subprocess, "Popen", None)
    compile_kernels_once()
    assert told.getvalue() == ""


def test_jars_are_fetched_where_they_are_wanting(told, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.delenv(CACHE_VARIABLE)
    for path in find_jars():
        shutil.copyfile(path, source / path.name)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(JARS_VARIABLE, str(source))
    fetch_jars_once(SparkConfig())
    assert told.getvalue() == ""
    monkeypatch.delenv(JARS_VARIABLE)
    fetch_jars_once(SparkConfig(jars=str(source)))
    assert told.getvalue() == ""
    # as a mirror brings them: the variable is back when they are fetched
    monkeypatch.setattr(first_use, "are_wanting", lambda _: True)
    monkeypatch.setenv(JARS_VARIABLE, str(source))
    fetch_jars_once(SparkConfig())
    assert "Fetching Delta's jars (13 MB), once (" in told.getvalue()
    assert len([*(tmp_path / "cache" / "jars").iterdir()]) == 7


def test_neither_import_nor_help_takes_long_or_loads_what_is_heavy():
    """By the processor's clock, as the machine may be busy."""
    heavy = ("pyspark", "prefect", "torch", "numba", "pyarrow", "pandas")
    help_code = "from lakebed.flows.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    for code in ("import lakebed\n", help_code):
        look = f"import sys\nsys.stderr.write(' '.join(n for n in {heavy} if n in sys.modules))"
        best_s = float("inf")
        for _ in range(3):
            begun = os.times()
            done = subprocess.run([sys.executable, "-c", code + look], capture_output=True, text=True, check=True)
            ended = os.times()
            assert done.stderr == ""
            used_s = ended.children_user + ended.children_system - begun.children_user - begun.children_system
            best_s = min(best_s, used_s)
        assert best_s <= 0.5
