"""The families of the sample lake, one module a theme; each builder takes the lake's seed."""

from collections.abc import Callable

from lakebed.data_samples.families import customers, names, nested, numbers, orders, statistics, text, time
from lakebed.data_samples.model import Family

BUILDERS: tuple[Callable[[int], Family], ...] = (
    orders.orders,
    orders.order_states,
    orders.near_misses,
    customers.customers,
    customers.contacts,
    customers.ages,
    numbers.prices,
    numbers.ledger,
    numbers.rates,
    numbers.readings,
    numbers.flags,
    time.clicks,
    time.holidays,
    statistics.slots,
    statistics.telemetry,
    statistics.pages,
    statistics.invoices,
    statistics.articles,
    nested.baskets,
    names.odd_names,
    names.repeated_columns,
    names.collisions,
    text.scans,
    text.shipments,
)
