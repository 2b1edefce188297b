"""What is taken out of the trees, and what is not."""

import numpy as np

from lakebed.tasks.summary.kernel.contraction import canonical_edges, contract
from lakebed.tasks.summary.kernel.encoding import Placed
from lakebed.tasks.summary.kernel.forest import binary_forest
from lakebed.tasks.summary.kernel.merging import MergeLog
from lakebed.tasks.summary.kernel.model import Summary


def log_of(*merges: tuple[int, int]) -> MergeLog:
    absorbed, kept = np.array(merges, np.int32).reshape(-1, 2).T
    return MergeLog(absorbed.copy(), kept.copy(), np.array([len(kept)]), np.array([0]))


def contracted(n: int, log: MergeLog, edges: list[tuple[int, int, int]]) -> Summary:
    """Edges between nodes by age."""
    forest = binary_forest(n, log)
    ends = sorted((*sorted((forest.place[x], forest.place[y])), sign) for x, y, sign in edges)
    source, target, sign = np.array(ends, np.int32).reshape(-1, 3).T
    return contract(forest, Placed(source.copy(), target.copy(), sign.astype(np.int8)), n)


def shown(summary: Summary) -> tuple[list[int], list[tuple[int, int, int]]]:
    signed = summary.signed_edges
    columns = (signed.source.tolist(), signed.target.tolist(), signed.sign.tolist())
    return summary.parent.tolist(), list(zip(*columns, strict=True))


def test_nodes_without_edges_give_their_children_to_the_next() -> None:
    # 6 = {0, 1}, 7 = {6, 2}, 8 = {7, 3}; only 8 has edges
    found = contracted(6, log_of((0, 1), (1, 2), (2, 3)), [(8, 4, 1), (8, 5, 1), (8, 8, 1)])
    assert shown(found) == ([6, 6, 6, 6, -1, -1, -1], [(4, 6, 1), (5, 6, 1), (6, 6, 1)])


def test_a_root_with_one_edge_hands_it_down() -> None:
    found = contracted(3, log_of((0, 1)), [(3, 2, 1)])
    assert shown(found) == ([-1, -1, -1], [(0, 2, 1), (1, 2, 1)])


def test_where_it_meets_one_of_the_other_sign_both_go() -> None:
    # 4 = {0, 1}, 5 = {4, 2}
    found = contracted(4, log_of((0, 1), (1, 2)), [(5, 3, 1), (2, 3, -1)])
    assert shown(found) == ([-1, -1, -1, -1], [(0, 3, 1), (1, 3, 1)])


def test_a_loop_alone_keeps_its_root() -> None:
    found = contracted(3, log_of((0, 1), (1, 2)), [(4, 4, 1)])
    assert shown(found) == ([3, 3, 3, -1], [(3, 3, 1)])


def test_edges_at_the_same_nodes_are_added_up() -> None:
    source, target = np.array([2, 1, 0, 5], np.int32), np.array([1, 2, 3, 5], np.int32)
    found = canonical_edges(source, target, np.array([1, -1, 1, -1], np.int8))
    assert (found.source.tolist(), found.target.tolist(), found.sign.tolist()) == ([0, 5], [3, 5], [1, -1])
