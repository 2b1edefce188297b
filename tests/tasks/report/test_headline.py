from lakebed.tasks.report.render import headline
from tests.tasks.report.lakes import empty_lake, small_lake


def test_coincidental_containments_count_as_proven_and_nowhere_else() -> None:
    data = small_lake()
    top = headline(data)
    sizes = [table.n_bytes for table in data.tables]
    assert (top.n_tables, top.n_edges, top.n_coincidental, top.n_contained) == (7, 6, 1, 4)
    assert top.contained_bytes == sum(sizes[1:5])
    assert top.removable_bytes == sum(sizes[1:5]) - min(sizes[3:5])


def test_an_empty_lake_saves_nothing() -> None:
    top = headline(empty_lake())
    assert (top.n_tables, top.removable_bytes) == (0, 0)
