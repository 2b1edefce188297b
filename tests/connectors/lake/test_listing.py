import os
from pathlib import Path

import pytest

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import Listing, list_lake, list_table, table_of_log


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def paths(listing: Listing) -> list[str]:
    return [entry.path for entry in listing.files]


def config(root: Path, **settings: object) -> LakeConfig:
    return LakeConfig(root=str(root), **settings)  # type: ignore[arg-type]


def test_hidden_files_and_pointers_are_left_out_but_logs_and_partitions_stay(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.csv", ".a.csv", "_b.csv", "_SUCCESS", ".git/a.csv", "_temporary/0/p.csv", "~$plan.xlsx",
        "gone.lakebed.json", "d/_delta_log/0.json", "d/_delta_log/.0.json.crc", "d/_delta_log/_last_checkpoint",
        "d/x.parquet", "t/_day=1/part-0.csv",
    )  # fmt: skip
    listing = list_lake(config(tmp_path))
    assert paths(listing) == ["a.csv", "d/x.parquet", "t/_day=1/part-0.csv"]
    assert [entry.path for entry in listing.logs] == ["d/_delta_log/0.json", "d/_delta_log/_last_checkpoint"]


def test_names_of_any_kind_are_listed_as_they_are(tmp_path: Path) -> None:
    names = [
        "with space.csv",
        "qu\"ote's.csv",
        "dots.in.name.csv",
        "größe/日本.csv",
        "back\\slash.csv",
        "new\nline.csv",
    ]
    write(tmp_path, *names)
    assert paths(list_lake(config(tmp_path))) == sorted(names)


def test_a_name_that_is_no_text_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    write(tmp_path, "good.csv")
    with open(os.fsencode(tmp_path) + b"/bad\xff.csv", "w") as file:
        file.write("a")
    listing = list_lake(config(tmp_path))
    assert paths(listing) == ["good.csv"]
    assert [(problem.name, "UTF-8" in problem.reason) for problem in listing.problems] == [("bad\\udcff.csv", True)]


def test_links_that_lead_in_circles_or_nowhere_end(tmp_path: Path) -> None:
    write(tmp_path, "d/a.csv")
    (tmp_path / "d" / "loop").symlink_to(tmp_path)
    (tmp_path / "broken.csv").symlink_to(tmp_path / "nothing")
    listing = list_lake(config(tmp_path))
    assert paths(listing) == ["d/a.csv"]
    assert [problem.name for problem in listing.problems] == ["broken.csv"]


def test_what_links_lead_to_is_listed_by_its_own_path(tmp_path: Path) -> None:
    write(tmp_path, "z/a.csv", "z/b.csv", "m/part-1.csv")
    (tmp_path / "latest").symlink_to(tmp_path / "z")
    (tmp_path / "newest.csv").symlink_to(tmp_path / "z" / "a.csv")
    (tmp_path / "m" / "part-0.csv").symlink_to(tmp_path / "z" / "b.csv")
    listing = list_lake(config(tmp_path))
    assert paths(listing) == ["m/part-0.csv", "m/part-1.csv", "newest.csv", "z/a.csv", "z/b.csv"]
    assert listing.links == {"m/part-0.csv": "z/b.csv", "newest.csv": "z/a.csv", "latest": "z"}
    # a link that alone is a table is none where its file is one; one beside other parts stays
    assert [table.name for table in discover(listing, config(tmp_path)).tables] == ["m", "z/a", "z/b"]
    alone = list_lake(config(tmp_path, include=("newest.csv",)))
    assert [table.name for table in discover(alone, config(tmp_path)).tables] == ["newest"]


@pytest.mark.parametrize("inner", ["latest", "zlatest"])
def test_a_link_into_a_folder_takes_nothing_from_a_link_to_that_folder(tmp_path: Path, inner: str) -> None:
    days = [f"day={day}/{name}.csv" for day in (1, 2, 3) for name in ("a", "b/c")]
    write(tmp_path / "ext" / "sales", *days)
    (tmp_path / "ext" / "sales" / "day=3" / "newest").symlink_to(tmp_path / "ext" / "other")
    (tmp_path / "ext" / "at").mkdir()
    write(tmp_path / "ext" / "other", "x.csv")
    (tmp_path / "lake" / "own").mkdir(parents=True)
    for link, target in {inner: "sales/day=3", "lake": "sales/day=3/b", "sales": "sales"}.items():
        (tmp_path / "lake" / link).symlink_to(tmp_path / "ext" / target)
    found = list_lake(config(tmp_path / "lake"))
    assert paths(found) == sorted([*(f"sales/{day}" for day in days), "sales/day=3/newest/x.csv"])
    # what holds it is reached by a link of its own only after it
    (tmp_path / "lake" / "sales").unlink()
    (tmp_path / "ext" / "at" / "sales").symlink_to(tmp_path / "ext" / "sales")
    (tmp_path / "lake" / "zz").symlink_to(tmp_path / "ext" / "at")
    found = list_lake(config(tmp_path / "lake"))
    assert paths(found) == sorted([*(f"zz/sales/{day}" for day in days), "zz/sales/day=3/newest/x.csv"])


def test_a_link_from_a_folder_to_what_holds_it_leaves_the_folder_its_path(tmp_path: Path) -> None:
    write(tmp_path / "ext", "a.csv", "inner/b.csv", "z/c.csv")
    (tmp_path / "ext" / "inner" / "up").symlink_to(tmp_path / "ext")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "in").symlink_to(tmp_path / "ext" / "inner")
    assert paths(list_lake(config(tmp_path / "lake"))) == ["in/b.csv", "in/up/a.csv", "in/up/z/c.csv"]


def test_links_to_files_that_are_no_table_by_their_names_are_tables(tmp_path: Path) -> None:
    """As caches of Hugging Face, DVC and snapshots have them."""
    write(tmp_path, "blobs/9f86d081", "v/data.snapshot", "own.csv", "blobs/0a1b")
    links = {"snapshots/a/train.parquet": "blobs/9f86d081", "snapshots/b/train.parquet": "blobs/9f86d081"}
    links |= {"v/current.csv": "v/data.snapshot", "same.csv": "own.csv"}
    links |= {"parts/part-0.csv": "blobs/0a1b", "parts/part-1.csv": "own.csv"}
    for link, real in links.items():
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / real)
    listing = list_lake(config(tmp_path))
    assert listing.links == links
    found = [table.name for table in discover(listing, config(tmp_path)).tables]
    assert found == ["own", "parts", "snapshots/a/train", "snapshots/b/train", "v/current"]


def test_include_and_exclude_keep_a_delta_log_with_its_table(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "d/x.parquet", "d/_delta_log/0.json", "e/y.parquet", "e/_delta_log/0.json")
    listing = list_lake(config(tmp_path, include=("d/*.parquet",)))
    assert (paths(listing), [e.path for e in listing.logs]) == (["d/x.parquet"], ["d/_delta_log/0.json"])
    listing = list_lake(config(tmp_path, exclude=("d", "a.csv")))
    assert (paths(listing), [e.path for e in listing.logs]) == (["e/y.parquet"], ["e/_delta_log/0.json"])


@pytest.mark.parametrize("change", ["touch", "grow", "rename", "log"])
def test_the_identity_changes_with_any_file(tmp_path: Path, change: str) -> None:
    write(tmp_path, "a.csv", "b.csv", "d/_delta_log/0.json")
    before = list_lake(config(tmp_path)).identity
    assert list_lake(config(tmp_path)).identity == before
    if change == "touch":
        os.utime(tmp_path / "a.csv", ns=(1, 1))
    elif change == "grow":
        facts = os.stat(tmp_path / "a.csv")
        (tmp_path / "a.csv").write_text("longer than before")
        os.utime(tmp_path / "a.csv", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    elif change == "rename":
        (tmp_path / "a.csv").rename(tmp_path / "c.csv")
    else:
        write(tmp_path, "d/_delta_log/1.json")
    assert list_lake(config(tmp_path)).identity != before


def test_part_boundaries_cannot_move_in_the_identity(tmp_path: Path) -> None:
    def identity(*names: str) -> str:
        from lakebed.connectors.lake.model import FileEntry

        return Listing("r", tuple(FileEntry(name, 1, 1) for name in names), ()).identity

    assert identity("ab", "c") != identity("a", "bc") != identity("abc")


def test_only_paranoid_sees_a_change_that_keeps_size_and_time(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    normal, paranoid = config(tmp_path), config(tmp_path, paranoid=True)
    before = list_lake(normal).identity, list_lake(paranoid).identity
    facts = os.stat(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("A.CSV")
    os.utime(tmp_path / "a.csv", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    after = list_lake(normal).identity, list_lake(paranoid).identity
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert len(list_lake(paranoid).files[0].sha256) == 64


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "only hidden", "all excluded"])
def test_a_lake_with_nothing_to_read_is_a_config_error_with_a_hint(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "lake"
    settings: dict[str, object] = {}
    if kind == "file":
        root.write_text("x")
    elif kind != "missing":
        root.mkdir()
    if kind == "only hidden":
        write(root, ".x.csv")
    if kind == "all excluded":
        write(root, "a.csv")
        settings = {"exclude": ("**",)}
    with pytest.raises(ConfigError) as raised:
        list_lake(config(root, **settings))
    assert raised.value.hint
    assert str(root) in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "secret/b.csv")
    (tmp_path / "secret").chmod(0)
    try:
        listing = list_lake(config(tmp_path))
        assert [problem.name for problem in listing.problems] == ["secret"]
        tmp_path.chmod(0)
        with pytest.raises(SourceError):
            list_lake(config(tmp_path))
    finally:
        tmp_path.chmod(0o755)
        (tmp_path / "secret").chmod(0o755)


def test_a_log_belongs_to_the_folder_that_holds_it() -> None:
    assert table_of_log("my_delta_log_copy/t/_delta_log/0.json") == "my_delta_log_copy/t"
    assert table_of_log("_delta_log/0.json") == ""


def test_one_table_is_listed_alone(tmp_path: Path) -> None:
    write(tmp_path, "a/t.csv", "a/u.csv", "d/_delta_log/0.json", "d/x.parquet", "d/.x.crc", "b.csv")
    assert paths(list_table(config(tmp_path), "a/t.csv")) == ["a/t.csv"]
    delta = list_table(config(tmp_path), "d")
    assert paths(delta) == ["d/x.parquet"]
    assert [entry.path for entry in delta.logs] == ["d/_delta_log/0.json"]
    assert paths(list_table(config(tmp_path), ".")) == ["a/t.csv", "a/u.csv", "b.csv", "d/x.parquet"]
