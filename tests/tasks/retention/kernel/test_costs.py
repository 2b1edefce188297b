import numpy as np
import pytest

from lakebed.tasks.retention.config import PricesConfig, ThroughputConfig
from lakebed.tasks.retention.kernel.costs import ColumnSizes, bytes_read, rebuild_costs, table_costs

PRICES = PricesConfig(
    storage_per_gb_month=2.0, read_per_gb=3.0, write_per_gb=5.0, maintenance_per_gb=7.0, compute_per_cpu_hour=36.0
)
SPEED = ThroughputConfig(read_mb_per_s=100.0, write_mb_per_s=50.0, compute_mb_per_cpu_s=10.0, n_cpus=4, overhead_s=2.0)
GB = 10**9


def test_a_table_costs_storage_maintenance_and_reading():
    costs = table_costs(np.array([GB, 2 * GB]), np.array([0.0, 10.0]), 0.5, PRICES, SPEED)
    assert costs.storage.tolist() == [2.0, 4.0]
    assert costs.maintenance.tolist() == [3.5, 7.0]
    # 2 GB at 10 MB/s of one CPU are 200 s, at 0.01 a second
    assert costs.read.tolist() == [0.0, pytest.approx(10 * (6.0 + 2.0))]
    assert costs.total[1] == pytest.approx(91.0)


def test_a_rebuild_costs_what_is_read_computed_and_written():
    costs = rebuild_costs(np.array([3 * GB]), np.array([GB]), PRICES, SPEED)
    assert costs.price[0] == pytest.approx(3 * 3.0 + 5.0 + 400 * 0.01)
    assert costs.seconds[0] == pytest.approx(2.0 + 30.0 + 20.0 + 100.0)


def sizes(is_whole=(False, False, False)):
    """Table 0 has columns 0, 1, 2; table 1 columns 0, 2; table 2 column 1, whose size is unknown in table 0 below."""
    return ColumnSizes(
        np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 2, 1]), np.array([10, -1, 30, 5, 6, 7]), np.array(is_whole)
    )


def test_only_the_childs_columns_are_read():
    n_bytes = np.array([100, 20, 9])
    assert bytes_read(sizes(), n_bytes, np.array([1, 2]), np.array([0, 0])).tolist() == [40, 100]
    assert bytes_read(sizes((True, False, False)), n_bytes, np.array([1]), np.array([0])).tolist() == [100]


def test_no_more_is_read_than_there_is():
    assert bytes_read(sizes(), np.array([25, 20, 9]), np.array([1]), np.array([0])).tolist() == [25]
    assert bytes_read(sizes(), np.array([25, 20, 9]), np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []
