"""Statistics held to the data: a scan that meets what they rule out makes them count for nothing.

What metadata says of a column is a claim: all values lie between two keys, so many cells are null. A wrong claim would
refute a pair that is true. Every scan counts nulls anyway, and looks at the extremes of what it reads (of text and
bytes at the first 4,096 cells of a batch). Where one contradicts, the column's statistics are dropped, the summary
names it, and schemas, bounds and content are compared again without.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.canonical import Canonical, has_order, min_max_of
from lakebed.tasks.containment.kernel.fingerprint import Cells
from lakebed.tasks.encoding.order_keys import order_key

BOUNDS = ("min_lower", "min_upper", "max_lower", "max_upper")
SUMMARY_KEY = "untrusted_statistics"
_WATCHED_CELLS = 4096
_LONG_CLASSES = ("string", "binary")

Untrusted = Mapping[int, Collection[str]]
"""Tokens of columns whose statistics are wrong, by table_id."""


@dataclass(frozen=True)
class Claim:
    """What metadata says of a column: its class, and the keys between which all values lie."""

    type_class: str
    low: bytes
    high: bytes


def claims_of(columns: pa.Table, tables: Collection[int]) -> dict[int, dict[str, Claim]]:
    """The claims of the given tables, from the inventory's `columns`."""
    wanted = pc.is_in(columns["table_id"], value_set=pa.array(list(tables), pa.int32()))
    is_known = pc.and_(pc.is_valid(columns["min_lower"]), pc.is_valid(columns["max_upper"]))
    names = ["table_id", "token", "type_class", "min_lower", "max_upper"]
    rows = columns.filter(pc.and_(wanted, is_known)).select(names)
    claims: dict[int, dict[str, Claim]] = {}
    for table, token, kind, low, high in zip(*rows.to_pydict().values(), strict=True):
        claims.setdefault(table, {})[token] = Claim(kind, low, high)
    return claims


@dataclass
class RangeWatch:
    """The extremes of the columns of a split, against what is claimed of them."""

    claims: Mapping[str, Claim]
    _ends: dict[str, tuple[Canonical, Canonical]] = field(default_factory=dict)

    def add(self, batch: Mapping[str, Cells]) -> None:
        """Looks at the cells of one batch."""
        for token, claim in self.claims.items():
            values = batch[token].values if token in batch else None
            if values is None:
                continue
            if claim.type_class in _LONG_CLASSES:
                values = values.slice(0, _WATCHED_CELLS)
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            if values.null_count == len(values) or not has_order(values.type):
                continue
            low, high = min_max_of(values)
            if low is None or high is None:
                continue
            least, most = self._ends.get(token, (low, high))
            self._ends[token] = min(least, low), max(most, high)

    def outside(self) -> list[str]:
        """The columns with a value that their claim rules out."""
        return [token for token, (low, high) in self._ends.items() if _is_outside(self.claims[token], low, high)]


def _is_outside(claim: Claim, low: Canonical, high: Canonical) -> bool:
    least, most = order_key(low, claim.type_class, is_upper=True), order_key(high, claim.type_class)
    return (least is not None and least < claim.low) or (most is not None and most > claim.high)


def untrusted(
    scanned: pa.Table, columns: pa.Table, unread: Collection[int], reused: Collection[int] = ()
) -> dict[int, set[str]]:
    """The columns whose statistics a scan contradicts.

    Args:
        scanned: rows of SCAN_SCHEMA.
        columns: of the inventory.
        unread: tables that could not be read as a whole.
        reused: tables of which no file, or the new ones only, were read: their nulls were not counted.
    """
    found: dict[int, set[str]] = {}
    outside = scanned.filter(pc.equal(scanned["kind"], "outside"))
    for table, token in zip(outside["table_id"].to_pylist(), outside["token"].to_pylist(), strict=True):
        found.setdefault(table, set()).add(token)
    is_counted = pc.invert(pc.is_in(scanned["table_id"], value_set=pa.array(list(reused), pa.int32())))
    values = scanned.filter(pc.and_(pc.equal(scanned["kind"], "values"), is_counted))
    counted = values.group_by(["table_id", "token"]).aggregate([("n", "sum")])
    claimed = columns.filter(pc.is_valid(columns["n_nulls"])).select(["table_id", "token", "n_nulls"])
    both = counted.join(claimed, ["table_id", "token"], join_type="inner")
    wrong = both.filter(pc.not_equal(both["n_sum"], both["n_nulls"]))
    for table, token in zip(wrong["table_id"].to_pylist(), wrong["token"].to_pylist(), strict=True):
        found.setdefault(table, set()).add(token)
    return {table: tokens for table, tokens in found.items() if table not in unread}


def without(rows: pa.Table, wrong: Untrusted, cleared: Collection[str]) -> pa.Table:
    """Rows of `columns` or of `file_bounds`, with nothing in the given columns where statistics are wrong."""
    if not wrong:
        return rows
    pairs = zip(rows["table_id"].to_pylist(), rows["token"].to_pylist(), strict=True)
    is_kept = pa.array([token not in wrong.get(table, ()) for table, token in pairs], pa.bool_())
    for name in set(cleared) & set(rows.column_names):
        place = rows.column_names.index(name)
        kept = pc.if_else(is_kept, rows[name], pa.scalar(None, rows[name].type))
        rows = rows.set_column(place, rows.schema.field(place).with_nullable(True), kept)
    return rows


def trusted(columns: pa.Table, file_bounds: pa.Table, wrong: Untrusted) -> tuple[pa.Table, pa.Table]:
    """The inventory's `columns` and `file_bounds` without statistics that are wrong."""
    return without(columns, wrong, (*BOUNDS, "n_nulls")), without(file_bounds, wrong, (*BOUNDS, "n_nulls"))
