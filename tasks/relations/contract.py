"""The tables that the relations stage publishes."""

import pyarrow as pa

from lakebed.tasks.containment.contract import COUNT, FRACTION, SEMANTICS
from lakebed.tasks.runtime.contract import AtMostColumn, Column, Contract, OneOf, by_name

KINDS = ("union", "partition", "renamed", "near")
EXACT_KINDS = ("union", "partition", "renamed")
STEPS = ("candidates", "proven", "coincidental")
COINCIDENCES = ("chance", "single-column", "low-cardinality", "fragmented")

_KIND = Column("kind", pa.string(), "What relates the two.", checks=(OneOf(EXACT_KINDS),))
_CHILD = Column("child", pa.string(), "Name of the contained table, or of the table that the part is of.")
_CHILD_ID = Column("child_id", pa.int32(), "Its table_id in the inventory.", checks=COUNT)
_PART = Column("child_part", pa.string(), "Partition values or file of the contained part; empty for a whole table.")
_PARENTS = Column("parents", pa.list_(pa.string()), "Names of the tables that hold its rows together.")
_PARENT_IDS = Column("parent_ids", pa.list_(pa.int32()), "Their table_ids, in the same order.")
_MAP = Column(
    "column_map", pa.string(), "JSON object: each column token of the child to the parents' token of the same values."
)
_RELATION = Column("relation_id", pa.int32(), "Number of the row, dense.", checks=COUNT)

PROVEN = Contract(
    name="relations.proven",
    version=1,
    meaning="Proven relations: every row of the child, under the column map, is a row of one of the parents.",
    columns=(
        _RELATION,
        _KIND,
        _CHILD,
        _CHILD_ID,
        _PART,
        _PARENTS,
        _PARENT_IDS,
        _MAP,
        Column("semantics", pa.string(), "Whether multiplicities count.", checks=(OneOf(SEMANTICS),)),
        Column("n_child_rows", pa.int64(), "Rows of the child.", unit="rows", checks=COUNT),
        Column("n_child_distinct", pa.int64(), "Distinct rows of the child.", unit="rows", checks=COUNT),
        Column("n_parents", pa.int32(), "How many parents.", checks=COUNT),
        Column("chance", pa.float64(), "Heuristic chance that the relation is a coincidence.", checks=FRACTION),
        Column("coincidental", pa.bool_(), "Whether it is kept out of plans."),
        Column(
            "coincidental_reason",
            pa.string(),
            "Why it is called coincidental.",
            nullable=True,
            checks=(OneOf(COINCIDENCES),),
        ),
        Column("chance_parts", pa.string(), "The parts of the chance, as JSON."),
        Column("child_bytes", pa.int64(), "Size of the child's files, or of the part's.", unit="bytes", checks=COUNT),
        Column("certificate", pa.string(), "The proof, as JSON; see the page on relations."),
    ),
    key=("relation_id",),
    checks=(AtMostColumn("n_child_distinct", "n_child_rows"),),
)

REFUTED = Contract(
    name="relations.refuted",
    version=1,
    meaning="Candidates that samples proposed and the exact comparison refuted.",
    columns=(
        _RELATION,
        _KIND,
        _CHILD,
        _CHILD_ID,
        _PART,
        _PARENTS,
        _PARENT_IDS,
        _MAP,
        Column("n_child_distinct", pa.int64(), "Distinct rows of the child.", unit="rows", checks=COUNT),
        Column("n_missing", pa.int64(), "Rows of the child that no parent has.", unit="rows", checks=COUNT),
    ),
    key=("relation_id",),
)

NEAR = Contract(
    name="relations.near",
    version=1,
    meaning="Near misses: most distinct rows of the child lie in the parent, by samples; never proven, never planned.",
    columns=(
        Column("child", pa.string(), "Name of the table that nearly lies in the other."),
        Column("parent", pa.string(), "Name of the other."),
        Column("child_id", pa.int32(), "The child's table_id in the inventory.", checks=COUNT),
        Column("parent_id", pa.int32(), "The parent's table_id in the inventory.", checks=COUNT),
        Column("n_compared", pa.int64(), "Distinct rows of the child compared.", unit="rows", checks=COUNT),
        Column("n_missing", pa.int64(), "Of those, rows that the parent lacks.", unit="rows", checks=COUNT),
        Column("fraction", pa.float64(), "Contained share of the child's distinct rows.", checks=FRACTION),
        Column("fraction_low", pa.float64(), "Its lower confidence bound.", checks=FRACTION),
        Column("fraction_high", pa.float64(), "Its upper confidence bound.", checks=FRACTION),
        Column("is_exact", pa.bool_(), "Whether all distinct rows were compared, not a sample."),
        Column("chance", pa.float64(), "Heuristic chance that the likeness is a coincidence.", checks=FRACTION),
        Column("coincidental", pa.bool_(), "Whether that chance is above the threshold."),
    ),
    key=("child_id", "parent_id"),
    checks=(AtMostColumn("n_missing", "n_compared"), AtMostColumn("fraction_low", "fraction_high")),
)

FUNNEL = Contract(
    name="relations.funnel",
    version=1,
    meaning="How many relations of each kind each step left.",
    columns=(
        Column("kind", pa.string(), "Kind of the relation.", checks=(OneOf(KINDS),)),
        Column("step", pa.string(), "Name of the step.", checks=(OneOf(STEPS),)),
        Column("n", pa.int64(), "Relations left after the step.", checks=COUNT),
    ),
    key=("kind", "step"),
)

UNSTABLE = Contract(
    name="relations.unstable",
    version=1,
    meaning="Tables that could not be read or changed meanwhile: their relations are left out.",
    columns=(
        Column("name", pa.string(), "Name of the table."),
        Column("reason", pa.string(), "What happened."),
    ),
    key=("name",),
)

CONTRACTS = by_name(PROVEN, REFUTED, NEAR, FUNNEL, UNSTABLE)
