import numpy as np

from lakebed.tasks.lakegraph.kernel.graph import column_key, hex_texts, value_keys


def test_keys_of_values_sort_as_their_hashes():
    hashes = np.array([0, 1, 255, 1 << 40, (1 << 64) - 1], np.uint64)
    keys = value_keys(hashes).to_pylist()
    assert keys == [f"value:{int(h):016x}" for h in hashes] == sorted(keys)
    assert hex_texts("#", np.empty(0, np.uint64)).to_pylist() == []


def test_no_table_imitates_another_ones_column():
    assert column_key('a","b', ["c"]) != column_key("a", ["b", "c"])
