"""What a stage is, and the one way to its artifact: open it under its key, then reuse or build it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel

from lakebed.connectors.errors import StageError
from lakebed.connectors.spark.failures import typed_failure
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.previous import start_stage
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True)
class Sections:
    """Sections of the configuration, found by their type; one that is not given has its defaults."""

    given: tuple[BaseModel, ...] = ()

    @classmethod
    def of(cls, config: BaseModel) -> "Sections":
        """Those of a whole configuration."""
        return cls(tuple(value for _, value in config if isinstance(value, BaseModel)))

    def get(self, kind: type[Section]) -> Section:
        """The section of a type."""
        return next((one for one in self.given if isinstance(one, kind)), None) or kind()


@dataclass(frozen=True)
class Inputs:
    """What a stage is called with.

    Attributes:
        workspace: lake, artifact root and Spark session.
        refs: artifacts, by the name of their stage; a stage whose own is among them has nothing to do.
        sections: of the configuration.
        held: what the stage's `hold` has opened.
    """

    workspace: Workspace
    refs: Mapping[str, ArtifactRef] = field(default_factory=dict)
    sections: Sections = Sections()
    held: object = None

    @classmethod
    def of(cls, workspace: Workspace, *given: BaseModel) -> "Inputs":
        """From artifacts and sections in any order, for calls from Python."""
        refs = [one for one in given if isinstance(one, ArtifactRef)]
        sections = tuple(one for one in given if not isinstance(one, ArtifactRef))
        return cls(workspace, {ref.stage: ref for ref in refs}, Sections(sections))

    def ref(self, stage: str) -> ArtifactRef:
        """The artifact of a stage.

        Raises:
            StageError: if it is not given.
        """
        if stage not in self.refs:
            hint = f"lakebed run --to {stage}, or give it to the call"
            raise StageError(f"an artifact of the stage {stage} is needed", value="none is given", hint=hint)
        return self.refs[stage]

    def with_refs(self, refs: Mapping[str, ArtifactRef]) -> "Inputs":
        """The same with these artifacts."""
        return replace(self, refs=dict(refs))

    def section(self, kind: type[Section]) -> Section:
        """A section of the configuration."""
        return self.sections.get(kind)


@dataclass(frozen=True)
class KeyParts:
    """What decides a stage's key beside its inputs and the version of its code.

    Attributes:
        config: the settings that show in the result.
        identity: what the inputs' digests do not say, such as the identity of the lake's files.
        family: the parts of `identity` that stay as they are when the lake changes.
    """

    config: BaseModel
    identity: tuple[bytes, ...] = ()
    family: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageDef(StageSpec):
    """A stage as one object; the chain is a tuple of them, and whatever lists stages reads that.

    Attributes:
        key_parts: what decides its key.
        build: makes and publishes the artifact; imports what it needs when it is called.
        requires: stages whose artifacts it reads, in the order in which they enter its key.
        may_lack: those of them that a call from Python may leave out.
        further: more such stages, under some settings.
        hold: opens what the stage needs while it is looked up and built, such as a listed lake.
        warm: imports and compiles what `build` needs, while Spark starts.
        may_start: whether, opened, it may go on from its previous artifact, with a result other than a full run's.
        needs_engine: whether building always asks an engine, which takes seconds to start.
        needs_rows: whether the user's suites for tables of the lake must have passed before.
        reads_lake: whether it reads rows or footers of the lake, not artifacts only.
        packages: installed packages that only this stage loads; the record of a run names their versions.
    """

    key_parts: Callable[[Inputs], KeyParts]
    build: Callable[[Stage, Inputs], ArtifactRef]
    requires: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    further: Callable[[Sections], tuple[str, ...]] = lambda _: ()
    hold: Callable[[Inputs], AbstractContextManager[Inputs]] = nullcontext
    warm: Callable[[], object] = lambda: None
    may_start: Callable[[Stage, Inputs], bool] = lambda *_: False
    needs_engine: bool = False
    needs_rows: bool = False
    reads_lake: bool = False
    packages: tuple[str, ...] = ()

    def reads(self, sections: Sections) -> tuple[str, ...]:
        """The stages whose artifacts it reads under these settings."""
        return (*self.requires, *self.further(sections))

    def open(self, inputs: Inputs) -> Stage:
        """The stage under its key.

        Raises:
            StageError: if an artifact that it reads is not given.
        """
        parts = self.key_parts(inputs)
        reads = [name for name in self.reads(inputs.sections) if name in inputs.refs or name not in self.may_lack]
        stage = Stage(
            self,
            inputs=[inputs.ref(name) for name in reads],
            config=parts.config,
            workspace=inputs.workspace,
            identity=parts.identity,
            family=parts.family,
        )
        if self.may_start(stage, inputs):
            start_stage(stage, inputs.section(IncrementalConfig))
        return stage

    def find(self, inputs: Inputs) -> ArtifactRef | None:
        """The artifact, where it is there to be reused."""
        with self.hold(inputs) as held:
            return self.open(held).reuse()


def run_stage(stage: StageDef, inputs: Inputs) -> ArtifactRef:
    """Reuses the artifact of a stage, or builds it.

    Raises:
        LakeError: whatever the stage raises; what Spark raises, as when its JVM died, as a StageError.
    """
    if stage.name in inputs.refs:
        return inputs.refs[stage.name]
    try:
        with stage.hold(inputs) as held:
            opened = stage.open(held)
            return opened.reuse() or stage.build(opened, held)
    except Exception as error:
        typed = typed_failure(error)
        if typed is None:
            raise
        raise typed from error
