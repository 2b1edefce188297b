"""The samples of columns that relations keep for the next run, which reads them of no table that is as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.previous import binaries
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanRows
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.relations.kernel.columns import ColumnSamples
from lakebed.tasks.runtime.previous import FOLDER, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.stage import Stage

KEPT = f"{FOLDER}/values.parquet"


@dataclass(frozen=True)
class KnownValues:
    """What is reused of the previous artifact; nothing where there is none.

    Attributes:
        rows: of SCAN_SCHEMA and kind `values`, as the scan would have given them.
        tables: table_ids of the tables they are of.
        before: names of the tables whose values the previous artifact has sampled; None where there is none.
    """

    rows: pa.Table = field(default_factory=SCAN_SCHEMA.empty_table)
    tables: frozenset[int] = frozenset()
    before: frozenset[str] | None = None


def load_known(stage: Stage, readings: Mapping[int, str], names: Mapping[str, int]) -> KnownValues:
    """The samples of the tables whose reading is that of the previous artifact.

    Args:
        stage: whose artifact is about to be made.
        readings: digest of each table's reading now, by table_id.
        names: table_ids by name.

    Raises:
        ArtifactError: if what was kept is damaged.
    """
    manifest = previous_artifact(stage, [KEPT])
    if manifest is None:
        return KnownValues()
    kept = read_kept(stage.store.storage, f"{manifest.stage}/{manifest.key}/{KEPT}")
    before = frozenset(kept["table"].to_pylist())
    now = pa.array([readings.get(names.get(name, -1)) for name in kept["table"].to_pylist()], pa.string())
    kept = kept.filter(pc.equal(kept["reading"], now))
    rows = ScanRows()
    columns = (kept[name].to_pylist() for name in ("table", "token", "level", "data"))
    for table, token, level, data in zip(*columns, strict=True):
        rows.add("values", names[table], token=token, n_bytes=level, data=data)
    tables = frozenset(names[table] for table in set(kept["table"].to_pylist()))
    return KnownValues(pa.Table.from_batches([rows.batch()]), tables, before)


def save_values(
    storage: Storage,
    folder: str,
    lake: LakeStatistics,
    samples: ColumnSamples,
    readings: Mapping[int, str],
) -> None:
    """Keeps the samples of the tables that have a reading, by table_id, for the next run.

    Args:
        storage: of the artifact root.
        folder: of the artifact, below it.
        lake: the statistics.
        samples: of the lake's columns.
        readings: digest of each table's reading.
    """
    owner = np.repeat(np.arange(len(lake.names)), np.diff(lake.bounds.indptr))
    columns = pa.table(
        {
            "table": pa.array(lake.names, pa.string()).take(pa.array(owner)),
            "token": pa.array(lake.tokens, pa.string()).take(pa.array(lake.bounds.token)),
            "reading": pa.array([readings.get(table) for table in range(len(lake.names))], pa.string()).take(
                pa.array(owner)
            ),
            "level": pa.array(samples.level),
            "data": binaries(samples.indptr * 8, samples.hashes),
        }
    )
    is_kept = pc.and_(pc.is_valid(columns["reading"]), pc.greater_equal(columns["level"], 0))
    write_kept(storage, f"{folder}/{KEPT}", columns.filter(is_kept))
