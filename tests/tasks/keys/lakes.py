"""A shop whose keys are known, as the kernel takes it."""

import numpy as np
import pyarrow as pa

from lakebed.tasks.keys.kernel.columns import Lake
from tests.benchmarks.key_lakes import lake_of_tables


def shop() -> dict[str, pa.Table]:
    """Customers, products, orders that refer to both, the lines of orders, and weather, which has nothing to do."""
    rng = np.random.default_rng(5)
    names = [f"Customer {n:03d}" for n in range(80)]
    tables = {
        "shop/customers": {
            "customer_id": list(range(100, 180)),
            "name": names,
            "town": [f"t{n % 9}" for n in range(80)],
        },
        "shop/products": {"product_id": [f"P-{n:03d}" for n in range(40)], "price": rng.random(40).round(2).tolist()},
        "shop/orders": {
            "order_id": list(range(1, 301)),
            "customer_id": rng.integers(100, 180, 300).tolist(),
            "product": [f" p-{n:03d}" for n in rng.integers(0, 40, 300)],
        },
        "shop/lines": {"order_id": rng.integers(1, 301, 700).tolist(), "amount": rng.integers(1, 9, 700).tolist()},
        "other/weather": {"day": [f"2024-01-{n:02d}" for n in range(1, 31)], "rain": rng.random(30).tolist()},
    }
    return {name: pa.table(columns) for name, columns in tables.items()}


SHOP_KEYS = {
    ("shop/orders", "customer_id", "shop/customers", "customer_id"),
    ("shop/orders", "product", "shop/products", "product_id"),
    ("shop/lines", "order_id", "shop/orders", "order_id"),
}


def lake(tables=None) -> Lake:
    return lake_of_tables(shop() if tables is None else tables)


def named(found_lake: Lake, a, b) -> set[tuple[str, str, str, str]]:
    """Pairs of columns by name."""
    at = [
        (found_lake.tables[table], name)
        for table, name in zip(found_lake.table_of.tolist(), found_lake.names, strict=True)
    ]
    return {(*at[x], *at[y]) for x, y in zip(a.tolist(), b.tolist(), strict=True)}
