from dataclasses import replace

import numpy as np
import pytest

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Charts, Listing, Tiles
from lakebed.tasks.report.render import render
from lakebed.tasks.report.sections import collect_sections
from lakebed.tasks.report.sections.index import principal_plane, section
from tests.tasks.report.lakes import small_lake
from tests.tasks.search.lakes import HOSTILE, lake_tables, publish_lake


@pytest.fixture(scope="module")
def shown(searchable):
    _, store, refs = searchable
    return section(store, refs, ReportConfig())


def test_map_tiles_and_neighbours(shown):
    tiles, charts, near, indexes = shown.blocks
    assert isinstance(tiles, Tiles) and isinstance(charts, Charts)
    assert {tile.name for tile in tiles.tiles} == {"table vectors", "column vectors", "node vectors"}
    spec = charts.charts[0].spec
    points = spec["datasets"].popitem()[1] if "datasets" in spec else spec["data"]["values"]
    assert {point["table"] for point in points} == set(lake_tables())
    assert isinstance(near, Listing) and isinstance(indexes, Listing)
    assert len(indexes.rows) == 3
    assert all(len(row) == 4 for row in near.rows)


def test_names_are_never_markup_in_the_page(shown):
    html = render(replace(small_lake(), sections=(shown,)))
    assert HOSTILE.strip() not in html
    assert "Vectors and the index over them" in html
    assert "https://" not in html.partition("Vectors and the index")[2].partition("</section>")[0]


def test_runs_that_reach_the_index_show_it(searchable):
    _, store, refs = searchable
    assert [found.anchor for found in collect_sections(store, {"index": refs["index"]}, ReportConfig())] == ["index"]
    assert collect_sections(store, {}, ReportConfig()) == ()


def test_two_tables_have_no_map(tmp_path):
    store, refs = publish_lake(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [2, 1]}})
    charts = section(store, refs, ReportConfig()).blocks[1]
    assert charts.charts[0].spec is None


def test_the_plane_keeps_distances_of_flat_data_and_has_fixed_signs():
    rng = np.random.default_rng(2)
    flat = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 9))
    plane = principal_plane(flat.astype(np.float32))
    gaps = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert np.allclose(np.linalg.norm(plane[:, None] - plane[None], axis=-1), gaps, atol=1e-3)
    assert np.array_equal(plane, principal_plane(flat.astype(np.float32)))
    assert principal_plane(np.ones((3, 1), np.float32)).shape == (3, 2)
