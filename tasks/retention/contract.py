"""The tables that the retention stage publishes; money is in the config's currency, a period is a month."""

import pyarrow as pa

from lakebed.tasks.containment.contract import SEMANTICS
from lakebed.tasks.runtime.contract import AtLeast, AtMost, Column, Contract, OneOf

DECISIONS_MADE = ("keep", "delete")
REASONS = (
    "rebuilt", "parent", "cost", "no_kept_parent", "no_recipe", "latency", "lesser_keeper", "attributes",
    "coincidental", "by_definition", "legal_hold", "veto", "streaming", "outside_lake", "database_table",
    "iceberg_table", "other_format", "not_contained", "not_yet_verified",
)  # fmt: skip
STATUSES = (
    "chosen", "verified", "untried", "refused", "latency", "lesser_keeper", "attributes", "coincidental",
    "by_definition", "pinned", "database_table", "other_format", "not_yet_verified",
)  # fmt: skip
SIGNALS = ("zone", "use", "name", "format", "history")
SOURCES = ("containment", "relations")
KNOWN_KINDS = ("trial", "file")
METHODS = ("local", "tree", "ilp", "greedy")

COUNT = (AtLeast(0),)
MONEY = (AtLeast(0.0),)
SHARE = (AtLeast(0.0), AtMost(1.0))

_TABLE_ID = Column("table_id", pa.int32(), "The table's table_id in the inventory.", checks=COUNT)
_NAME = Column("name", pa.string(), "Name of the table.")
_N_BYTES = Column("n_bytes", pa.int64(), "Size of the table's files.", unit="bytes", checks=COUNT)

DECISIONS = Contract(
    name="retention.decisions",
    version=2,
    meaning="What is to become of each table, and why.",
    columns=(
        _TABLE_ID,
        _NAME,
        Column("decision", pa.string(), "Whether it is kept or deleted.", checks=(OneOf(DECISIONS_MADE),)),
        Column("reason", pa.string(), "Code of the reason.", checks=(OneOf(REASONS),)),
        Column("why", pa.string(), "The reason in words."),
        Column("n_rows", pa.int64(), "Rows of the table.", unit="rows", checks=COUNT),
        _N_BYTES,
        Column("n_accesses", pa.float64(), "Expected accesses.", unit="a month", checks=MONEY),
        Column("storage_cost", pa.float64(), "Of storing it.", unit="money a month", checks=MONEY),
        Column("maintenance_cost", pa.float64(), "Of rewriting it in maintenance.", unit="money a month", checks=MONEY),
        Column("read_cost", pa.float64(), "Of reading it where it is kept.", unit="money a month", checks=MONEY),
        Column("rebuild_cost", pa.float64(), "Of rebuilding it at each access, where it is deleted.",
               unit="money a month", nullable=True, checks=MONEY),
        Column("saving", pa.float64(), "What its deletion saves; 0 where it is kept.", unit="money a month",
               checks=MONEY),
        Column("rebuild_s", pa.float64(), "Estimate of one rebuild, where it is deleted.", unit="s", nullable=True,
               checks=MONEY),
        Column("parents", pa.list_(pa.string()), "Tables that it is rebuilt from; none where it is kept."),
        Column("needed_by", pa.list_(pa.string()), "Deleted tables that are rebuilt from it."),
        Column("rank", pa.string(), "What ranks it among its copies, but its history, in words."),
    ),
    key=("table_id",),
)  # fmt: skip

COPIES = Contract(
    name="retention.copies",
    version=1,
    meaning="Groups of tables of the same rows and columns: which of each stays, and by which signal.",
    columns=(
        Column("group", pa.int32(), "Number of the group.", checks=COUNT),
        _TABLE_ID,
        _NAME,
        Column("decision", pa.string(), "Whether it is kept or deleted.", checks=(OneOf(DECISIONS_MADE),)),
        Column("keeper", pa.string(), "The best in rank of those that stay, or of all where none does."),
        Column("signal", pa.string(), "What decides between it and the keeper; `cost` where nothing ranks them.",
               checks=(OneOf((*SIGNALS, "cost")),)),
        Column("why", pa.string(), "The same in words."),
        Column("first_written_ns", pa.int64(), "Time of its first commit or oldest file; null where unknown.",
               unit="ns since 1970 UTC", nullable=True, is_digested=False),
    ),
    key=("table_id",),
)  # fmt: skip

OPTIONS = Contract(
    name="retention.options",
    version=2,
    meaning="Each proven containment as a way to rebuild its child, and what came of it.",
    columns=(
        Column("child_id", pa.int32(), "The child's table_id in the inventory.", checks=COUNT),
        Column("parent_id", pa.int32(), "The parent's table_id in the inventory.", checks=COUNT),
        Column("child", pa.string(), "Name of the contained table."),
        Column("parent", pa.string(), "Name of the containing table."),
        Column("status", pa.string(), "How far it came.", checks=(OneOf(STATUSES),)),
        Column("reason", pa.string(), "Why no further; empty where nothing stood against it."),
        Column("rebuild_cost", pa.float64(), "Of rebuilding the child over it at each access.", unit="money a month",
               checks=MONEY),
        Column("rebuild_s", pa.float64(), "Estimate of one rebuild.", unit="s", checks=MONEY),
        Column("shape", pa.string(), "Shape of the recipe's row selector.", nullable=True),
    ),
    key=("child_id", "parent_id"),
)  # fmt: skip

REBUILDS = Contract(
    name="retention.rebuilds",
    version=1,
    meaning="How each table planned for deletion is rebuilt; each recipe was run and its result found equal.",
    columns=(
        Column("child_id", pa.int32(), "The child's table_id in the inventory.", checks=COUNT),
        Column("child", pa.string(), "Name of the table."),
        Column("parents", pa.list_(pa.string()), "Tables that it is rebuilt from."),
        Column("shape", pa.string(), "Shape of the row selector."),
        Column("recipe", pa.string(), "The recipe, as JSON."),
        Column("sql", pa.string(), "The same as SQL.", is_digested=False),
        Column("pyspark", pa.string(), "The same as a PySpark snippet.", is_digested=False),
        Column("view", pa.string(), "The same as a view definition; empty where there is none.", is_digested=False),
        Column("order", pa.string(), "What becomes of the row order."),
        Column("original_hash", pa.string(), "Strict multiset hash of the rows, original and rebuilt."),
        Column("n_rows", pa.int64(), "Rows of the table.", unit="rows", checks=COUNT),
        Column("stored_bytes", pa.int64(), "Row numbers kept with the recipe.", unit="bytes", checks=COUNT),
        Column("source", pa.string(), "Stage that proved it.", checks=(OneOf(SOURCES),)),
        Column("semantics", pa.string(), "Whether multiplicities counted in the proof.", checks=(OneOf(SEMANTICS),)),
        Column("certificate_sha256", pa.string(), "SHA-256 of the containment's certificate."),
        Column("verified_s", pa.float64(), "Time of the rebuild that was compared.", unit="s", is_digested=False,
               checks=MONEY),
    ),
    key=("child_id",),
)  # fmt: skip

SAVINGS_CURVE = Contract(
    name="retention.savings_curve",
    version=1,
    meaning="What may be saved where no rebuild takes longer; recipes that were not tried count as usable.",
    columns=(
        Column("position", pa.int32(), "Order of the point.", checks=COUNT),
        Column("budget_s", pa.float64(), "Longest rebuild that is allowed.", unit="s", checks=MONEY),
        Column("saving", pa.float64(), "What is saved.", unit="money a month", checks=MONEY),
        Column("n_deleted", pa.int32(), "Tables deleted.", unit="tables", checks=COUNT),
        Column("bytes_deleted", pa.int64(), "Their size.", unit="bytes", checks=COUNT),
        Column("slowest_s", pa.float64(), "Longest rebuild of the choice.", unit="s", checks=MONEY),
        Column("gap", pa.float64(), "Relative distance to the proven bound.", checks=SHARE),
    ),
    key=("position",),
)

SOLVER = Contract(
    name="retention.solver",
    version=1,
    meaning="How each connected part of the problem was solved.",
    columns=(
        Column("component", pa.int32(), "Number of the part.", checks=COUNT),
        Column("method", pa.string(), "What solved it.", checks=(OneOf(METHODS),)),
        Column("n_tables", pa.int32(), "Tables in it.", unit="tables", checks=COUNT),
        Column("n_edges", pa.int32(), "Edges in it.", unit="edges", checks=COUNT),
        Column("cost", pa.float64(), "Cost of the choice.", unit="money a month", checks=MONEY),
        Column("bound", pa.float64(), "Proven lower bound of the cost.", unit="money a month", checks=MONEY),
        Column("gap", pa.float64(), "Relative distance between them.", checks=SHARE),
        Column("seconds", pa.float64(), "Time it took.", unit="s", is_digested=False, checks=MONEY),
    ),
    key=("component",),
)

BASELINE = Contract(
    name="retention.baseline",
    version=1,
    meaning="Tables whose data files are byte for byte those of another: what a search for duplicate files would find.",
    columns=(
        Column("group", pa.int32(), "Number of the group of equal tables.", checks=COUNT),
        _TABLE_ID,
        _NAME,
        Column("is_kept", pa.bool_(), "Whether it is the one that stays, or may not go."),
        _N_BYTES,
        Column(
            "saving", pa.float64(), "Storage and maintenance of a table that goes.", unit="money a month", checks=MONEY
        ),
    ),
    key=("table_id",),
)

KNOWN = Contract(
    name="retention.known",
    version=1,
    meaning="What this run found out of pairs of tables and of files, for the next run: none of it is content.",
    columns=(
        Column(
            "kind", pa.string(), "A rebuild that was tried, or a file that was digested.", checks=(OneOf(KNOWN_KINDS),)
        ),
        Column("identity", pa.string(), "SHA-256 of what it holds for.", is_digested=False),
        Column("value", pa.string(), "The outcome as JSON, or the file's SHA-256.", is_digested=False),
    ),
    key=("kind", "identity"),
)

CONTRACTS = {
    "decisions": DECISIONS,
    "copies": COPIES,
    "options": OPTIONS,
    "rebuilds": REBUILDS,
    "savings_curve": SAVINGS_CURVE,
    "solver": SOLVER,
    "baseline": BASELINE,
    "known": KNOWN,
}
