"""What the inventory artifact holds.

Bounds are `order_key` bytes of `lakebed.tasks.encoding.order_keys`; null means unknown, which gives no verdict. The
true minimum m of a column (over cells that are neither null nor NaN) satisfies min_lower ≤ m ≤ min_upper, the true
maximum M satisfies max_lower ≤ M ≤ max_upper.
"""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, Column, Contract, Matches, OneOf, by_name

VERSION = 1
FORMATS = (
    "parquet", "delta", "iceberg", "csv", "json", "avro", "orc", "arrow", "sqlite", "spreadsheet", "duckdb",
    "postgresql", "mariadb", "sqlserver", "catalog", "hudi",
)  # fmt: skip
READ_VIA = ("arrow", "spark", "staged", "iceberg")
TIGHTNESS = ("tight", "wide", "cut", "none")
TYPE_CLASSES = (
    "null", "bool", "number", "string", "binary", "date", "timestamp", "time", "duration", "nested",
)  # fmt: skip

_TABLE_ID = Column("table_id", pa.int32(), "number of the table, dense, by name order", checks=(AtLeast(0),))
_TOKEN = Column("token", pa.string(), "JSON text of the path that leads to the leaf column")
_N_BYTES = Column("n_bytes", pa.int64(), "size of the files", unit="bytes", checks=(AtLeast(0),))

TABLES = Contract(
    name="tables",
    version=VERSION,
    meaning="The tables of the lake that can be read.",
    columns=(
        _TABLE_ID,
        Column("name", pa.string(), "path relative to the lake root without the file ending"),
        Column("path", pa.string(), "folder or file of the table, relative to the lake root"),
        Column("format", pa.string(), "how the files are written", checks=(OneOf(FORMATS),)),
        Column("n_files", pa.int32(), "number of data files", checks=(AtLeast(0),)),
        Column("n_rows", pa.int64(), "number of rows", checks=(AtLeast(0),)),
        _N_BYTES,
        Column("n_columns", pa.int32(), "number of leaf columns", checks=(AtLeast(0),)),
        Column("schema_digest", pa.string(), "SHA-256 of the sorted tokens", checks=(Matches("[0-9a-f]{64}"),)),
        Column("delta_version", pa.int64(), "version of the Delta table", nullable=True),
        Column("read_via", pa.string(),
               "how rows are read: files as they lie, through a Delta log or Iceberg's metadata, staged copies",
               checks=(OneOf(READ_VIA),)),
        Column("partition_columns", pa.list_(pa.string()), "tokens of the partition columns, in path order"),
    ),
    key=("table_id",),
)  # fmt: skip

COLUMNS = Contract(
    name="columns",
    version=VERSION,
    meaning="The leaf columns of each table with the bounds of their values.",
    columns=(
        _TABLE_ID,
        Column("position", pa.int32(), "place of the leaf in the table's schema", checks=(AtLeast(0),)),
        _TOKEN,
        Column("type", pa.string(), "Arrow type of the values"),
        Column("type_class", pa.string(), "class within which values are compared", checks=(OneOf(TYPE_CLASSES),)),
        Column("n_nulls", pa.int64(), "null cells; null where unknown", nullable=True, checks=(AtLeast(0),)),
        Column("min_lower", pa.binary(), "order key at or below the minimum", nullable=True),
        Column("min_upper", pa.binary(), "order key at or above the minimum", nullable=True),
        Column("max_lower", pa.binary(), "order key at or below the maximum", nullable=True),
        Column("max_upper", pa.binary(), "order key at or above the maximum", nullable=True),
        Column("min_text", pa.string(), "least stored bound, for people", nullable=True),
        Column("max_text", pa.string(), "greatest stored bound, for people", nullable=True),
        Column("tightness", pa.string(), "whether the bounds are attained", checks=(OneOf(TIGHTNESS),)),
        Column("is_partition", pa.bool_(), "whether the value stands in the path"),
        Column("n_bytes", pa.int64(), "compressed size of the column; null where unknown", unit="bytes",
               nullable=True, checks=(AtLeast(0),)),
    ),
    key=("table_id", "token"),
)  # fmt: skip

FILES = Contract(
    name="files",
    version=VERSION,
    meaning="The data files of each table.",
    columns=(
        _TABLE_ID,
        Column("file_id", pa.int32(), "number of the file within its table, by path order", checks=(AtLeast(0),)),
        Column("path", pa.string(), "path relative to the lake root"),
        Column("size", pa.int64(), "size of the file", unit="bytes", checks=(AtLeast(0),)),
        Column("n_rows", pa.int64(), "live rows", checks=(AtLeast(0),)),
        Column("row_group_rows", pa.list_(pa.int64()), "rows of each row group; empty where unknown"),
        Column("row_group_bytes", pa.list_(pa.int64()), "compressed size of each row group", unit="bytes"),
        Column("partition_values", pa.string(), "JSON object: token to text or null"),
        Column("staged_path", pa.string(), "Parquet copy of a file that is staged, relative to the artifact folder",
               nullable=True),
        Column("casts", pa.string(),
               "JSON object: token to how staged cells become values; `iceberg`: how the file of such a table is read"),
        Column("sha256", pa.string(), "digest of the bytes; empty unless every file is digested", is_digested=False),
        Column("mtime_ns", pa.int64(), "time of the last change", unit="ns since 1970 UTC", is_digested=False),
        Column("etag", pa.string(), "the object store's entity tag; empty on local disks", is_digested=False),
    ),
    key=("table_id", "file_id"),
)  # fmt: skip

FILE_BOUNDS = Contract(
    name="file_bounds",
    version=VERSION,
    meaning="Ranges of each file of tables that have more than one; without bounds: no values, or unknown ones.",
    columns=(
        _TABLE_ID,
        Column("file_id", pa.int32(), "number of the file within its table", checks=(AtLeast(0),)),
        _TOKEN,
        Column("min_lower", pa.binary(), "order key at or below every value", nullable=True),
        Column("max_upper", pa.binary(), "order key at or above every value", nullable=True),
        Column("n_nulls", pa.int64(), "null cells; null where unknown", nullable=True, checks=(AtLeast(0),)),
    ),
    key=("table_id", "file_id", "token"),
)

PARTITION_VALUES = Contract(
    name="partition_values",
    version=VERSION,
    meaning="The exact set of values of each partition column.",
    columns=(
        _TABLE_ID,
        _TOKEN,
        Column("value", pa.binary(), "order key; null stands for the null partition", nullable=True),
    ),
    key=("table_id", "token", "value"),
)

UNREADABLE = Contract(
    name="unreadable",
    version=VERSION,
    meaning="What could not be read, and why.",
    columns=(
        Column("name", pa.string(), "table, file or folder"),
        Column("format", pa.string(), "format it was taken for; empty where none"),
        Column("reason", pa.string(), "why it cannot be read"),
        Column("hint", pa.string(), "what to do about it"),
    ),
    key=("name", "format"),
)

CONTRACTS = by_name(TABLES, COLUMNS, FILES, FILE_BOUNDS, PARTITION_VALUES, UNREADABLE)
