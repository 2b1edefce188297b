"""Intervals of near misses cover the truth, on 600 seeded pairs whose samples are small."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.relations.config import RelationsConfig
from tests.tasks.containment.lakes import write_lake
from tests.tasks.relations.here import relate_here

N_PAIRS = 600
N_CHILD_ROWS = 1_500
N_PARENT_ROWS = 30_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Children that share a known part of their rows, 30 to 100 %, with one parent; some rows stand there twice."""
    folder = tmp_path_factory.mktemp("near")
    rng = np.random.default_rng(20_26)
    shares = rng.uniform(0.3, 1.0, N_PAIRS)
    parent = rng.permutation(N_PARENT_ROWS)
    tables, truth = {"parent": table_of(parent)}, {}
    for number, share in enumerate(shares):
        n_inside = round(share * N_CHILD_ROWS)
        inside = rng.choice(N_PARENT_ROWS, n_inside, replace=False)
        outside = 10**6 * (number + 1) + np.arange(N_CHILD_ROWS - n_inside)
        rows = np.concatenate([inside, outside])
        tables[f"child{number:03d}"] = table_of(rng.permutation(np.concatenate([rows, rows[:40]])))
        truth[f"child{number:03d}"] = n_inside / N_CHILD_ROWS
    write_lake(folder / "lake", tables)
    return folder, truth


def table_of(rows):
    return pa.table({"row": rows, "half": rows // 2})


def covered(folder, truth, confidence, threshold):
    config = RelationsConfig(kinds=("near",), sketch_rows=64, near_threshold=threshold, confidence=confidence)
    near = relate_here(folder, config).near()
    mine = {child: near[child, "parent"] for child in truth if (child, "parent") in near}
    assert not any(row["is_exact"] for row in mine.values())
    assert all(30 <= row["n_compared"] < 200 for row in mine.values())
    hits = sum(row["fraction_low"] <= truth[child] <= row["fraction_high"] for child, row in mine.items())
    return hits, len(mine)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_intervals_cover_the_truth(lake, confidence):
    """At least the confidence's share, less three standard deviations of a binomial count; for 0.99, also 95 %."""
    hits, n_pairs = covered(*lake, confidence, 0.05)
    assert n_pairs >= 500
    tolerance = 3 * math.sqrt(n_pairs * confidence * (1 - confidence))
    assert hits >= confidence * n_pairs - tolerance
    assert hits >= 0.95 * n_pairs or confidence == 0.95


def test_intervals_of_listed_pairs_cover_the_truth(lake):
    """Only estimates above the threshold are listed, which favours those that came out high: still 95 %."""
    hits, n_pairs = covered(*lake, 0.99, 0.7)
    assert n_pairs >= 200
    assert hits >= 0.95 * n_pairs
