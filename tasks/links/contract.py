"""What the links artifact holds."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMost, Column, Contract, OneOf, by_name

VERSION = 1
SETTINGS = ("random", "hard")
PAIR_KINDS = ("column", "table", "node")
SHARE = (AtLeast(0.0), AtMost(1.0))
_NODE = Column("node_id", pa.int64(), "the node's number in the graph", checks=(AtLeast(0),))

RUNGS = Contract(
    name="links.rungs",
    version=2,
    meaning="How good each rung of the ladder is on the test pairs, beside random others and beside hard ones.",
    columns=(
        Column("position", pa.int32(), "place in the ladder, from 0", checks=(AtLeast(0),)),
        Column("rung", pa.string(), "name of the rung"),
        Column("setting", pa.string(), "what the links are told from", checks=(OneOf(SETTINGS),)),
        Column("metric", pa.string(), "auc, mrr, hits@K, or gain_auc: AUC above the best rung below (random)"),
        Column("value", pa.float64(), "the figure", checks=(AtLeast(-1.0), AtMost(1.0))),
    ),
    key=("rung", "setting", "metric"),
)

NODE_METRICS = Contract(
    name="links.node_metrics",
    version=2,
    meaning="Topology of the nodes that pairs are asked of, and how well each is served.",
    columns=(
        _NODE,
        Column("degree", pa.int64(), "edges in the graph that training reads", unit="edges", checks=(AtLeast(0),)),
        Column("tc", pa.float64(), "topological concentration; not on large graphs", nullable=True, checks=SHARE),
        Column("atc", pa.float64(), "its approximation", checks=(AtLeast(-1.0001), AtMost(1.0001))),
        Column("decile", pa.int32(), "decile of atc, from 0", checks=(AtLeast(0), AtMost(9))),
        Column("train_likeness", pa.float64(), "mean cosine with training partners", nullable=True),
        Column("test_likeness", pa.float64(), "mean cosine with test partners", nullable=True),
        Column("recall", pa.float64(), "share of the test partners among the first K", nullable=True, checks=SHARE),
        Column("mrr_random", pa.float64(), "mean reciprocal rank of its test pairs among random tails, of the stack",
               nullable=True, checks=SHARE),
        Column("mrr_hard", pa.float64(), "the same among hard others, of the listwise stack", nullable=True,
               checks=SHARE),
    ),
    key=("node_id",),
)  # fmt: skip

DECILES = Contract(
    name="links.deciles",
    version=2,
    meaning="Quality by decile of atc, and how test partners differ from those of training.",
    columns=(
        Column("decile", pa.int32(), "decile of atc, from 0", checks=(AtLeast(0), AtMost(9))),
        Column("n_nodes", pa.int64(), "nodes", unit="nodes", checks=(AtLeast(0),)),
        Column("n_measured", pa.int64(), "of these, nodes with test partners", unit="nodes", checks=(AtLeast(0),)),
        Column("atc_mean", pa.float64(), "mean of atc"),
        Column("degree_mean", pa.float64(), "mean degree", unit="edges", checks=(AtLeast(0.0),)),
        Column("recall_mean", pa.float64(), "mean recall", nullable=True, checks=SHARE),
        Column("mrr_random", pa.float64(), "mean over its nodes of that of the same name", nullable=True, checks=SHARE),
        Column("mrr_hard", pa.float64(), "mean over its nodes of that of the same name", nullable=True, checks=SHARE),
        Column("shift", pa.float64(), "mean likeness to training partners less that to test partners", nullable=True),
    ),
    key=("decile",),
)

PREDICTIONS = Contract(
    name="links.predictions",
    version=2,
    meaning="Likely missing links, the likeliest first.",
    columns=(
        Column("rank", pa.int64(), "place in the list, from 1", checks=(AtLeast(1),)),
        Column("source", pa.int64(), "the lesser node", checks=(AtLeast(0),)),
        Column("target", pa.int64(), "the greater node", checks=(AtLeast(0),)),
        Column("kind", pa.string(), "what is linked", checks=(OneOf(PAIR_KINDS),)),
        Column("source_label", pa.string(), "what people read of the source"),
        Column("target_label", pa.string(), "what people read of the target"),
        Column("chance", pa.float64(), "calibrated among pairs as they are told", checks=SHARE),
        Column("evidence", pa.string(), "on a lake the figures of what is shared, else the rungs' scores, as JSON"),
        Column("why", pa.string(), "the reasons, in words"),
    ),
    key=("source", "target"),
)

VECTORS = Contract(
    name="links.vectors",
    version=2,
    meaning="Vectors on the whole graph, of the nodes that pairs are asked of; an index can be built from either.",
    columns=(
        _NODE,
        Column(
            "vector", pa.list_(pa.float32()), "of the network that validated best, of FastRP where none was trained"
        ),
        Column("stacked", pa.list_(pa.float32()), "the rungs side by side, weighted: its cosines are their mean"),
    ),
    key=("node_id",),
)

CONTRACTS = by_name(RUNGS, NODE_METRICS, DECILES, PREDICTIONS, VECTORS)
MODELS, CARD = "models.safetensors", "model_card.md"
