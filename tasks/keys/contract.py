"""What the keys artifact holds."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMost, Column, Contract, by_name

VERSION = 1
SHARE = (AtLeast(0.0), AtMost(1.0))

FOREIGN_KEYS = Contract(
    name="foreign_keys",
    version=VERSION,
    meaning="Columns that refer to a column of another table: of each the likeliest target, never both directions.",
    columns=(
        Column("child_node", pa.int64(), "node of the referring column in the lake graph", checks=(AtLeast(0),)),
        Column("parent_node", pa.int64(), "node of the column referred to", checks=(AtLeast(0),)),
        Column("child", pa.string(), "table of the referring column"),
        Column("column", pa.string(), "its path, steps joined by dots"),
        Column("parent", pa.string(), "table referred to"),
        Column("parent_column", pa.string(), "its path, steps joined by dots"),
        Column("chance", pa.float64(), "that it is a key; a score where the fixed rule decided", checks=SHARE),
        Column("share", pa.float64(), "of the child's distinct values, those that the parent has", checks=SHARE),
        Column("is_across", pa.bool_(), "whether the tables lie in two folders, which is the lesser evidence"),
        Column("is_folded", pa.bool_(), "whether values are equal only once case, blanks and number texts are folded"),
        Column("why", pa.string(), "what speaks for it"),
    ),
    key=("child_node",),
)

PRIMARY_KEYS = Contract(
    name="primary_keys",
    version=VERSION,
    meaning="The columns that identify the rows of a table, where there are such.",
    columns=(
        Column("table", pa.string(), "name of the table"),
        Column("columns", pa.list_(pa.string()), "paths of its columns, in the order of the schema"),
        Column("n_rows", pa.int64(), "rows that they tell apart", unit="rows", checks=(AtLeast(2),)),
    ),
    key=("table",),
)

CONTRACTS = by_name(FOREIGN_KEYS, PRIMARY_KEYS)
