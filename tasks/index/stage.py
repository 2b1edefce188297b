"""The index stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.connectors.errors import StageError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.definition import Inputs, KeyParts, Sections, StageDef
from lakebed.tasks.runtime.stage import Stage


def _further(sections: Sections) -> tuple[str, ...]:
    """The links artifact, where the index takes its vectors from there."""
    return () if sections.get(IndexConfig).vectors == "fastrp" else ("links",)


def _key_parts(inputs: Inputs) -> KeyParts:
    """The key follows from the inputs' digests and the config.

    Raises:
        StageError: if the config wants vectors of a link predictor and none is given.
    """
    config = inputs.section(IndexConfig)
    if config.vectors != "fastrp" and "links" not in inputs.refs:
        raise StageError(
            "the index is to be built from vectors of the link predictor, and there is none",
            value=config.vectors,
            expected="a links artifact of the same lake graph",
            hint='lakebed run --to index trains one, or set index.vectors = "fastrp"',
        )
    return KeyParts(config)


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Builds the index over the graph's vectors.

    Raises:
        GraphError: if a vector has NaN or infinity, or no direction; if nothing is there to index.
        ContractError: if the result breaks its contract.
        ArtifactError: if an input is damaged, or the index cannot be written.
    """
    from lakebed.tasks.index.build import build_artifact

    links = inputs.ref("links") if _further(inputs.sections) else None
    refs = (inputs.ref("lakegraph"), inputs.ref("embeddings"), links)
    share = inputs.section(IncrementalConfig).changed_share
    return build_artifact(stage, refs, inputs.workspace, inputs.section(IndexConfig), share)


def _may_start(stage: Stage, inputs: Inputs) -> bool:
    """Where vectors stay near where they were, a graph is made of them, and it is large enough for that to pay."""
    config, graph = inputs.section(IndexConfig), stage.store.peek("lakegraph", inputs.ref("lakegraph").key)
    if graph is None or (config.vectors, config.storage) != ("fastrp", "float32"):
        return False
    least = inputs.section(IncrementalConfig).least_edges
    return graph.tables["edges"].n_rows >= least and graph.tables["nodes"].n_rows > config.max_flat


INDEX = StageDef(
    name="index",
    version=6,
    contracts=CONTRACTS,
    requires=("lakegraph", "embeddings"),
    further=_further,
    key_parts=_key_parts,
    build=_build,
    may_start=_may_start,
    packages=("hnswlib",),
)
