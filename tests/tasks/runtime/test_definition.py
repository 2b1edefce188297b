"""A stage as one object: what it is called with, its key, and the one way to its artifact."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel

from lakebed.connectors.errors import SparkLostError, StageError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.contract import Column, Contract
from lakebed.tasks.runtime.definition import Inputs, KeyParts, Sections, StageDef, run_stage
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace

NUMBERS = Contract("numbers", 1, "Numbers.", (Column("n", pa.int64(), "a number"),))


class Settings(BaseModel):
    n: int = 3


class Other(BaseModel):
    is_on: bool = False


def build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    numbers = pa.table({"n": range(inputs.section(Settings).n)})
    return stage.publish({"numbers": numbers}, {}, StageMetrics())


COUNT = StageDef(
    name="count",
    version=1,
    contracts={"numbers": NUMBERS},
    key_parts=lambda inputs: KeyParts(inputs.section(Settings)),
    build=build,
)
AFTER = replace(
    COUNT,
    name="after",
    requires=("count", "extra"),
    may_lack=("extra",),
    further=lambda sections: ("late",) if sections.get(Other).is_on else (),
)
LATE = ArtifactRef(stage="late", key="k", digest="l")
EXTRA = ArtifactRef(stage="extra", key="k", digest="e")


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(lake=LakeConfig(root="lake"), artifacts=str(tmp_path / "artifacts"))


def test_sections_are_found_by_type_and_have_defaults() -> None:
    class Whole(BaseModel):
        name: str = "x"
        settings: Settings = Settings(n=5)

    sections = Sections.of(Whole())
    assert sections.get(Settings).n == 5
    assert sections.get(Other) == Other()


def test_what_is_there_is_reused_and_what_is_not_is_built(space: Workspace) -> None:
    assert COUNT.find(Inputs.of(space)) is None
    ref = run_stage(COUNT, Inputs.of(space))
    assert ArtifactStore(space.artifacts).read(ref, "numbers").num_rows == 3
    assert COUNT.find(Inputs.of(space)) == run_stage(COUNT, Inputs.of(space, Settings())) == ref
    assert run_stage(COUNT, Inputs.of(space, Settings(n=4))) != ref


def test_a_stage_whose_artifact_is_given_has_nothing_to_do(space: Workspace) -> None:
    given = ArtifactRef(stage="count", key="k", digest="d")
    assert run_stage(COUNT, Inputs.of(space, given)) == given


def test_the_key_holds_the_inputs_in_order_and_those_that_settings_add(space: Workspace) -> None:
    count = run_stage(COUNT, Inputs.of(space))
    assert AFTER.open(Inputs.of(space, count)).inputs == (count,)
    assert AFTER.open(Inputs.of(space, EXTRA, count, LATE)).inputs == (count, EXTRA)
    on = Inputs.of(space, LATE, Other(is_on=True), count)
    assert AFTER.open(on).inputs == (count, LATE)
    assert AFTER.reads(on.sections) == ("count", "extra", "late")


@pytest.mark.parametrize(("given", "missing"), [((), "count"), ((COUNT, Other(is_on=True)), "late")])
def test_an_artifact_that_is_needed_and_not_given_is_named(space: Workspace, given: tuple[object, ...], missing: str):
    parts = [run_stage(COUNT, Inputs.of(space)) if part is COUNT else part for part in given]
    with pytest.raises(StageError, match=f"stage {missing} is needed"):
        run_stage(AFTER, Inputs.of(space, *parts))  # type: ignore[arg-type]


def test_what_is_held_open_is_closed_when_the_stage_is_done(space: Workspace) -> None:
    seen: list[object] = []

    @contextmanager
    def hold(inputs: Inputs) -> Iterator[Inputs]:
        seen.append("opened")
        yield replace(inputs, held="a listing")
        seen.append("closed")

    def built(stage: Stage, inputs: Inputs) -> ArtifactRef:
        seen.append(inputs.held)
        return build(stage, inputs)

    run_stage(replace(COUNT, hold=hold, build=built), Inputs.of(space))
    assert seen == ["opened", "a listing", "closed"]


def test_what_spark_raises_is_typed(space: Workspace) -> None:
    from py4j.protocol import Py4JNetworkError
    from pyspark.errors import PythonException

    def raising(error: Exception) -> StageDef:
        def fail(_stage: Stage, _inputs: Inputs) -> ArtifactRef:
            raise error

        return replace(COUNT, build=fail)

    with pytest.raises(StageError, match="a Spark job failed") as caught:
        run_stage(raising(PythonException("java.lang.SomeError: it ended")), Inputs.of(space))
    assert not isinstance(caught.value, SparkLostError)
    for lost in (
        Py4JNetworkError("Answer from Java side is empty"),
        PythonException("Job aborted: ExecutorLostFailure (executor 1 exited)"),
    ):
        with pytest.raises(SparkLostError):
            run_stage(raising(lost), Inputs.of(space))
    with pytest.raises(ZeroDivisionError):
        run_stage(raising(ZeroDivisionError()), Inputs.of(space))
