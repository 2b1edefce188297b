"""How edges are split, which rungs are trained and how, and what is measured."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from lakebed.connectors.config import FrozenConfig

Rung = Literal[
    "common_neighbours",
    "adamic_adar",
    "resource_allocation",
    "overlap",
    "best_columns",
    "fastrp_cosine",
    "fastrp_features_cosine",
    "smoothed_one_hop",
    "smoothed_two_hops",
    "metapath",
    "logistic",
    "gcn",
    "sage",
    "listwise",
    "stack",
]
RUNGS: tuple[Rung, ...] = get_args(Rung)


class SplitConfig(FrozenConfig):
    """Shares of the edges and of what they are compared with."""

    valid_share: float = Field(0.05, gt=0.0, lt=0.5, description="Share of the edges kept for validation.")
    test_share: float = Field(0.10, gt=0.0, lt=0.5, description="Share of the edges kept for the test.")
    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of the split and of the negatives.")

    @model_validator(mode="after")
    def _leave_edges_to_train(self) -> "SplitConfig":
        if self.valid_share + self.test_share >= 0.8:
            raise ValueError("expected at least a fifth of the edges to be left for training")
        return self


class GnnConfig(FrozenConfig):
    """The networks and their training."""

    n_hidden: int = Field(128, ge=1, le=4096, description="Columns of each layer.")
    n_layers: int = Field(2, ge=1, le=8, description="Layers.")
    dropout: float = Field(0.5, ge=0.0, lt=1.0, description="Share of each layer's inputs that is dropped in training.")
    n_epochs: int = Field(200, ge=1, le=100_000, description="Epochs at most.")
    patience: int = Field(100, ge=1, le=100_000, description="Epochs without a better validation score before the end.")
    learning_rate: float = Field(0.01, gt=0.0, le=1.0, description="Of Adam.")
    weight_decay: float = Field(0.0, ge=0.0, le=1.0, description="Of Adam.")
    max_full_batch_edges: int = Field(
        5_000_000, ge=0, le=1 << 40, description="Training edges up to which an epoch is one step on the whole graph."
    )
    batch_edges: int = Field(8192, ge=1, le=1 << 30, description="Positive edges of a mini-batch.")
    n_sampled: int = Field(10, ge=1, le=10_000, description="Neighbours sampled of a node and layer in a mini-batch.")
    reweight_alpha: float = Field(
        0.0, ge=0.0, le=100.0, description="Strength of edge re-weighting (Wang et al. 2024); 0 leaves weights alone."
    )
    reweight_warm_up: int = Field(50, ge=0, le=100_000, description="Epochs before the first re-weighting.")
    reweight_every: int = Field(20, ge=1, le=100_000, description="Epochs between re-weightings.")
    n_threads: int = Field(1, ge=1, le=1024, description="Threads of torch; part of what a resumed run must share.")
    checkpoint_every: int = Field(10, ge=1, le=100_000, description="Epochs between checkpoints.")
    allow_drift: bool = Field(
        False, description="Whether a checkpoint of another config, data, machine or library may be gone on from."
    )


class LakeLinksConfig(FrozenConfig):
    """Which pairs of columns and tables count as linked, on a graph of tables, columns and values."""

    held_share: float = Field(0.3, gt=0.0, lt=0.9, description="Share of the values that is held out of the graph.")
    min_shared: int = Field(2, ge=1, le=1_000_000, description="Held-out values that two linked columns share.")
    min_overlap: float = Field(
        0.5, gt=0.0, le=1.0, description="Share of the smaller column's held-out values that the other one has."
    )
    max_value_columns: int = Field(
        100, ge=2, le=100_000, description="Columns of a value up to which it can define links; flags define none."
    )
    max_pairs: int = Field(20_000, ge=100, le=100_000_000, description="Linked pairs at most, drawn by the seed.")


class LinksConfig(FrozenConfig):
    """The links stage."""

    rungs: tuple[Rung, ...] = Field(RUNGS, min_length=1, description="Rungs that are scored, of the ladder in order.")
    split: SplitConfig = Field(default_factory=SplitConfig, description="How edges are split.")
    gnn: GnnConfig = Field(default_factory=GnnConfig, description="The networks.")
    lake: LakeLinksConfig = Field(default_factory=LakeLinksConfig, description="What is linked in a lake graph.")
    max_summary_edges: int = Field(
        500_000,
        ge=0,
        le=1 << 40,
        description="Edges up to which the graph that training reads is summarised, so that products may run on that.",
    )
    n_candidates: int = Field(
        20, ge=1, le=10_000, description="Nearest and two-hop partners of a node that are tried as missing links, each."
    )
    n_predictions: int = Field(1000, ge=0, le=10_000_000, description="Likeliest missing links that are kept.")
    n_hops: int = Field(2, ge=0, le=8, description="Products with the transition matrix that smooth node features.")
    projection_columns: int = Field(256, ge=8, le=4096, description="Columns of the FastRP vectors of the ladder.")
    max_feature_columns: int = Field(
        4096, ge=8, le=65_536, description="Feature columns kept as they are; more are hash-projected to so many."
    )
    feature_memory_bytes: int = Field(
        1 << 30,
        ge=0,
        le=1 << 50,
        description="Bytes of the vectors that networks read held in memory; beyond these they lie in a file.",
    )
    n_folds: int = Field(5, ge=2, le=50, description="Folds of the validation pairs that stack and calibration share.")
    n_tails: int = Field(
        500,
        ge=1,
        le=100_000,
        description="Negative tails of each test edge, for MRR; as many hard ones, half of either end.",
    )
    hits_at: tuple[int, ...] = Field((10, 50), min_length=1, description="K of Hits@K.")
    recall_at: int = Field(20, ge=1, le=10_000, description="K of the recall of each node.")
    max_cells: int = Field(
        1 << 24,
        ge=1 << 10,
        le=1 << 40,
        description="Numbers, nodes times columns, of one matrix of node rows; larger graphs get fewer columns.",
    )
    max_node_epochs: int = Field(
        5_000_000,
        ge=1,
        le=1 << 50,
        description="Nodes times epochs of one training; larger graphs are trained for fewer epochs, 10 at least.",
    )

    def for_graph(self, n_nodes: int) -> "LinksConfig":
        """The same config within the bounds that a graph of so many nodes leaves."""
        n_columns = max(8, self.max_cells // max(n_nodes, 1) // 8 * 8)
        n_epochs = max(10, self.max_node_epochs // max(n_nodes, 1))
        gnn = self.gnn.model_copy(
            update={
                "n_hidden": min(self.gnn.n_hidden, n_columns),
                "n_epochs": min(self.gnn.n_epochs, n_epochs),
            }
        )
        return self.model_copy(
            update={
                "gnn": gnn,
                "projection_columns": min(self.projection_columns, n_columns),
                "max_feature_columns": min(self.max_feature_columns, n_columns),
            }
        )

    def in_key(self) -> "LinksConfig":
        """The config without what has no effect on a training that runs to its end."""
        gnn = self.gnn.model_copy(update={"allow_drift": False, "checkpoint_every": 10})
        default = LinksConfig.model_fields["feature_memory_bytes"].default
        return self.model_copy(update={"gnn": gnn, "feature_memory_bytes": default})
