"""The map of topics: areas are bytes, nothing overlaps, nothing is lost."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.report.sections.topics import HEIGHT, MAX_RECTANGLES, WIDTH, _Topic, map_chart, squarified


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=60))
def test_areas_are_sizes_and_fill_the_map(sizes):
    sizes.sort(reverse=True)
    left, low, width, height = np.array(squarified(sizes)).T
    assert np.allclose(width * height, np.array(sizes) / sum(sizes) * WIDTH * HEIGHT, rtol=1e-3, atol=1e-3)
    assert (left >= -1e-3).all() and (left + width <= WIDTH + 1e-3).all()
    assert (low >= -1e-3).all() and (low + height <= HEIGHT + 1e-3).all()
    middle = np.array([left + width / 2, low + height / 2])
    for x, y, one in zip(*middle, range(len(sizes)), strict=True):
        inside = (left < x) & (x < left + width) & (low < y) & (y < low + height)
        assert inside.sum() <= 1 and (inside[one] or width[one] * height[one] < 1e-3)


def test_equal_sizes_are_near_to_squares():
    sides = np.array(squarified([1.0] * 12))[:, 2:]
    assert (sides.max(axis=1) / sides.min(axis=1)).max() < 2.5


def values(spec):
    return spec["datasets"].popitem()[1] if "datasets" in spec else json.loads(json.dumps(spec))["data"]["values"]


def test_the_dark_part_is_what_may_go_and_small_topics_share_a_rectangle():
    assert map_chart([_Topic("a", 1, 0, 0)]) is None
    topics = [_Topic("big", 4, 1000, 250), *(_Topic(f"t{n}", 1, 10, 10) for n in range(MAX_RECTANGLES + 20))]
    rows = values(map_chart(topics)) if map_chart(topics) else []
    at = {row["topic"]: row for row in rows}
    assert len(rows) == MAX_RECTANGLES + 1 and at["21 smaller topics"]["tables"] == 21
    big = at["big"]
    assert big["gone"] - big["low"] == pytest.approx((big["high"] - big["low"]) / 4)
    assert at["t3"]["gone"] == pytest.approx(at["t3"]["high"])
