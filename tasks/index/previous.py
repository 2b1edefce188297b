"""An index that starts from the previous one: its graph is carried over to the vectors as they are now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.connectors.errors import LakeError
from lakebed.connectors.storage import Storage
from lakebed.tasks.index.folder import BuildShards, ShardHead, ShardWork, open_folder, read_vectors, shard_head
from lakebed.tasks.index.kernel.carrying import carried_shard, moves_of
from lakebed.tasks.index.kernel.hnsw import HnswShard
from lakebed.tasks.index.vector_index import HnswIndex, NamedIndex

EF_ANEW = "ef_anew"
"""What a manifest calls the widths of the searches, by kind, of the last indexes that were built anew."""
MAX_WIDER = 3
"""How many times as wide a search may be, or the graph is built anew; builds of other seeds differ by 2.3 times."""


@dataclass
class Start:
    """The previous artifact as the start of this one.

    Attributes:
        uri: of its folder of a kind of nodes.
        share: of the vectors that may be other.
        ef_anew: by kind the width of the search when its graph was last built anew; none where nothing is said of it.
        changes: of vectors, for the run's record; empty until a graph was carried over.
        why_not: by kind, why its graph was not.
    """

    uri: Callable[[str], str]
    share: float
    ef_anew: dict[str, int]
    changes: dict[str, int] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)

    @property
    def anew(self) -> str:
        """Why graphs were built anew; empty where all were carried over."""
        why = "; ".join(f"{kind}: {reason}" for kind, reason in self.why_not.items())
        return why if why or self.changes else "exact search needs none"

    def carry_over(self, kind: str, build: BuildShards, works: Sequence[ShardWork], ids: pa.Array) -> list[ShardHead]:
        """The shards of a kind, from its earlier graph where there is one that does, else built anew.

        Args:
            kind: of nodes.
            build: makes them anew.
            works: the shards.
            ids: of the first item of each vector.
        """
        if works[0].is_flat:
            return build(works, ids)
        if len(works) > 1:
            found: ShardHead | str = "it has more than one shard"
        else:
            try:
                found = self._carried(kind, works[0], ids, open_folder(self.uri(kind)))
            except (LakeError, RuntimeError, ValueError) as error:
                # whatever is wrong with the start: a full run does not need it
                found = f"the previous one cannot be used: {str(error).splitlines()[0][:120]}"
        if not isinstance(found, str):
            return [found]
        self.why_not[kind] = found
        heads = build(works, ids)
        self.ef_anew[kind] = max(head.ef for head in heads)
        return heads

    def _carried(self, kind: str, work: ShardWork, ids: pa.Array, earlier: NamedIndex) -> ShardHead | str:
        """The shard, or why there is none."""
        index = earlier.index
        if not isinstance(index, HnswIndex) or len(index.shards) > 1 or not isinstance(index.shards[0], HnswShard):
            return "the previous one has no graph of one shard"
        # artifacts of before say no width, and were built anew
        ef_anew = self.ef_anew.setdefault(kind, index.ef[0])
        vectors = read_vectors(Storage.at(work.uri), work.vectors)
        moves = moves_of(index.vectors, vectors, earlier_positions(earlier, ids))
        if moves.n_changed > self.share * len(vectors):
            return f"{moves.n_changed / len(vectors):.1%} of the vectors are other"
        built = carried_shard(index.shards[0], moves, vectors, work.config)
        if built.recall < work.config.recall or built.ef > MAX_WIDER * ef_anew:
            return f"its recall would be {built.recall:.3f} at a width of {built.ef:,}"
        kept = len(vectors) - len(moves.came) - len(moves.far)
        counts = {"reused": kept, "moved": len(moves.far), "new": len(moves.came), "dropped": moves.n_gone}
        self.changes = {f"vectors_{what}": n + self.changes.get(f"vectors_{what}", 0) for what, n in counts.items()}
        return shard_head(work, vectors, built)


def earlier_positions(earlier: NamedIndex, ids: pa.Array) -> NDArray[np.int64]:
    """For each id the vector that it had, -1 where it had none, or another of these ids has that one already."""
    item = pc.fill_null(pc.index_in(ids, value_set=earlier.items["id"].combine_chunks()), -1).to_numpy()
    found = np.where(item >= 0, earlier.group_of[np.maximum(item, 0)], -1)
    is_first = np.zeros(len(found), np.bool_)
    is_first[np.unique(found, return_index=True)[1]] = True
    return np.where(is_first, found, -1)
