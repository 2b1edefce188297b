"""Foreign keys of lakes that no model was trained on, from their published schemas."""

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

Key = tuple[str, str, str, str]
Tables = Mapping[str, pa.Table]

TPCH = """nation.n_regionkey>region.r_regionkey supplier.s_nationkey>nation.n_nationkey
customer.c_nationkey>nation.n_nationkey partsupp.ps_partkey>part.p_partkey partsupp.ps_suppkey>supplier.s_suppkey
orders.o_custkey>customer.c_custkey lineitem.l_orderkey>orders.o_orderkey lineitem.l_partkey>part.p_partkey
lineitem.l_suppkey>supplier.s_suppkey"""
FLIGHTS = """flights.carrier>airlines.carrier flights.origin>airports.faa flights.dest>airports.faa
flights.tailnum>planes.tailnum weather.origin>airports.faa"""
# TPC-DS names a key's column after the target's: the end of the name decides
DIMENSIONS = """date_sk>date_dim.d_date_sk time_sk>time_dim.t_time_sk item_sk>item.i_item_sk
customer_sk>customer.c_customer_sk cdemo_sk>customer_demographics.cd_demo_sk hdemo_sk>household_demographics.hd_demo_sk
addr_sk>customer_address.ca_address_sk store_sk>store.s_store_sk promo_sk>promotion.p_promo_sk
reason_sk>reason.r_reason_sk warehouse_sk>warehouse.w_warehouse_sk ship_mode_sk>ship_mode.sm_ship_mode_sk
call_center_sk>call_center.cc_call_center_sk catalog_page_sk>catalog_page.cp_catalog_page_sk
web_page_sk>web_page.wp_web_page_sk web_site_sk>web_site.web_site_sk income_band_sk>income_band.ib_income_band_sk"""


def _written(lake: str, text: str) -> Callable[[Tables], frozenset[Key]]:
    def keys(tables: Tables) -> frozenset[Key]:
        return frozenset(_filled(tables, (_key(lake, *one.split(">")) for one in text.split())))

    return keys


def _tpcds(tables: Tables) -> frozenset[Key]:
    ends = dict(one.split(">") for one in DIMENSIONS.split())
    named = (
        _key("tpcds", f"{table.partition('/')[2]}.{column}", target)
        for table, held in tables.items()
        for column in held.column_names
        for end, target in ends.items()
        if column.endswith(end) and table != f"tpcds/{target.partition('.')[0]}"
    )
    return frozenset(_filled(tables, named))


def _key(lake: str, child: str, parent: str) -> Key:
    (a, x), (b, y) = child.split("."), parent.split(".")
    return f"{lake}/{a}", x, f"{lake}/{b}", y


def _filled(tables: Tables, keys: Iterable[Key]) -> Iterable[Key]:
    """Those whose columns are there and hold a value."""
    for a, x, b, y in keys:
        if a in tables and b in tables and x in tables[a].column_names and y in tables[b].column_names:
            column = tables[a].column(x)
            if column.null_count < len(column):
                yield a, x, b, y


KEYS: Mapping[str, Callable[[Tables], frozenset[Key]]] = {
    "tpch": _written("tpch", TPCH), "nycflights": _written("nycflights", FLIGHTS), "tpcds": _tpcds,
}  # fmt: skip
