"""What tests of several packages share: one Spark session a test run, made when the first test asks for it."""

import pytest
from hypothesis import settings

# the first call of a compiled kernel takes seconds, later ones microseconds
settings.register_profile("lakebed", deadline=None)
settings.load_profile("lakebed")


@pytest.fixture(scope="session")
def spark():
    from connectors.spark.config import SparkConfig
    from connectors.spark.session import shared_session

    starter = shared_session(SparkConfig())
    yield starter.get()
    starter.stop()
