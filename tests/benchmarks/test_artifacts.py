"""The benchmark's own arithmetic."""

import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.artifacts import append_row, first_figures, size_of, sizes

FOUND = {"inventory": 10, "lakegraph": 50, "embeddings": 300, "index": 60, "summary": 7}


def test_bounds_are_of_the_lake_and_of_the_nodes():
    figures = first_figures("sample", {"lakegraph": {"nodes": 9}}, 100, FOUND)
    assert (figures["bytes"], figures["to_lakegraph_of_lake"], figures["vectors_and_index_a_node"]) == (427, 0.6, 40)
    assert figures["bound_bytes"] == 100_000_000
    assert first_figures("other", {}, 100, FOUND)["vectors_and_index_a_node"] is None


def test_a_night_adds_a_row_to_the_largest_plain_table(tmp_path):
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    for name, n in (("small", 2), ("large", 2_000), ("delta/part", 9_000)):
        pq.write_table(pa.table({"x": range(n)}), tmp_path / f"{name}.parquet")
    assert append_row(tmp_path) == "large.parquet"
    assert pq.read_table(tmp_path / "large.parquet")["x"].to_pylist()[-2:] == [1_999, 0]
    assert sizes(tmp_path) == {"delta": size_of(tmp_path / "delta")} and size_of(tmp_path) > sizes(tmp_path)["delta"]
