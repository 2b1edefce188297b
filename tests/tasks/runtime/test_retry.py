"""Faults that heal, on real servers: a store behind a proxy, a JVM that is killed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from pydantic import BaseModel

from lakebed.config import load_config
from lakebed.connectors.delta import write_table
from lakebed.connectors.errors import (
    ArtifactError,
    SourceBusyError,
    SourceError,
    StageError,
    StoreBusyError,
    Transient,
)
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.run import run_here
from lakebed.scope import RunScope
from lakebed.tasks.runtime import retry
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef, run_stage
from lakebed.tasks.runtime.progress import Progress, show
from lakebed.tasks.runtime.retry import DELAYS_S, retried
from lakebed.tasks.runtime.stage import Stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.flows.lakes import write_parquet_lake
from tests.services.faults import FaultyServer
from tests.tasks.quarantine.s3 import BUCKET, s3_server, upload


class Flaky(SourceError, Transient):
    pass


class Healing(Progress):
    """Heals the fault when it is said that something is tried again."""

    def __init__(self, heal: Callable[[], None]) -> None:
        super().__init__(is_quiet=True)
        self.heal, self.notes = heal, list[str]()

    def note(self, text: str) -> None:
        if "tried again" in text:
            self.notes.append(text)
            self.heal()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(retry, "DELAYS_S", (0.0,) * len(DELAYS_S))
    yield
    show(Progress(is_quiet=True))


@pytest.fixture(scope="module")
def store() -> Iterator[FaultyServer]:
    with s3_server() as variables, FaultyServer(variables["AWS_ENDPOINT_URL"]).serving() as server:
        address = {"AWS_ENDPOINT_URL": server.address, "AWS_ENDPOINT_URL_S3": server.address}
        with mock.patch.dict(os.environ, address):
            yield server


def failing(server: FaultyServer, fault: str) -> Healing:
    def heal() -> None:
        server.fault = None

    server.fault, server.n_refused = fault, 0  # type: ignore[assignment]
    show(healing := Healing(heal))
    return healing


def test_only_what_is_transient_is_tried_again_and_not_for_ever() -> None:
    asked: list[type[Exception]] = []

    def call(kind: type[Exception], n_failures: int) -> int:
        asked.append(kind)
        if len(asked) <= n_failures:
            raise kind("no answer")
        return len(asked)

    assert retried(lambda: call(Flaky, 2), "it") == 3
    asked.clear()
    with pytest.raises(Flaky):
        retried(lambda: call(Flaky, 9), "it")
    assert len(asked) == 1 + len(DELAYS_S)
    asked.clear()
    with pytest.raises(SourceError):
        retried(lambda: call(SourceError, 1), "it")
    assert len(asked) == 1


@pytest.mark.parametrize("fault", ["slow", "silent"])
def test_a_store_that_heals_costs_one_more_attempt(store: FaultyServer, fault: str) -> None:
    storage = Storage.at(f"s3://{BUCKET}/healing-{fault}")
    healing = failing(store, fault)
    retried(lambda: storage.write_bytes_atomic("a", b"1"), "writing")
    assert storage.read_bytes("a") == b"1"
    assert len(healing.notes) == 1 and "writing is tried again" in healing.notes[0]
    assert store.n_refused > 1
    failing(store, fault)
    retried(lambda: write_table(storage.uri("table"), pa.table({"x": [1]})), "committing")
    failing(store, fault)
    assert len(retried(storage.list_files, "listing")) > 1


def test_a_store_that_does_not_heal_is_a_typed_transient_error(store: FaultyServer) -> None:
    store.fault = "slow"
    try:
        with pytest.raises(StoreBusyError, match="slow down"):
            Storage.at(f"s3://{BUCKET}/x").write_bytes_atomic("a", b"1")
        with pytest.raises(SourceBusyError):
            Storage.at(f"s3://{BUCKET}/x", SourceError).read_bytes("a")
    finally:
        store.fault = None
    with pytest.raises(ArtifactError) as caught:
        Storage.at(f"s3://{BUCKET}/x").read_bytes("missing")
    assert not isinstance(caught.value, Transient)


@pytest.mark.parametrize("fault", ["slow", "silent"])
def test_a_lake_whose_store_fails_while_footers_are_read_is_read_again_and_no_table_is_called_unreadable(
    store: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from lakebed.connectors.lake import parquet

    write_parquet_lake(tmp_path / "lake")
    root = upload(tmp_path / "lake", f"lake-{fault}")
    config = load_config(None, {"lake": {"root": root}, "artifacts": str(tmp_path / "artifacts")})
    healing, fetched = failing(store, fault), parquet.file_end
    store.fault = None

    def late(*given: object) -> object:
        # the listing got through; the files do not
        store.fault = None if healing.notes else fault  # type: ignore[assignment]
        return fetched(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(parquet, "file_end", late)
    with RunScope(config, "r1", ["x"]) as scope:
        run_here(scope, "inventory", None)
    assert len(healing.notes) == 1 and healing.notes[0].startswith("inventory is tried again")
    ref = scope.refs["inventory"]
    assert scope.store.read(ref, "tables").num_rows == 3
    assert scope.store.read(ref, "unreadable").num_rows == 0
    assert [stage.reused for stage in scope.log.record.stages] == [False]


@pytest.mark.spark
def test_a_stage_whose_jvm_dies_is_built_in_a_new_one(tmp_path: Path) -> None:
    """In a process of its own: the session of the other tests must live."""
    from tests.flows.processes import python

    answer = python(JVM_DIES, folder=tmp_path)
    assert answer.status == 0, answer.err
    assert answer.out.splitlines()[-2:] == ["3 sessions", "SparkLostError SparkLostError"]


JVM_DIES = """
import os, signal
from lakebed.tasks.runtime import retry
from tests.tasks.runtime.test_retry import killed_stage
retry.DELAYS_S = (0.5, 0.5)
killed_stage(2)
"""


def killed_stage(n_kills: int) -> None:
    """Runs a stage that kills its JVM some times."""
    import signal

    from lakebed.connectors.spark.memory import jvm_pid
    from lakebed.connectors.spark.session import shared_session

    class NoConfig(BaseModel):
        pass

    pids: list[int] = []

    def build(stage: Stage, inputs: Inputs) -> ArtifactRef:
        session = shared_session(inputs.workspace.spark).get()
        pids.append(jvm_pid(session))
        if len(pids) <= n_kills:
            os.kill(pids[-1], signal.SIGKILL)
        assert session.range(3).count() == 3
        return ArtifactRef(stage="killed", key="k", digest="d")

    stage = StageDef(name="killed", version=1, contracts={}, key_parts=lambda _: KeyParts(NoConfig()), build=build)
    workspace = Workspace(lake=LakeConfig(root="lake"), artifacts="artifacts")
    errors: list[str] = []

    def attempt() -> ArtifactRef:
        try:
            return run_stage(stage, Inputs.of(workspace))
        except StageError as error:
            errors.append(type(error).__name__)
            raise

    retried(attempt, "killed")
    shared_session(workspace.spark).stop()
    print(f"{len(set(pids))} sessions\n{' '.join(errors)}")
