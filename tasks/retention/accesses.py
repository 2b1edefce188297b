"""How often each table is read: from a log, else what the config says."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from lakebed.connectors.delta import read_table
from lakebed.connectors.errors import ConfigError, LakeError
from lakebed.connectors.lake.hidden import DELTA_LOG
from lakebed.connectors.storage import Storage
from lakebed.tasks.retention.config import AccessConfig
from lakebed.tasks.retention.kernel.model import Float64

DAYS_PER_MONTH = 365.25 / 12
_HINT = "check `log`, `table_column` and `count_column` in the retention.accesses section of the config"


@dataclass(frozen=True)
class Accesses:
    """Accesses a month of each table, in the order asked; names of the log that are no table are only counted."""

    n_accesses: Float64
    n_unknown: int


def log_identity(config: AccessConfig) -> str:
    """What the stage's key says of the log: the digest of its bytes, or the version of a Delta table.

    Raises:
        ConfigError: if there is none at its path.
    """
    if not config.log:
        return ""
    folder, _, name = config.log.rstrip("/").rpartition("/")
    storage = Storage.at(folder or ".", ConfigError)
    is_delta = storage.exists(f"{name}/{DELTA_LOG}")
    if not is_delta and storage.stat(name) is not None:
        return hashlib.sha256(storage.read_bytes(name)).hexdigest()
    if not is_delta:
        raise ConfigError(
            "the access log is not there",
            value=config.log,
            expected="a CSV file, a Parquet file or a Delta table",
            hint=_HINT,
        )
    logs = [(file.path, file.size) for file in storage.list_files(f"{name}/{DELTA_LOG}")]
    return hashlib.sha256(repr(logs).encode()).hexdigest()


def table_accesses(names: Sequence[str], config: AccessConfig) -> Accesses:
    """Accesses a month. Tables that the log does not name get the default.

    Raises:
        ConfigError: if the log cannot be read, lacks a column, or has a count that is negative or no number.
    """
    n_accesses = np.full(len(names), config.default_per_month)
    if not config.log:
        return Accesses(n_accesses, 0)
    counts = _counts(_read(config), config)
    place = pc.index_in(counts["table"], value_set=pa.array(names, pa.string()))
    is_known = np.asarray(pc.is_valid(place).to_numpy(zero_copy_only=False))
    known = place.drop_null().to_numpy().astype(np.int64)
    n_accesses[known] = counts["n"].to_numpy()[is_known] * DAYS_PER_MONTH / config.days
    return Accesses(n_accesses, int((~is_known).sum()))


def _read(config: AccessConfig) -> pa.Table:
    """The log's columns that matter."""
    columns = [config.table_column, *([config.count_column] if config.count_column else [])]
    folder, _, name = config.log.rstrip("/").rpartition("/")
    storage = Storage.at(folder or ".", ConfigError)
    try:
        if storage.exists(f"{name}/{DELTA_LOG}"):
            table = read_table(config.log)
        elif name.endswith((".parquet", ".pq")):
            table = pq.read_table(pa.BufferReader(storage.read_bytes(name)))
        else:
            text = pv.ConvertOptions(column_types={config.table_column: pa.string()})
            table = pv.read_csv(pa.BufferReader(storage.read_bytes(name)), convert_options=text)
    except (pa.ArrowException, LakeError) as error:
        raise ConfigError("the access log cannot be read", value=f"{config.log}: {error}", hint=_HINT) from error
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise ConfigError(
            "the access log lacks a column",
            value=", ".join(missing),
            expected=f"one of {', '.join(table.column_names)}",
            hint=_HINT,
        )
    return table.select(columns)


def _counts(log: pa.Table, config: AccessConfig) -> pa.Table:
    """One row a table: `table` and `n`."""
    names = pc.cast(log[config.table_column], pa.string())
    if not config.count_column:
        grouped = pa.table({"table": names}).group_by("table").aggregate([("table", "count")])
        return pa.table({"table": grouped["table"], "n": pc.cast(grouped["table_count"], pa.float64())})
    try:
        n = pc.cast(log[config.count_column], pa.float64())
    except pa.ArrowException as error:
        raise ConfigError("a count of the access log is no number", value=error, hint=_HINT) from error
    bad = pc.invert(pc.fill_null(pc.and_(pc.is_finite(n), pc.greater_equal(n, 0.0)), False))
    if pc.any(bad).as_py():
        raise ConfigError(
            "a count of the access log is missing, negative or not finite",
            value=n.filter(bad)[0].as_py(),
            expected="a number of at least 0",
            hint=_HINT,
        )
    grouped = pa.table({"table": names, "n": n}).group_by("table").aggregate([("n", "sum")])
    return pa.table({"table": grouped["table"], "n": grouped["n_sum"]})
