"""Timestamps of 96 bits, exactly: Arrow reads them as nanoseconds of 64 bits, in which the years 1677 to 2262 fit.

A column is read twice, as nanoseconds and as microseconds. Where all of a batch's cells fit into nanoseconds these are
exact; where no cell has a fraction of a microsecond the microseconds are (Spark writes none, and "9999-12-31" is a
usual end of validity). Which of the two it is does not matter to what is compared: the instant.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import SourceError

_NS_PER_US = 1000
_MAX_US = (1 << 63) // _NS_PER_US


def exact_batch(narrow: pa.RecordBatch, wide: Mapping[int, pa.Array]) -> pa.RecordBatch:
    """The batch with each column as it is exact.

    Args:
        narrow: timestamps of 96 bits as nanoseconds, taken modulo 2^64.
        wide: the same rows of the columns that have such, by place, in microseconds, cut off.

    Raises:
        SourceError: for a column with values that need both more years and more digits.
    """
    names = narrow.schema.names
    columns = [
        _exact(column, wide[place], names[place]) if place in wide else column
        for place, column in enumerate(narrow.columns)
    ]
    return pa.RecordBatch.from_arrays(columns, names)


def _exact(narrow: pa.Array, wide: pa.Array, name: str) -> pa.Array:
    fits = is_whole = True
    for ns, us in zip(timestamps(narrow), timestamps(wide), strict=True):
        if ns.type != us.type:
            values = us.drop_null().view(pa.int64()).to_numpy()
            fits &= bool((np.abs(values) < _MAX_US).all())
            # modulo 2^64, as the nanoseconds were
            is_whole &= bool((values * np.int64(_NS_PER_US) == ns.drop_null().view(pa.int64()).to_numpy()).all())
    if fits or is_whole:
        return narrow if fits else wide
    raise SourceError(
        "INT96 timestamps that neither microseconds nor nanoseconds of 64 bits hold",
        value=f"column {name}",
        expected="years 1677 to 2262, or no fractions of microseconds",
    )


def timestamps(values: pa.Array) -> Iterator[pa.Array]:
    """The arrays of timestamps inside of an array, in the order of its type."""
    if pa.types.is_timestamp(values.type):
        yield values
    elif pa.types.is_struct(values.type):
        for index in range(values.type.num_fields):
            yield from timestamps(values.field(index))
    elif pa.types.is_map(values.type):
        yield from timestamps(values.keys)
        yield from timestamps(values.items)
    elif pa.types.is_nested(values.type):
        yield from timestamps(values.values)
