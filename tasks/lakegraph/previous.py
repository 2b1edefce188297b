"""What a lake graph keeps of each column for the next run, and the columns that that run need not read.

A table all of whose files are as they were, under an equal reading, has the samples that it had. Hashes lie in the
artifact's `column_values` already; what is kept beside are the labels, and the exact hashes where folding changes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.storage import Storage
from lakebed.tasks.lakegraph.kernel.folding import FoldedSample
from lakebed.tasks.lakegraph.kernel.samples import UInt64, ValueSample
from lakebed.tasks.lakegraph.kernel.values import LakeColumn
from lakebed.tasks.lakegraph.value_table import folded_hashes
from lakebed.tasks.runtime.previous import FOLDER, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.stage import Stage

KEPT = f"{FOLDER}/columns.parquet"
N_KEPT = "values_per_column"

_SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("token", pa.string()),
        ("reading", pa.string()),
        ("is_cut", pa.bool_()),
        # null: those of `column_values`
        ("hashes", pa.large_binary()),
        ("labels", pa.large_list(pa.large_string())),
    ]
)


@dataclass(frozen=True)
class KnownColumn:
    """The samples of a column that is not read."""

    sample: ValueSample
    folded: FoldedSample


@dataclass(frozen=True)
class Known:
    """What is reused of the previous artifact; nothing where there is none.

    Attributes:
        columns: by table and token.
        tables: names of the tables that are not read.
        before: names of all tables that the previous artifact had read; None where there is none.
    """

    columns: Mapping[tuple[str, str], KnownColumn] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    before: frozenset[str] | None = None


def load_known(stage: Stage, readings: Mapping[str, str], n_kept: int) -> Known:
    """The columns of the tables whose reading is that of the previous artifact, cut to `n_kept` values.

    Raises:
        ArtifactError: if what was kept is not there, or is damaged.
    """
    manifest = previous_artifact(stage, [KEPT])
    if manifest is None:
        return Known()
    kept = read_kept(stage.store.storage, f"{manifest.stage}/{manifest.key}/{KEPT}")
    values = stage.store.read(manifest.ref, "column_values").sort_by("node_id")
    now = pa.array([readings.get(name, "") for name in kept["table"].to_pylist()], pa.string())
    is_known = pc.and_(pc.equal(kept["reading"], now), pc.not_equal(now, ""))
    if n_kept > int(str(manifest.summary[N_KEPT])):
        # what was cut then would be longer now
        is_cut = pc.or_(kept["is_cut"], pc.is_valid(values["threshold"]))
        cut = kept.filter(is_cut)["table"].combine_chunks()
        is_known = pc.and_(is_known, pc.invert(pc.is_in(kept["table"], value_set=cut)))
    before = frozenset(kept.filter(pc.not_equal(kept["reading"], ""))["table"].to_pylist())
    kept, values = kept.filter(is_known), values.filter(is_known)
    places = zip(kept["table"].to_pylist(), kept["token"].to_pylist(), strict=True)
    columns = dict(zip(places, _known_columns(kept, values, n_kept), strict=True))
    return Known(columns, frozenset(table for table, _ in columns), before)


def save_columns(storage: Storage, folder: str, columns: Sequence[LakeColumn], readings: Mapping[str, str]) -> None:
    """Keeps the columns for the next run.

    Args:
        storage: of the artifact root.
        folder: of the artifact, below it.
        columns: in the order of the graph's nodes.
        readings: by table, of those that could be read.
    """
    samples = [column.sample for column in columns]
    labels = pa.concat_arrays([pa.array([], pa.large_string()), *(sample.labels for sample in samples)])
    offsets = np.cumsum([0, *(len(sample.labels) for sample in samples)], dtype=np.int64)
    exact = [None if _is_folded(column) else column.sample.hashes.tobytes() for column in columns]
    tables = [column.table for column in columns]
    arrays = [
        pa.array(tables, pa.string()),
        pa.array([column.token for column in columns], pa.string()),
        pa.array([readings.get(table, "") for table in tables], pa.string()),
        pa.array([sample.is_cut for sample in samples], pa.bool_()),
        pa.array(exact, pa.large_binary()),
        pa.LargeListArray.from_arrays(pa.array(offsets), labels),
    ]
    write_kept(storage, f"{folder}/{KEPT}", pa.table(arrays, schema=_SCHEMA))


def _is_folded(column: LakeColumn) -> bool:
    """Whether the exact hashes are those that `column_values` holds."""
    return np.array_equal(column.sample.hashes, folded_hashes(column)[0])


def _known_columns(kept: pa.Table, values: pa.Table, n_kept: int) -> list[KnownColumn]:
    """The samples of each row. `values` are the same columns of `column_values`."""
    hashes = [np.frombuffer(text, ">u8").astype(np.uint64) for text in values["folded"].to_pylist()]
    is_cut = [text is not None for text in values["threshold"].to_pylist()]
    held = zip(kept["hashes"].to_pylist(), kept["is_cut"].to_pylist(), _lists(kept["labels"]), strict=True)
    facts = zip(*(values[name].to_pylist() for name in ("n_filled", "value_kind", "low", "high")), strict=True)
    known = []
    for folded, is_short, (data, is_sample_cut, labels), fact in zip(hashes, is_cut, held, facts, strict=True):
        own = folded if data is None else np.frombuffer(data, np.uint64)
        sample = ValueSample(own[:n_kept], labels.slice(0, n_kept), is_sample_cut or len(own) > n_kept)
        known.append(KnownColumn(sample, _folded(folded, is_short, n_kept, fact)))
    return known


def _folded(
    hashes: UInt64, is_cut: bool, n_kept: int, facts: tuple[int, str, float | None, float | None]
) -> FoldedSample:
    n_filled, kind, low, high = facts
    return FoldedSample(
        hashes[:n_kept],
        is_cut or len(hashes) > n_kept,
        is_own=True,
        n_filled=n_filled,
        has_texts=kind == "text",
        has_fractions=kind == "float",
        low=np.inf if low is None else low,
        high=-np.inf if high is None else high,
    )


def _lists(column: pa.ChunkedArray) -> list[pa.LargeStringArray]:
    """The values of each list."""
    found = []
    for chunk in column.chunks:
        offsets, values = chunk.offsets.to_numpy().tolist(), chunk.values
        found += [values.slice(start, end - start) for start, end in pairwise(offsets)]
    return found
