"""Jars that a test needs beside Delta's: fetched when they are not there."""

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.fetch import fetch_set
from lakebed.connectors.spark.jars import find_set


def require_jar_set(jar_set):
    """The files of a named set; where they cannot be had, the test is skipped, saying why."""
    try:
        return find_set(jar_set)
    except ConfigError:
        try:
            fetch_set(jar_set)
        except ConfigError as error:
            pytest.skip(f"{error.what}: {error.value}")
    return find_set(jar_set)
