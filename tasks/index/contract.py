"""What the index artifact holds.

Beside the table lie files: `vectors/<kind>/` is an index folder of each kind of node (see `tasks/index/folder.py`), and
`evidence/` says which columns share which values (see `tasks/index/evidence.py`).
"""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMost, Column, Contract, OneOf, by_name

VERSION = 1
METHODS = ("flat", "hnsw")

INDEXES = Contract(
    name="indexes",
    version=VERSION,
    meaning="The index of each kind of node.",
    columns=(
        Column("kind", pa.string(), "kind of the nodes in it", checks=(OneOf(("column", "node", "table", "value")),)),
        Column("method", pa.string(), "exact search or HNSW", checks=(OneOf(METHODS),)),
        Column("n_items", pa.int64(), "nodes", checks=(AtLeast(0),)),
        Column("n_vectors", pa.int64(), "distinct vectors; the others are twins", checks=(AtLeast(0),)),
        Column("dim", pa.int32(), "numbers of a vector", checks=(AtLeast(1),)),
        Column("n_shards", pa.int32(), "shards", checks=(AtLeast(1),)),
        Column("ef", pa.int32(), "width of the search, of the widest shard; 0 where exact", checks=(AtLeast(0),)),
        Column("recall_target", pa.float64(), "wanted share of the nearest", checks=(AtLeast(0.0), AtMost(1.0))),
        Column("recall", pa.float64(), "share of the nearest found, on distinct vectors held out; 1 where exact",
               checks=(AtLeast(0.0), AtMost(1.0))),
        Column("query_us", pa.float64(), "CPU time of one query for 10 neighbours", unit="µs", is_digested=False,
               checks=(AtLeast(0.0),)),
        Column("build_s", pa.float64(), "CPU time of the build", unit="s", is_digested=False, checks=(AtLeast(0.0),)),
    ),
    key=("kind",),
)  # fmt: skip

CONTRACTS = by_name(INDEXES)
