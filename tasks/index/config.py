"""How an index is built and how well it must answer."""

from typing import Literal

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

Space = Literal["cosine", "l2"]
Vectors = Literal["fastrp", "gnn", "stack"]
Stored = Literal["float32", "int8"]


class IndexConfig(FrozenConfig):
    """HNSW's parameters (Malkov and Yashunin), the recall wanted, and when exact search is used instead."""

    vectors: Vectors = Field(
        "fastrp",
        description="What is indexed: the embeddings, the vectors of the link predictor's best network, or all of its "
        "rungs side by side; the last two make every run train it.",
    )
    space: Space = Field("cosine", description="Distance: 1 - cosine, or the squared Euclidean one.")
    storage: Stored = Field(
        "float32",
        description="What an index of HNSW holds in memory: the vectors, or a byte for each of their numbers, of which "
        "the nearest are compared again by the vectors on disk.",
    )
    kinds: tuple[Literal["table", "column", "value", "node"], ...] = Field(
        ("table", "column", "node"), min_length=1, description="Nodes that get an index, each kind its own."
    )
    links: int = Field(16, ge=2, le=128, description="HNSW's M: links a vector has on each layer.")
    ef_construction: int = Field(200, ge=8, le=4_096, description="Candidates held while a vector is linked.")
    seed: int = Field(100, ge=0, lt=1 << 31, description="Seed of the layers, and of the order of insertion.")
    recall: float = Field(0.99, ge=0.5, le=1.0, description="Share of the k nearest that must be found, on average.")
    recall_k: int = Field(10, ge=1, le=1_000, description="The k of that recall.")
    tuning_queries: int = Field(256, ge=16, le=10_000, description="Vectors a shard holds out to tune its search on.")
    max_flat: int = Field(50_000, ge=0, le=10_000_000, description="Vectors up to which search is exact, without HNSW.")
    shard_vectors: int = Field(
        500_000, ge=100, le=5_000_000, description="Vectors of one shard at most; each is built by one thread."
    )
    twin_tolerance: float = Field(
        1e-6, ge=0.0, le=0.1, description="Greatest difference of any coordinate at which two vectors are one."
    )
    delta_share: float = Field(
        0.05, gt=0.0, le=1.0, description="Without effect; it is still taken since it is part of the index's key."
    )
