"""What the topics artifact holds."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMost, Column, Contract, by_name

VERSION = 1

TOPICS = Contract(
    name="topics",
    version=VERSION,
    meaning="The topic of each table of the lake.",
    columns=(
        Column("table_node", pa.int64(), "node of the table in the lake graph", checks=(AtLeast(0),)),
        Column("table", pa.string(), "name of the table"),
        Column("topic", pa.int64(), "number of its topic, the largest first", checks=(AtLeast(0),)),
        Column("path", pa.list_(pa.string()), "names of what lies between the root and the topic, and the topic's own"),
        Column("name", pa.string(), "name of the topic: words that its tables share; that of a single table its own"),
    ),
    key=("table_node",),
)

TOPIC_NODES = Contract(
    name="topic_nodes",
    version=VERSION,
    meaning="The tree of the tables: tables first, each node before the one above it, the root last.",
    columns=(
        Column("node", pa.int64(), "number of the node, dense", checks=(AtLeast(0),)),
        Column("parent", pa.int64(), "node above; -1 of the root", checks=(AtLeast(-1),)),
        Column("height", pa.float64(), "weight between what was merged over pairs of tables; 1 of a table",
               checks=(AtLeast(0.0), AtMost(1.0))),
        Column("n_tables", pa.int64(), "tables below", unit="tables", checks=(AtLeast(1),)),
        Column("topic", pa.int64(), "number of the topic that the node is; -1 of others", checks=(AtLeast(-1),)),
        Column("is_level", pa.bool_(), "whether it is left where each step down at least doubles the height"),
        Column("name", pa.string(), "of topics and levels above them; of a table its name; empty of others"),
    ),
    key=("node",),
)  # fmt: skip

CONTRACTS = by_name(TOPICS, TOPIC_NODES)
