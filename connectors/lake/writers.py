"""What the statistics of a Parquet file are worth, by the software that wrote it.

- parquet-mr before 1.10: bounds of bytes, decimals in bytes and unsigned integers compare signed bytes (PARQUET-251,
  PARQUET-686);
- parquet-cpp before 11: bounds of text that came as several dictionaries are those of the first (apache/arrow#15042);
  before 5 the nulls of such text are not counted (ARROW-12513);
- parquet-cpp before it was Arrow's: bounds of bytes and unsigned integers compare signed values (PARQUET-1025);
- Arrow2, as early Polars: nulls and bounds of dictionaries (jorgecarleitao/arrow2#1414);
- fastparquet: bounds of text that came as categories are those of the categories' order (its source);
- any other: bounds of bytes and unsigned integers, whose order it may have mistaken (parquet.thrift, ColumnOrder).

Bounds that are not trusted are unknown, which refutes nothing; what scans meet is checked besides.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from lakebed.connectors.lake.canonical import is_binarylike, is_stringlike

Version = tuple[int, ...]

_CREATED_BY = re.compile(r"\s*(.+?)(?:\s+version\s+v?(\d+(?:\.\d+)*).*)?\s*", re.IGNORECASE | re.DOTALL)
# writers that order bytes and unsigned integers as the format says, from a version on
_KNOWN: dict[str, Version] = {
    "parquet-mr": (1, 10),
    "parquet-cpp-arrow": (0,),
    "parquet-rs": (0,),
    "duckdb": (0,),
    "polars": (0,),
    "impala": (2, 10),
    "trino": (0,),
    "velox": (0,),
    "databricks photon": (0,),
    "clickhouse": (0,),
}
_ARROW, _WHOLE_DICTIONARIES, _COUNTED_NULLS = "parquet-cpp-arrow", (11,), (5,)
_NO_NULLS = ("arrow2",)


@dataclass(frozen=True)
class Trust:
    """Whether a column's bounds, and its count of nulls, are what they seem."""

    bounds: bool = True
    nulls: bool = True


FULL = Trust()


@dataclass(frozen=True)
class Writer:
    """Software that writes Parquet: its name in small letters, and its version, empty where it tells none."""

    name: str
    version: Version = ()

    @property
    def is_sound(self) -> bool:
        """Whether all that it writes is trusted."""
        return self._orders_bytes and (self.name != _ARROW or self.version >= _WHOLE_DICTIONARIES)

    @property
    def has_whole_bounds(self) -> bool:
        """Whether it leaves long bounds of text out, and never shortens them."""
        return self.name.startswith("parquet-cpp")

    @property
    def _orders_bytes(self) -> bool:
        least = _KNOWN.get(self.name)
        return least is not None and (least == (0,) or self.version >= least)

    def trust(self, type_: pa.DataType, physical_type: str, *, may_be_dictionary: bool) -> Trust:
        """What a column's statistics are worth.

        Args:
            type_: of its values.
            physical_type: of Parquet.
            may_be_dictionary: whether its values may have come to the writer as Arrow's dictionaries.
        """
        is_bytes = physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
        is_text = (is_stringlike(type_) or is_binarylike(type_)) and physical_type == "BYTE_ARRAY"
        if self.name in _NO_NULLS:
            return Trust(bounds=not (is_bytes or pa.types.is_unsigned_integer(type_)), nulls=not is_text)
        if self.name == _ARROW and is_text and may_be_dictionary:
            return Trust(self.version >= _WHOLE_DICTIONARIES, self.version >= _COUNTED_NULLS)
        if not self._orders_bytes and (is_bytes or pa.types.is_unsigned_integer(type_)):
            return Trust(bounds=False, nulls=not (self.name == "parquet-cpp" and is_text and may_be_dictionary))
        return FULL


@lru_cache(maxsize=1024)
def writer_of(created_by: str) -> Writer:
    """The writer that a footer names, as in `parquet-mr version 1.8.2 (build …)` or `Polars`."""
    match = _CREATED_BY.fullmatch(created_by or "")
    if match is None:
        return Writer("")
    name = match[1].lower()
    if name.startswith("arrow2"):
        name = "arrow2"
    version = tuple(int(part) for part in match[2].split(".")) if match[2] else ()
    return Writer(name, version)
