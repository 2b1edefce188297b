"""A fixture for tests of runs: what the caller has set does not count."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """No config file of the working folder, no variables of the caller."""
    for name in [name for name in os.environ if name.startswith("LAKEBED_") and name != "LAKEBED_SPARK_JARS"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
