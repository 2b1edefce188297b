from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable


def test_the_values_are_equal_by_content_and_can_be_sent() -> None:
    import pickle

    entry = FileEntry("a/b.csv", 1, 2)
    source = TableSource("a/b", "csv", (entry,), "a/b.csv")
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 - our own bytes
    assert Unreadable("a", "csv", "why").hint == ""
