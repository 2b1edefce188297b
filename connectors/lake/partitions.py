"""Types of Hive partition columns: of the text in the paths, as strictly as of CSV cells."""

from collections.abc import Collection

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import ColumnType
from lakebed.connectors.lake.text.types import parse_canonical
from lakebed.connectors.lake.type_text import column_type

_CANDIDATES: tuple[ColumnType, ...] = ("int64", "float64", "date", "timestamp")


def partition_type(texts: Collection[str | None], override: ColumnType | None = None) -> pa.DataType:
    """The type that every value survives; string otherwise, and where all are null.

    Args:
        texts: the values of one partition column as they stand in the paths.
        override: the type that the config gives.

    Raises:
        SourceError: if a value is none of the given type.
    """
    known = pa.array(sorted({text for text in texts if text is not None}), pa.string())
    if override is not None:
        try:
            known.cast(column_type(override))
        except pa.ArrowInvalid as error:
            raise SourceError(f"a partition's value is no {override}", value=str(error).splitlines()[0]) from error
        return column_type(override)
    if not len(known):
        return pa.string()
    return column_type(next((name for name in _CANDIDATES if _fits(known, name)), "string"))


def _fits(texts: pa.Array, name: ColumnType) -> bool:
    if name != "timestamp":
        return parse_canonical(texts, name) is not None
    # timestamps of a path need not share one form, only be without a zone
    return False
