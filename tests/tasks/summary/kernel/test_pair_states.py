"""The tables against exhaustive placement of edges on two small trees."""

from itertools import product

import pytest

from lakebed.tasks.summary.kernel.pair_states import EDGE, EMPTY, Cells, _finish, pack, state_tables

WIDE = [tuple(cells) for cells in product((-1, 0, 1), repeat=4)]


def unpacked(state: int) -> Cells:
    found = [(state >> (2 * i)) & 3 for i in range(4)]
    return tuple(None if cell == 3 else cell - 1 for cell in found)  # type: ignore[return-value]


def least(cells: tuple[int, ...], inherited: int) -> int:
    """Edges placed above the four blocks, plus what the blocks then cost beyond their cost at 0: -δ where it is 1."""

    def row_first(a: int, b: int, c: int, d: int, s: int) -> int:
        best = 99
        for whole in (0, 1):
            top = (s + whole) % 2
            total = whole
            for pair in ((a, b), (c, d)):
                total += min(flip - sum(cell * ((top + flip) % 2) for cell in pair) for flip in (0, 1))
            best = min(best, total)
        return best

    a, b, c, d = cells
    return min(row_first(a, b, c, d, inherited), row_first(a, c, b, d, inherited))


@pytest.mark.parametrize("cells", WIDE)
def test_finish_is_the_cheapest_placement(cells: tuple[int, int, int, int]) -> None:
    saved, delta = _finish(cells)
    assert saved == -least(cells, 0)
    assert delta == least(cells, 0) - least(cells, 1)


def test_two_edges_to_a_common_neighbour_save_one() -> None:
    tables = state_tables()
    assert tables.gain[EDGE << 8 | EDGE] == 1
    assert unpacked(int(tables.after[EDGE << 8 | EDGE])) == (1, None, 1, None)
    assert tables.gain[EDGE << 8 | EMPTY] == 0
    assert unpacked(int(tables.after[EDGE << 8 | EMPTY])) == (1, None, -1, None)


def test_a_merge_saves_one_edge_at_most_and_order_does_not_matter() -> None:
    tables = state_tables()
    states = [s for s in range(256) if tables.delta[s] > -1 or s == EMPTY or tables.transposed[s] != 0]
    for a, b in product(states, states):
        assert tables.gain[a << 8 | b] in (0, 1)
        assert tables.gain[a << 8 | b] == tables.gain[b << 8 | a]


def test_transposing_twice_changes_nothing() -> None:
    tables = state_tables()
    for cells in WIDE:
        state = pack(cells)
        assert tables.transposed[tables.transposed[state]] == state
        assert tables.delta[tables.transposed[state]] == tables.delta[state]
