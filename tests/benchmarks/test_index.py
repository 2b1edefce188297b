import json

import numpy as np

from tests.benchmarks import index


def test_every_line_has_figures_of_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(index, "bench_twins", lambda: None)
    np.save(tmp_path / "v.npy", index.clustered(2_000, 8, n_clusters=40)[0])
    index.main(["--vectors", str(tmp_path / "v.npy")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["bench"] for line in lines] == ["build", "search", "search", "filter", "shards"]
    for line in lines[1:3]:
        assert line["recall"] >= line["target"] - 0.05
        assert line["raw_qps_at_same_ef"] > 0
    assert lines[3]["recall"] == 1.0


def test_orders_and_storages_are_compared_on_distinct_vectors(capsys):
    vectors = index.clustered(1_500, 16, n_clusters=40)[0]
    index.bench_order("clusters", np.concatenate([vectors, vectors[:100]]), target=0.9)
    index.bench_storage(vectors, 0.9)
    order, storage = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (order["vectors"], order["distinct"]) == (1_600, 1_500)
    for one in (order["by_id"], order["shuffled"], storage["float32"], storage["int8"]):
        assert one["recall"] >= 0.9 and one["qps"] > 0 and one["tuned_ef"] >= 10
    assert storage["int8_bytes"] < storage["bytes"]
