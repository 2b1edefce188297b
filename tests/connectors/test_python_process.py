import os
import site
import subprocess
import sys

from lakebed.connectors import python_process
from lakebed.connectors.python_process import code_root, module_command, module_environment, python_path


def test_our_code_comes_before_what_was_given_and_relative_places_are_left_out(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", "src", "/absolute", str(code_root())]))
    assert python_path().split(os.pathsep) == [str(code_root()), "/absolute"]


def test_an_installed_package_does_not_come_before_the_standard_library(monkeypatch, tmp_path):
    monkeypatch.setattr(python_process, "code_root", lambda: tmp_path)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", "/absolute")
    assert python_path() == "/absolute"


def test_a_child_imports_nothing_of_the_working_folder(tmp_path):
    (tmp_path / "lakebed.py").write_text("raise SystemExit('of the working folder')")
    (tmp_path / "json.py").write_text("raise SystemExit('of the working folder')")
    command = module_command("lakebed.connectors.spark.fetch", "icing")
    done = subprocess.run(command, cwd=tmp_path, env=module_environment(), capture_output=True, text=True, check=False)
    assert done.stderr.startswith("no such set of jars: icing")
    code = "import json, sys; print(json.__file__, sys.flags.safe_path)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=module_environment(), capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in done.stdout and done.stdout.endswith("True\n")
