import numpy as np
import pytest

from lakebed.tasks.links.config import LakeLinksConfig, SplitConfig
from lakebed.tasks.links.kernel import lake_pairs
from lakebed.tasks.links.kernel.lake_pairs import (
    LakeGraph,
    LakePairs,
    hold_values_out,
    lake_tails,
    split_pairs,
)
from lakebed.tasks.links.kernel.split import TooFewLinksError

CONFIG = LakeLinksConfig(held_share=0.5)
N_TABLES, N_GROUPS = 30, 5


@pytest.fixture(scope="module")
def graph():
    """Two columns a table; columns of one group of tables draw from the same 40 values."""
    random = np.random.default_rng(0)
    columns, tables = np.arange(2 * N_TABLES), 2 * N_TABLES + np.repeat(np.arange(N_TABLES), 2)
    first_value = 3 * N_TABLES
    held = [
        (column, first_value + 40 * (2 * (column // 2 % N_GROUPS) + column % 2) + value)
        for column in columns
        for value in np.sort(random.permutation(40)[:30])
    ]
    ends = np.array([*zip(columns, tables, strict=True), *held])
    is_value = np.arange(len(ends)) >= len(columns)
    n_nodes = first_value + 80 * N_GROUPS
    return LakeGraph(n_nodes, ends[:, 0], ends[:, 1], is_value, columns, tables)


def values_of(graph, column, chosen):
    return set(graph.target[chosen & (graph.source == column)].tolist())


def linked_pairs(graph):
    """Those of all values together."""
    columns = lake_pairs._linked_columns(graph, graph.is_value, CONFIG)
    return {tuple(pair) for pair in [*columns.tolist(), *lake_pairs._linked_tables(graph, columns).tolist()]}


def test_links_are_those_of_a_plain_count(graph, monkeypatch):
    monkeypatch.setattr(lake_pairs, "BLOCK_ROWS", 7)
    found = linked_pairs(graph)
    values = {column: values_of(graph, column, graph.is_value) for column in graph.column}
    table_of = dict(zip(graph.column.tolist(), graph.table.tolist(), strict=True))
    expected = set()
    for a in graph.column.tolist():
        for b in range(a + 1, 2 * N_TABLES):
            shared = len(values[a] & values[b])
            if shared >= 2 and shared >= 0.5 * min(len(values[a]), len(values[b])) and table_of[a] != table_of[b]:
                expected |= {(a, b), tuple(sorted((table_of[a], table_of[b])))}
    assert found == expected
    assert found


def test_a_key_is_a_link_to_learn_whatever_it_shares(graph):
    linked = next(pair for pair in sorted(linked_pairs(graph)) if pair[1] < 2 * N_TABLES)
    # columns of two groups share nothing
    keys = np.array([linked, (3, 1)])
    tables = {tuple(sorted(graph.table[list(pair)].tolist())) for pair in (linked, (1, 3))}
    held = {tuple(pair) for pair in hold_values_out(graph, CONFIG, 0, keys).positive.tolist()}
    assert {linked, (1, 3), *tables} <= held


def test_held_out_values_are_not_visible_and_define_the_links(graph):
    pairs = hold_values_out(graph, CONFIG, 0)
    visible = {tuple(edge) for edge in pairs.visible.tolist()}
    every = set(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    hidden = every - visible
    hidden_values = {value for _, value in hidden}
    assert visible <= every
    assert not hidden_values & set(pairs.visible.ravel().tolist())
    held = {column: {v for c, v in hidden if c == column} for column in graph.column.tolist()}
    for low, high in pairs.positive.tolist():
        if low < 2 * N_TABLES:
            assert len(held[low] & held[high]) >= 2
    for low, high in pairs.negative.tolist():
        assert low < high
        assert pairs.kind[low] == pairs.kind[high] >= 0
        if low < 2 * N_TABLES:
            assert not held[low] & held[high]
    assert len(pairs.negative) == len(pairs.positive)
    assert not {*map(tuple, pairs.negative.tolist())} & {*map(tuple, pairs.positive.tolist())}


def test_the_split_shares_pairs_out_once(graph):
    pairs = hold_values_out(graph, CONFIG, 0)
    split = split_pairs(pairs, graph.n_nodes, SplitConfig(valid_share=0.1))
    parts = [{*map(tuple, part.tolist())} for part in (split.train, split.valid, split.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(pairs.positive)
    assert len(split.valid_negative) == len(split.valid)
    tails = lake_tails(pairs, split.test, 12, 0)
    assert tails.shape == (len(split.test), 12)
    assert np.array_equal(np.broadcast_to(pairs.kind[split.test[:, 1]][:, None], tails.shape), pairs.kind[tails])
    known = set.union(*parts)
    heads = np.repeat(split.test[:, 0], 12)
    assert not {tuple(sorted(pair)) for pair in zip(heads.tolist(), tails.ravel().tolist(), strict=True)} & known


def few_tables(n_linked, n_tables=6):
    """Tables of one column, of which the first is linked to some of the others."""
    kind = np.repeat(np.array([0, 1], np.int8), n_tables)
    owner = np.arange(2 * n_tables)
    owner[:n_tables] += n_tables
    tables = np.arange(n_tables, 2 * n_tables)
    positive = np.stack([np.full(n_linked, tables[0]), tables[1 : n_linked + 1]], axis=1)
    linked = np.sort(positive[:, 0] * len(kind) + positive[:, 1])
    return LakePairs(positive[:0], positive[:1], positive[:0], kind, owner, linked)


def test_tails_are_never_linked_however_few_nodes_there_are():
    pairs = few_tables(4)
    for head, tail in ((6, 7), (7, 6)):
        tails = lake_tails(pairs, np.array([[head, tail]] * 3), 50, 0)
        free = {11} if head == 6 else {8, 9, 10, 11}
        assert {*tails.ravel().tolist()} == free


def test_a_table_that_is_linked_to_all_others_has_no_tails():
    pairs = few_tables(5)
    with pytest.raises(TooFewLinksError, match="linked to every other"):
        lake_tails(pairs, np.array([[6, 7]]), 3, 0)


def test_tails_know_the_links_beyond_the_drawn_ones_and_the_head_s_own_table(graph):
    capped = hold_values_out(graph, LakeLinksConfig(held_share=0.5, max_pairs=100), 0)
    assert len(capped.linked) > len(capped.positive) == 100
    test = capped.positive[:20]
    tails = lake_tails(capped, test, 30, 0)
    keys = {*capped.linked.tolist()}
    for head, row in zip(test[:, 0].tolist(), tails.tolist(), strict=True):
        assert not {min(head, tail) * graph.n_nodes + max(head, tail) for tail in row} & keys
        assert all(capped.owner[tail] != capped.owner[head] for tail in row)


def test_too_few_are_a_typed_error(graph):
    with pytest.raises(TooFewLinksError, match="no two columns"):
        hold_values_out(graph, LakeLinksConfig(min_shared=1000), 0)
    pairs = hold_values_out(graph, CONFIG, 0)
    with pytest.raises(TooFewLinksError, match="too few pairs"):
        split_pairs(pairs, graph.n_nodes, SplitConfig(valid_share=0.001))
