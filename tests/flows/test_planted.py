"""A run in a folder with modules of every name of ours, and of what we import: none of its processes touches them."""

import subprocess
import sys

import pytest

from tests.flows.lakes import EDGES, write_parquet_lake
from tests.flows.processes import environment, lakebed
from tests.planted import Planted


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "project"
    write_parquet_lake(folder / "lake")
    return Planted(folder)


def test_the_trap_springs(planted, tmp_path):
    other = Planted(tmp_path / "other")
    done = subprocess.run([sys.executable, "-c", "import tasks.runtime"], cwd=other.folder, check=False)
    assert done.returncode == 1
    assert other.imported.startswith("tasks from ")


@pytest.mark.spark
@pytest.mark.flow
def test_a_run_imports_nothing_of_the_working_folder(planted):
    answer = lakebed("run", "--lake", "lake", "--artifacts", "artifacts", "--json", folder=planted.folder)
    assert answer.status == 0, answer.err
    assert answer.json["prefect_start_s"] > 0 and answer.json["session_start_s"] > 0
    assert answer.json["expectations"]["status"] == "passed"
    assert planted.imported == ""
    assert answer.json["proven"] == len(EDGES)


def test_the_server_over_http_imports_nothing_of_it(planted):
    command = [sys.executable, "-P", "-m", "lakebed.flows.http", "--help"]
    done = subprocess.run(command, cwd=planted.folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
    assert planted.imported == ""


@pytest.mark.parametrize("module", ["lakebed.first_use", "lakebed.connectors.spark.fetch"])
def test_what_set_up_starts_imports_nothing_of_it(planted, module):
    command = [sys.executable, "-P", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=planted.folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert planted.imported == ""
