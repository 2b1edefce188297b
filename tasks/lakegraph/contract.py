"""What the lakegraph artifact holds.

Node ids are dense and in the order of the keys' code points, so that a graph of the same keys has the same ids whatever
made it. A key starts with its kind, so no two kinds meet: `table:` and the name; `column:` and the JSON text of the
list of table name and path; `node:name:` and the JSON text of a path that several tables have; `value:` and 16 hex
digits of the value's hash. Of an edge table: `node:`, the text of the key and its hash.
"""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMostColumn, Column, Contract, OneOf, by_name

VERSION = 1
NODE_KINDS = ("column", "node", "table", "value")
VALUE_KINDS = ("float", "int", "none", "text")
EDGE_KINDS = ("column_name", "column_value", "edge", "table_column")

_NODE_ID = Column("node_id", pa.int64(), "number of the node, dense, by key order", checks=(AtLeast(0),))

NODES = Contract(
    name="nodes",
    version=VERSION,
    meaning="The vertices of the graph, in the order of their ids.",
    columns=(
        _NODE_ID,
        Column("kind", pa.string(), "what the node stands for", checks=(OneOf(NODE_KINDS),)),
        Column("key", pa.string(), "names the node in every lake; starts with its kind"),
        Column("label", pa.string(), "what people read; need not be unique"),
    ),
    key=("node_id",),
)

EDGES = Contract(
    name="edges",
    version=VERSION,
    meaning="The undirected edges, each once, source < target, ascending by (source, target); no loops.",
    columns=(
        Column("source", pa.int64(), "the lesser node", checks=(AtLeast(0),)),
        Column("target", pa.int64(), "the greater node", checks=(AtLeast(1),)),
        Column("weight", pa.float32(), "1 unless values are damped or weights were read", checks=(AtLeast(0.0),)),
        Column("kind", pa.string(), "what the edge stands for", checks=(OneOf(EDGE_KINDS),)),
    ),
    key=("source", "target"),
    checks=(AtMostColumn("source", "target"),),
)

GRAPH_COLUMNS = Contract(
    name="graph_columns",
    version=VERSION,
    meaning="What each column of the lake brought into the graph; empty for a graph made of an edge table.",
    columns=(
        _NODE_ID,
        Column("table_node", pa.int64(), "node of the column's table", checks=(AtLeast(0),)),
        Column("token", pa.string(), "JSON text of the path that leads to the leaf column"),
        Column("n_distinct", pa.int64(), "distinct values; an estimate where threshold is not null", unit="values",
               checks=(AtLeast(0),)),
        Column("n_sampled", pa.int64(), "distinct values that took part", unit="values", checks=(AtLeast(0),)),
        Column("n_shared", pa.int64(), "of these, those with a node: that stand in another column too", unit="values",
               checks=(AtLeast(0),)),
        Column("threshold", pa.binary(), "greatest value hash kept, 8 bytes big-endian; null: all values were kept",
               nullable=True),
        Column("sketch", pa.binary(), "the least value hashes, at most 64, 8 bytes big-endian each, ascending"),
        Column("left_out", pa.string(), "why the column's values took no part; empty where they did"),
    ),
    key=("node_id",),
)  # fmt: skip

COLUMN_VALUES = Contract(
    name="column_values",
    version=VERSION,
    meaning="What search and keys compare of each column: its folded values, some as text, and counts.",
    columns=(
        _NODE_ID,
        Column("position", pa.int32(), "place of the column in the table's schema", checks=(AtLeast(0),)),
        Column("n_rows", pa.int64(), "rows of the table", unit="rows", checks=(AtLeast(0),)),
        Column("n_filled", pa.int64(), "cells that are neither null nor an empty text", unit="cells",
               checks=(AtLeast(0),)),
        Column("value_kind", pa.string(), "what all its values are, text that is a number being one",
               checks=(OneOf(VALUE_KINDS),)),
        Column("low", pa.float64(), "least number, where all values are", nullable=True),
        Column("high", pa.float64(), "greatest number, where all values are", nullable=True),
        Column("n_folded", pa.int64(), "distinct folded values; an estimate where threshold is not null",
               unit="values", checks=(AtLeast(0),)),
        Column("threshold", pa.binary(), "greatest folded hash kept, 8 bytes big-endian; null: all were kept",
               nullable=True),
        Column("folded", pa.binary(), "hashes of the folded values, 8 bytes big-endian each, ascending"),
        Column("texts", pa.list_(pa.string()), "values of the least hashes as text, cut to 80 characters; at most 256 "
               "of text, 64 of else"),
    ),
    key=("node_id",),
)  # fmt: skip

CONTRACTS = by_name(NODES, EDGES, GRAPH_COLUMNS, COLUMN_VALUES)
