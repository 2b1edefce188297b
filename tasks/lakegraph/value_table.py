"""The columns' folded values as the table `column_values`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakebed.tasks.lakegraph.contract import CONTRACTS
from lakebed.tasks.lakegraph.kernel.samples import UInt64, ValueSample
from lakebed.tasks.lakegraph.kernel.values import LakeColumn

if TYPE_CHECKING:
    from lakebed.tasks.lakegraph.kernel.folding import FoldedSample

N_TEXTS, N_OTHER_TEXTS = 256, 64


def value_table(columns: Sequence[LakeColumn]) -> pa.Table:
    """One row a column, in the order of the graph's columns."""
    kinds = [column.folded.kind for column in columns]
    held = [folded_hashes(column) for column in columns]
    bounds = [(one.folded.low, one.folded.high) if kind in {"int", "float"} else (None, None)
              for one, kind in zip(columns, kinds, strict=True)]  # fmt: skip
    texts = [one.sample.labels[: N_TEXTS if kind == "text" else N_OTHER_TEXTS]
             for one, kind in zip(columns, kinds, strict=True)]  # fmt: skip
    return pa.table(
        [
            pa.array(np.arange(len(columns))),
            pa.array([column.position for column in columns], pa.int32()),
            pa.array([column.n_rows for column in columns], pa.int64()),
            pa.array([column.folded.n_filled for column in columns], pa.int64()),
            pa.array(kinds, pa.string()),
            pa.array([low for low, _ in bounds], pa.float64()),
            pa.array([high for _, high in bounds], pa.float64()),
            pa.array([n for _, _, n in held], pa.int64()),
            pa.array([int(one[-1]).to_bytes(8, "big") if cut else None for one, cut, _ in held], pa.binary()),
            pa.array([one.astype(">u8").tobytes() for one, _, _ in held], pa.binary()),
            pa.ListArray.from_arrays(
                pa.array(np.cumsum([0, *map(len, texts)]), pa.int32()),
                pa.concat_arrays([pa.array([], pa.large_string()), *texts]).cast(pa.string()),
            ),
        ],
        schema=CONTRACTS["column_values"].arrow_schema(),
    )


def folded_hashes(column: LakeColumn) -> tuple[UInt64, bool, int]:
    """Hashes, whether they were cut, and how many distinct there are; numbers are folded as they are."""
    one: FoldedSample | ValueSample = column.folded if column.folded.is_own else column.sample
    return one.hashes, one.is_cut, one.n_distinct
