from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.graph import NODE_HEIGHT, NODE_WIDTH, Drawing, draw, kept_bytes
from lakebed.tasks.report.model import Relation
from tests.tasks.report.lakes import big_lake, relation

N = 9
Pairs = set[tuple[int, int]]
pair_sets = st.sets(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] != p[1]), max_size=24)


def drawing(pairs: Relation, n: int = N, config: ReportConfig | None = None) -> Drawing:
    return draw(pairs, np.arange(100, 100 + n, dtype=np.int64), config or ReportConfig())


def closure(pairs: Pairs) -> Pairs:
    closed = set(pairs)
    while True:
        more = closed | {(a, d) for a, b in closed for c, d in closed if b == c}
        if more == closed:
            return closed
        closed = more


@given(pair_sets)
def test_a_box_holds_the_tables_that_contain_one_another(pairs: Pairs) -> None:
    boxes = {frozenset(node.members) for node in drawing(relation(sorted(pairs))).nodes}
    closed = closure(pairs)
    used = {table for pair in pairs for table in pair}
    expected = {frozenset([a] + [b for b in used if {(a, b), (b, a)} <= closed]) for a in used}
    assert boxes == expected


@given(pair_sets)
def test_hiding_implied_lines_loses_no_containment(pairs: Pairs) -> None:
    picture = drawing(relation(sorted(pairs)))
    lines = {(link.child, link.parent) for link in picture.links}
    direct = {(link.child, link.parent) for link in picture.links if not link.is_implied}
    assert closure(direct) == closure(lines)
    for line in direct:
        assert line not in closure(lines - {line})


@given(pair_sets)
def test_boxes_do_not_overlap_and_lie_inside_the_picture(pairs: Pairs) -> None:
    picture = drawing(relation(sorted(pairs)))
    for a, b in combinations(picture.nodes, 2):
        assert abs(a.x - b.x) >= NODE_WIDTH or abs(a.y - b.y) >= NODE_HEIGHT
    for node in picture.nodes:
        assert node.x >= 0
        assert node.y >= 0
        assert node.x + NODE_WIDTH <= picture.width
        assert node.y + NODE_HEIGHT <= picture.height


@given(pair_sets, st.randoms(use_true_random=False))
def test_the_order_of_the_edges_does_not_matter(pairs: Pairs, random: object) -> None:
    order = sorted(pairs)
    random.shuffle(order)  # type: ignore[attr-defined]
    assert drawing(relation(order)) == drawing(relation(sorted(pairs)))


def test_a_parent_stands_left_of_its_children() -> None:
    picture = drawing(relation([(1, 0), (2, 1), (2, 0)]))
    x = {node.members[0]: node.x for node in picture.nodes}
    assert x[0] < x[1] < x[2]
    assert [(link.child, link.parent) for link in picture.links if link.is_implied] == [(2, 0)]


def test_a_long_chain_is_folded_into_the_width_of_the_page() -> None:
    picture = drawing(relation([(k + 1, k) for k in range(40)]), n=41)
    assert picture.width == drawing(relation([(k + 1, k) for k in range(3)])).width
    assert len({(node.x, node.y) for node in picture.nodes}) == 41


def test_a_line_is_coincidental_only_where_all_edges_behind_it_are() -> None:
    picture = drawing(relation([(1, 0), (0, 1), (2, 0)], [(2, 1), (3, 0)]))
    by_child = {picture.nodes[link.child].members: link.is_coincidental for link in picture.links}
    assert by_child == {(2,): False, (3,): True}


def test_caps_are_counted() -> None:
    data = big_lake()
    config = ReportConfig(max_drawn_nodes=50, max_drawn_links=60)
    picture = drawing(data.relation, len(data.tables), config)
    assert (len(picture.nodes), len(picture.links)) == (50, 60)
    assert (picture.n_classes, picture.n_links) == (len(data.tables), data.relation.n_edges)


def test_an_empty_relation_draws_nothing() -> None:
    assert drawing(relation([])) == Drawing((), (), 0, 0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], 0),
        ([(1, 0)], 0),
        ([(0, 1), (1, 0)], 100),
        ([(3, 4), (4, 3), (3, 5), (4, 5)], 0),
        ([(6, 7), (7, 6), (1, 2), (2, 1)], 101 + 106),
    ],
)
def test_one_of_each_group_of_copies_stays(pairs: list[tuple[int, int]], expected: int) -> None:
    assert kept_bytes(relation(pairs), np.arange(100, 110, dtype=np.int64)) == expected
