import pytest
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException, PythonException

from lakebed.connectors.errors import ArtifactError, ConfigError, LakeError, SparkLostError, StageError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import require_message
from lakebed.connectors.spark.failures import typed_failure
from lakebed.connectors.storage import LocalStorage


def test_errors_of_others_are_left_alone():
    assert typed_failure(ValueError("x")) is None
    assert typed_failure(ConfigError("x")) is None
    assert typed_failure(ConnectionResetError("an object store")) is None


def test_a_lost_gateway_is_a_failure_of_the_stage():
    found = typed_failure(Py4JNetworkError("Answer from Java side is empty"))
    assert isinstance(found, StageError)
    assert "empty" in str(found.value)
    assert "same command" in found.hint


def test_a_jvm_that_no_longer_answers_comes_again_and_an_exception_of_its_does_not():
    """Py4J tells a connection that is lost in the middle of a call by one line, without a trace."""
    assert isinstance(typed_failure(Py4JError("An error occurred while calling o264.statusTracker")), SparkLostError)
    of_java = "An error occurred while calling o1.x. Trace:\npy4j.Py4JException: Method x([]) does not exist\n"
    assert type(typed_failure(Py4JError(of_java))) is StageError
    lacking = "org.apache.spark.api.python.PythonUtils.isEncryptionEnabled does not exist in the JVM"
    assert type(typed_failure(Py4JError(lacking))) is StageError


def test_a_lost_socket_counts_when_spark_was_reading_it():
    from pyspark.serializers import read_int

    class Closed:
        def read(self, _):
            return b""

    with pytest.raises(EOFError) as caught:
        read_int(Closed())
    assert isinstance(typed_failure(caught.value), StageError)


def test_the_last_cause_is_named():
    text = (
        "Job aborted\n  File x, line 3\nMemoryError: no room\n\tat org.apache\nCaused by: java.lang.SomeError: it ended"
    )
    found = typed_failure(PythonException(text))
    assert found is not None and found.value == "java.lang.SomeError: it ended"


@pytest.mark.spark
def test_an_error_of_ours_comes_back_from_a_worker(spark, tmp_path):
    (tmp_path / "file").write_text("in the way")
    root = str(tmp_path / "file")

    def write(batches):
        LocalStorage(root).write_bytes_atomic("below/x", b"1")
        yield from batches

    def fail(batches):
        raise ValueError("of nobody")
        yield from batches

    with pytest.raises(Exception) as caught:
        spark.range(1).mapInArrow(write, "id long").collect()
    found = typed_failure(caught.value)
    assert isinstance(found, ArtifactError)
    assert "a part of the path is a file" in found.what
    assert root in str(found.value)
    assert found.hint == "check the path"
    with pytest.raises(Exception) as caught:
        spark.range(1).mapInArrow(fail, "id long").collect()
    found = typed_failure(caught.value)
    assert type(found) is StageError and isinstance(found, LakeError)
    assert "of nobody" in str(found.value)


def test_a_message_that_is_too_large_is_a_setting_of_the_server():
    text = (
        "<_InactiveRpcError of RPC with: status = StatusCode.RESOURCE_EXHAUSTED details = gRPC message exceeds maximum"
    )
    found = typed_failure(PySparkException(text))
    assert isinstance(found, ConfigError) and "spark.connect.grpc.maxInboundMessageSize" in found.expected
    require_message(SparkConfig(master="sc://host:1"), 1 << 20)
    require_message(SparkConfig(master="spark://host:1"), 1 << 40)
    with pytest.raises(ConfigError, match="up to 1,099,511,627,776 bytes"):
        require_message(SparkConfig(master="sc://host:1"), 1 << 40)
