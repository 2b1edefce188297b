"""The tables that the containment stage publishes."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMost, AtMostColumn, Column, Contract, OneOf, by_name

SEMANTICS = ("set", "bag")
VERDICTS = ("proven", "refuted_by_sketch", "refuted_by_rows", "refuted_by_sample", "passed_sample")
STEPS = ("schema", "min_max", "sketch", "proof")
COINCIDENCES = ("empty", "all-null", "chance")

FRACTION = (AtLeast(0.0), AtMost(1.0))
COUNT = (AtLeast(0),)

EDGES = Contract(
    name="containment.edges",
    version=1,
    meaning="Proven containments: every row of the child, on the child's columns, is a row of the parent.",
    columns=(
        Column("child", pa.string(), "Name of the contained table."),
        Column("parent", pa.string(), "Name of the containing table."),
        Column("child_id", pa.int32(), "The child's table_id in the inventory.", checks=COUNT),
        Column("parent_id", pa.int32(), "The parent's table_id in the inventory.", checks=COUNT),
        Column(
            "semantics",
            pa.string(),
            "Whether multiplicities count (`bag`) or not (`set`).",
            checks=(OneOf(SEMANTICS),),
        ),
        Column("n_child_rows", pa.int64(), "Rows of the child.", unit="rows", checks=COUNT),
        Column("n_child_distinct", pa.int64(), "Distinct rows of the child.", unit="rows", checks=COUNT),
        Column("n_parent_rows", pa.int64(), "Rows of the parent.", unit="rows", checks=COUNT),
        Column(
            "n_parent_distinct",
            pa.int64(),
            "Distinct rows of the parent on the child's columns; unknown where the edge holds by definition.",
            unit="rows",
            nullable=True,
            checks=COUNT,
        ),
        Column("chance", pa.float64(), "Heuristic chance that the containment is a coincidence.", checks=FRACTION),
        Column("coincidental", pa.bool_(), "Whether the edge is kept out of plans."),
        Column(
            "coincidental_reason",
            pa.string(),
            "Why it is called coincidental.",
            nullable=True,
            checks=(OneOf(COINCIDENCES),),
        ),
        Column("chance_parts", pa.string(), "The parts of the chance, as JSON."),
        Column("is_mutual", pa.bool_(), "Whether the parent is contained in the child as well."),
        Column("child_bytes", pa.int64(), "Size of the child's files.", unit="bytes", checks=COUNT),
        Column("certificate", pa.string(), "The proof, as JSON; see the page on containment."),
    ),
    key=("child_id", "parent_id"),
    checks=(AtMostColumn("n_child_distinct", "n_child_rows"),),
)

CANDIDATES = Contract(
    name="containment.candidates",
    version=1,
    meaning="Pairs that reached the content steps and share sampled rows, with their verdict.",
    columns=(
        Column("child_id", pa.int32(), "The child's table_id in the inventory.", checks=COUNT),
        Column("parent_id", pa.int32(), "The parent's table_id in the inventory.", checks=COUNT),
        Column("verdict", pa.string(), "How the pair ended.", checks=(OneOf(VERDICTS),)),
        Column("n_compared", pa.int64(), "Distinct rows of the child compared.", unit="rows", checks=COUNT),
        Column("n_missing", pa.int64(), "Of those, rows that the parent lacks.", unit="rows", checks=COUNT),
        Column("fraction", pa.float64(), "Contained share of the distinct rows.", nullable=True, checks=FRACTION),
        Column("fraction_low", pa.float64(), "Its lower confidence bound.", nullable=True, checks=FRACTION),
        Column("fraction_high", pa.float64(), "Its upper confidence bound.", nullable=True, checks=FRACTION),
    ),
    key=("child_id", "parent_id"),
    checks=(AtMostColumn("n_missing", "n_compared"),),
)

FUNNEL = Contract(
    name="containment.funnel",
    version=1,
    meaning="How many ordered pairs of tables each step left.",
    columns=(
        Column("position", pa.int32(), "Order of the step.", checks=COUNT),
        Column("step", pa.string(), "Name of the step.", checks=(OneOf(STEPS),)),
        Column("n_pairs", pa.int64(), "Ordered pairs left after the step.", unit="pairs", checks=COUNT),
        Column("n_tables", pa.int32(), "Tables in those pairs.", unit="tables", nullable=True, checks=COUNT),
    ),
    key=("position",),
)

UNSTABLE = Contract(
    name="containment.unstable",
    version=1,
    meaning="Tables whose files changed while they were read: their edges are left out.",
    columns=(
        Column("name", pa.string(), "Name of the table."),
        Column("reason", pa.string(), "What changed."),
    ),
    key=("name",),
)

CONTRACTS = by_name(EDGES, CANDIDATES, FUNNEL, UNSTABLE)
