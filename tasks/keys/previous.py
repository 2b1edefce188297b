"""The lists of pairs that keys and topics keep for the next run, which counts anew what a change touches.

A column is as it was if its table's name, its own, its counts and all of its values are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.keys.kernel.candidates import KnownLists, PairLists
from lakebed.tasks.keys.kernel.columns import Bool, Lake
from lakebed.tasks.runtime.previous import FOLDER, count_changes, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.stage import Stage

COLUMNS, PAIRS = f"{FOLDER}/columns.parquet", f"{FOLDER}/pairs.parquet"
KEPT = (COLUMNS, PAIRS)
# behind the name of lists
_IS_CUT, _N_PROBED = " is_cut", " n_probed"
_PAIRS = ["name", "a", "b", "share"]


@dataclass(frozen=True)
class Known:
    """What the previous artifact has kept, in the numbers of this lake; nothing where there is none.

    Attributes:
        lists: by the name of what they were made for.
        is_old: (C,) which columns are as they were; None where there is no previous artifact.
        tables: names of the tables whose columns it had.
    """

    lists: Mapping[str, PairLists] = field(default_factory=dict)
    is_old: Bool | None = None
    tables: frozenset[str] = frozenset()

    def of(self, name: str) -> KnownLists | None:
        """Those of one name."""
        return KnownLists(self.lists[name], self.is_old) if self.is_old is not None and name in self.lists else None

    def changes(self, lake: Lake) -> dict[str, int]:
        """Counts for the run's record; a table is reused of which every column is as it was."""
        if self.is_old is None:
            return {}
        is_touched = np.zeros(len(lake.tables), np.bool_)
        is_touched[lake.table_of[~self.is_old]] = True
        n_touched = int(is_touched.sum())
        return count_changes(len(lake.tables) - n_touched, self.tables, lake.tables, tables_compared=n_touched)


def identities(lake: Lake, values: pa.Table) -> list[bytes]:
    """Of each column 16 bytes that tell all that pairs follow from; `values` are those of the lake graph, in order."""
    bounds, hashes = lake.indptr.tolist(), lake.hashes[lake.values]
    counts = np.stack([lake.n_filled, lake.n_distinct], axis=1)
    is_cut = pc.is_valid(values["threshold"]).to_pylist()
    found = []
    for column, table in enumerate(lake.table_of.tolist()):
        digest = hashlib.blake2b(counts[column].tobytes(), digest_size=16)
        digest.update(repr((lake.tables[table], lake.names[column], is_cut[column])).encode())
        digest.update(hashes[bounds[column] : bounds[column + 1]].tobytes())
        found.append(digest.digest())
    return found


def load_known(stage: Stage, lake: Lake, columns: Sequence[bytes]) -> Known:
    """What still holds; `columns` are the identities now.

    Raises:
        ArtifactError: if what was kept is damaged.
    """
    manifest = previous_artifact(stage, KEPT)
    if manifest is None:
        return Known()
    base = f"{manifest.stage}/{manifest.key}"
    held, pairs = (read_kept(stage.store.storage, f"{base}/{path}") for path in KEPT)
    now = pc.index_in(held["column"], pa.array(columns, pa.binary(16)))
    place = pc.fill_null(now, -1).to_numpy().astype(np.int64)
    is_old = np.zeros(lake.n, np.bool_)
    is_old[place[place >= 0]] = True
    lists = {}
    for name in (one.removesuffix(_IS_CUT) for one in held.column_names if one.endswith(_IS_CUT)):
        own = pairs.filter(pc.equal(pairs["name"], name))
        a, b = (place[own[side].to_numpy()] for side in ("a", "b"))
        kept = (a >= 0) & (b >= 0)
        is_cut = np.zeros(lake.n, np.bool_)
        is_cut[place[place >= 0]] = held[name + _IS_CUT].to_numpy()[place >= 0]
        n_probed = held[name + _N_PROBED][0].as_py() if len(place) else 0
        lists[name] = PairLists(a[kept], b[kept], own["share"].to_numpy()[kept], is_cut, n_probed)
    return Known(lists, is_old, frozenset(held["table"].to_pylist()))


def save_lists(stage: Stage, lake: Lake, columns: Sequence[bytes], lists: Mapping[str, PairLists]) -> None:
    """Keeps the lists, by their names, for the next run."""
    tables = pa.array(lake.tables, pa.string()).take(pa.array(lake.table_of))
    held = {"column": pa.array(columns, pa.binary(16)), "table": tables}
    pairs = []
    for name, one in lists.items():
        held[name + _IS_CUT] = pa.array(one.is_cut)
        held[name + _N_PROBED] = pa.array(np.full(lake.n, one.n_probed))
        sides = [pa.array(side.astype(np.int32)) for side in (one.a, one.b)]
        pairs.append(pa.table([pa.array([name] * len(one.a), pa.string()), *sides, pa.array(one.share)], _PAIRS))
    write_kept(stage.store.storage, f"{stage.path}/{COLUMNS}", pa.table(held))
    write_kept(stage.store.storage, f"{stage.path}/{PAIRS}", pa.concat_tables(pairs))
