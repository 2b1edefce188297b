"""Structs, arrays and maps."""

import pyarrow as pa

from lakebed.data_samples.layouts import DeltaTable, JsonLines, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies
from lakebed.data_samples.randomness import generator

_NAME = pa.struct([("first", pa.string()), ("last", pa.string())])
_BUYER = pa.struct([("id", pa.int64()), ("name", _NAME)])
_LINES = pa.list_(pa.struct([("sku", pa.string()), ("n", pa.int64())]))
_SCHEMA = pa.schema(
    [("basket", pa.int64()), ("buyer", _BUYER), ("lines", _LINES), ("tags", pa.map_(pa.string(), pa.string()))]
)
Row = dict[str, object]


def baskets(seed: int) -> Family:
    """Struct fields are columns of their own; arrays and maps are compared whole."""
    rng = generator(seed, "baskets")
    rows = [_basket(number, int(rng.integers(0, 4))) for number in range(800)]
    data = _table(rows)
    hollow = [_with(row, buyer={"id": None, "name": None}) if row["buyer"] is None else row for row in rows]
    turned = [_with(row, lines=list(reversed(_list(row["lines"])))) for row in rows]
    retagged = [_with(row, tags=list(reversed(_list(row["tags"])))) for row in rows]
    buyers = data.select(["basket", "buyer"])
    ids = pa.table({"basket": data["basket"], "buyer": _only_id(data["buyer"])}).slice(400)
    tables = (
        SampleTable("shop/baskets", data, ParquetFile(), "baskets with their lines"),
        SampleTable("shop/baskets_large", _table(rows[3::4]), DeltaTable(), "the baskets of three lines or more"),
        SampleTable("shop/baskets_retagged", _table(retagged), ParquetFile(), "the entries of each map reordered"),
        SampleTable("shop/baskets_turned", _table(turned), ParquetFile(), "the elements of each array reordered"),
        SampleTable("shop/baskets_hollow", _table(hollow), ParquetFile(), "structs of nulls for null structs"),
        SampleTable("shop/basket_buyers", buyers.filter(buyers["buyer"].is_valid()), JsonLines(), "who bought"),
        SampleTable("shop/basket_ids", ids.filter(ids["buyer"].is_valid()), ParquetFile(), "one field of who bought"),
    )
    claims = (
        *copies("the order of a map's entries says nothing", "shop/baskets", "shop/baskets_retagged"),
        Claim("shop/baskets_large", "shop/baskets", "every fourth row"),
        Claim("shop/baskets_large", "shop/baskets_hollow", "every fourth row; each of them has a buyer"),
        Claim("shop/basket_buyers", "shop/baskets", "two columns of its rows with a buyer"),
        Claim("shop/basket_buyers", "shop/baskets_turned", "the array is not among its columns"),
        Claim("shop/basket_buyers", "shop/baskets_hollow", "the rows with a buyer are the same"),
        Claim("shop/basket_ids", "shop/basket_buyers", "its later rows, one field of the struct"),
    )
    return Family(tables, claims)


def _basket(number: int, n_spare: int) -> Row:
    n_lines = 3 + n_spare if number % 4 == 3 else number % 4
    name = {"first": f"F{number % 50}", "last": None if number % 9 == 1 else f"L{number % 70}"}
    return {
        "basket": number,
        # every fourth basket, and so every large one, has a buyer
        "buyer": None if number % 4 == 2 else {"id": number % 300, "name": name},
        "lines": [{"sku": f"A{line}", "n": number % 5 + line} for line in range(n_lines)],
        "tags": [("channel", "web"), ("week", str(number % 52)), ("coupon", None)],
    }


def _with(row: Row, **changes: object) -> Row:
    return {**row, **changes}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _only_id(buyers: pa.ChunkedArray) -> pa.Array:
    values = [None if buyer is None else {"id": buyer["id"]} for buyer in buyers.to_pylist()]
    return pa.array(values, pa.struct([("id", pa.int64())]))
