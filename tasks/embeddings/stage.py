"""The embeddings stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Makes a vector for every node of a graph; the graph's summary is used where it makes products cheaper.

    Raises:
        GraphError: if the graph is empty, or a vector comes out zero or not finite.
        ConfigError: if a feature or a kind of edge is not in the graph.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.embeddings.build import build_artifact

    summary = inputs.refs.get("summary")
    return build_artifact(stage, inputs.ref("lakegraph"), summary, inputs.section(EmbeddingsConfig))


EMBEDDINGS = StageDef(
    name="embeddings",
    version=1,
    contracts=CONTRACTS,
    requires=("lakegraph", "summary"),
    may_lack=("summary",),
    # the way that products go follows from the inputs and the config
    key_parts=lambda inputs: KeyParts(inputs.section(EmbeddingsConfig).result_part()),
    build=_build,
    packages=("scipy",),
)
