"""Signs of managed tables: what counts as one, what only looks so, which folder wins."""

import os
from pathlib import Path

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import Discovery, discover
from lakebed.connectors.lake.listing import Listing, list_lake, list_table
from lakebed.connectors.lake.managed import managed_folders, owner_above
from lakebed.data_samples.families.managed import ManagedLake, write_managed_lake

REAL_ICEBERG = Path(__file__).resolve().parents[4] / "shared" / "data" / "iceberg"
UUID = "01979c4e-7f31-7c2a-9d0b-3f6f2c1a5e01"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ManagedLake]:
    root = tmp_path_factory.mktemp("managed") / "lake"
    return root, write_managed_lake(root)


def found(root: Path, **settings: object) -> tuple[Listing, Discovery]:
    config = LakeConfig(root=str(root), **settings)  # type: ignore[arg-type]
    listing = list_lake(config)
    return listing, discover(listing, config)


def managed_in(listing: Listing, tables: Discovery) -> dict[str, str]:
    """Folders of managed tables by their format: those that are not read, and those that are."""
    read = {table.name: table.format for table in tables.tables if table.format == "iceberg"}
    return {problem.name: problem.format for problem in listing.problems} | read


def plain_of(tables: Discovery) -> list[str]:
    """All but Iceberg's tables, and catalogs of DuckLake, which are looked into elsewhere."""
    return [table.name for table in tables.tables if table.format not in ("iceberg", "duckdb")]


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\n1\n")
    return root


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        (["t/metadata/v1.metadata.json"], {"t": "iceberg"}),
        (["t/metadata/00001-ab.gz.metadata.json"], {"t": "iceberg"}),
        (["t/metadata/v1.metadata.json.gz"], {"t": "iceberg"}),
        (["t/metadata/version-hint.text"], {"t": "iceberg"}),
        (["metadata/v1.metadata.json"], {"": "iceberg"}),
        (["t/.hoodie/"], {"t": "hudi"}),
        (["t/.hoodie/hoodie.properties", "t/.hoodie/metadata/.hoodie/x"], {"t": "hudi"}),
        (["t.lance/_versions/"], {"t.lance": "lance"}),
        (["t.lance/_latest.manifest"], {"t.lance": "lance"}),
        (["t/_versions/", "t/_transactions/"], {"t": "lance"}),
        (["t/schema/schema-3", "t/snapshot/EARLIEST"], {"t": "paimon"}),
        (["m.ducklake", "m.ducklake.files/main/t/x.parquet"], {"m.ducklake.files": "ducklake"}),
        (["d/m.ducklake", f"d/files/main/t/ducklake-{UUID}.parquet"], {"d/files": "ducklake"}),
        (["k/tablet-meta/a", "k/consensus-meta/a"], {"k": "kudu"}),
        (["c/all_1_1_0/checksums.txt", "c/all_1_1_0/columns.txt", "c/all_1_1_0/count.txt"], {"c": "clickhouse"}),
        (["e/__XLOG/"], {"e": "unknown"}),
        # Hive's compacted base, writes, deletes, with statement and compaction; Impala's and a union's; partitions
        (["t/base_0000005_v0000123/bucket_00000"], {"t": "hive"}),
        (["t/delta_0000001_0000001_0000/bucket_00000", "t/_orc_acid_version"], {"t": "hive"}),
        (["t/delete_delta_6_9/bucket_00001_0"], {"t": "hive"}),
        (["t/y=1/m=2/delta_001_002/part-0.parquet", "t/y=2/m=1/000000_0"], {"t": "hive"}),
        (["base_0000001/x.parquet"], {"": "hive"}),
        (["t/base_3/b34f2a1c0d9e8f77-1a2b3c4d00000000_19_data.0.parq"], {"t": "hive"}),
        (["t/base_12345678/HIVE_UNION_SUBDIR_1/000000_0"], {"t": "hive"}),
        (["t/delta_3_3/x.orc"], {"t": "hive"}),
        (["t/base_3/x.orc", "t/delta_4_6/x.orc"], {"t": "hive"}),
        # of a copied table of Hudi each partition by itself, where names do not tell the folder above
        (["t/2024/01/.hoodie_partition_metadata", "t/2024/01/x.parquet"], {"t/2024/01": "hudi"}),
        (["t/y=1/.hoodie_partition_metadata.parquet", "t/y=2/.hoodie_partition_metadata"], {"t": "hudi"}),
        (["t/.hoodie/", "t/2024/.hoodie_partition_metadata"], {"t": "hudi"}),
        # a sign above wins, and a Delta log wins over Iceberg's metadata beside it, over nothing else
        (["a/metadata/v1.metadata.json", "a/b/.hoodie/"], {"a": "iceberg"}),
        (["u/metadata/v1.metadata.json", "u/_delta_log/0.json"], {}),
        (["x/.hoodie/", "x/_delta_log/0.json"], {"x": "hudi"}),
        # only alike, or hidden
        (["base_2024/x.parquet", "base_20240131/x.csv", "base_1/part-00000.parquet", "base_v2/bucket_00000"], {}),
        (["d/delta_2024_01/x.parquet", "d/delta_2023_2024/x.parquet", "d/delta_01_01/x.csv", "delta_1/x.csv"], {}),
        (["d/delta_1_1", "d/delta_1_1/deeper/x.csv", "my_base_0000001/x.csv", "d/hoodie_partition_metadata"], {}),
        ([".trash/t/base_0000001/bucket_00000", "_t/.hoodie_partition_metadata"], {}),
        (["t/metadata/a.parquet", "t/metadata/schema.json", "metadata.json"], {}),
        (["t/schema/schema-0", "s/snapshot/snapshot-1", "t/schema/schema.json"], {}),
        (["t/_versions/", "t.lance/data/x", "t/hoodie.properties", "k/tablet-meta/a", "c/checksums.txt"], {}),
        (["t/_metadata", "t/_common_metadata", "t/_symlink_format_manifest/m", "t/_SUCCESS", "t/.dvc/config"], {}),
        (["_lakebed_quarantine/entries/1/data/t/metadata/v1.metadata.json", ".trash/t/.hoodie/x"], {}),
    ],
)  # fmt: skip
def test_signs(paths: list[str], folders: dict[str, str]) -> None:
    assert {name: one.format for name, one in managed_folders(paths).folders.items()} == folders


def test_files_named_by_ducklake_belong_to_it_and_their_neighbours_do_not() -> None:
    managed = managed_folders(["loose/k=1/other.parquet"])
    owner = managed.owner(f"loose/k=1/ducklake-{UUID}.parquet")
    assert owner is not None and (owner.folder, owner.format) == ("loose", "ducklake")
    assert managed.owner(f"k=1/ducklake-{UUID}-delete.parquet").folder == ""  # type: ignore[union-attr]
    assert managed.owner("loose/k=1/other.parquet") is None
    assert managed.owner("loose/ducklake-notes.parquet") is None


def test_each_managed_folder_is_one_table(lake: tuple[Path, ManagedLake]) -> None:
    root, made = lake
    listing, tables = found(root)
    assert managed_in(listing, tables) == dict(made.managed)
    assert all("kept by" in problem.reason and problem.hint for problem in listing.problems)
    assert set(plain_of(tables)) == made.tables
    inside = [table for table in tables.tables if {entry.path for entry in table.files} & set(made.data_files)]
    assert {table.name for table in inside} == {name for name, kind in made.managed.items() if kind == "iceberg"}
    (stream,) = [table for table in tables.tables if table.name == "stream"]
    assert [entry.path for entry in stream.files] == ["stream/part-00000-a.snappy.parquet"]


@pytest.mark.parametrize("settings", [{"group": ("**",)}, {"split": ("**",)}, {"group": ("lakehouse", "mixed")}])
def test_a_sign_wins_over_globs(lake: tuple[Path, ManagedLake], settings: dict[str, tuple[str, ...]]) -> None:
    root, made = lake
    listing, tables = found(root, **settings)
    assert managed_in(listing, tables).keys() == set(made.managed)
    plain = [table for table in tables.tables if table.format != "iceberg"]
    assert not {entry.path for table in plain for entry in table.files} & set(made.data_files)
    assert [len(table.files) for table in tables.tables if table.path == "stream"] == [1]


def test_parts_of_a_hudi_table_without_its_timeline_say_what_to_copy(tmp_path: Path) -> None:
    for name in (".hoodie_partition_metadata", "a-0_0-1-1_20240101000000000.parquet", "b.parquet"):
        write(tmp_path, f"t/day=1/{name}")
    listing, tables = found(write(tmp_path, "a.csv"))
    assert [table.name for table in tables.tables] == ["a"]
    ((name, why, hint),) = [(problem.name, problem.reason, problem.hint) for problem in listing.problems]
    assert name == "t" and "Hudi (day=1/.hoodie_partition_metadata), whose timeline `.hoodie` is missing" in why
    assert hint.startswith("copy the table with its folder `.hoodie`, then lakebed run") and not listing.hudis


def test_links_into_writes_of_hive_and_partitions_of_hudi_are_no_way_in(tmp_path: Path) -> None:
    write(tmp_path / "far", "h/y=1/delta_0000001_0000001_0000/x.parquet", "t/2024/.hoodie_partition_metadata")
    write(tmp_path / "far", "t/2024/x.parquet", "h/y=1/base_4/000000_0")
    root = write(tmp_path / "lake", "a.csv")
    os.symlink(tmp_path / "far/h/y=1/delta_0000001_0000001_0000", root / "folder")
    os.symlink(tmp_path / "far/h/y=1/base_4/000000_0", root / "x.orc")
    os.symlink(tmp_path / "far/t/2024/x.parquet", root / "x.parquet")
    listing, tables = found(root)
    assert [table.name for table in tables.tables] == ["a"]
    told = {(problem.name, problem.format) for problem in listing.problems}
    assert told == {("folder", "hive"), ("x.orc", "hive"), ("x.parquet", "hudi")}


def test_include_and_exclude_choose_what_is_listed_never_what_is_read(lake: tuple[Path, ManagedLake]) -> None:
    root, made = lake
    listing, tables = found(root, include=("lakehouse/**/*.parquet", "orders.parquet"))
    assert managed_in(listing, tables) == {"lakehouse/orders": "iceberg"} and plain_of(tables) == ["orders"]
    # whatever the globs leave of it, all of it is listed
    assert any("/metadata/" in entry.path for entry in listing.files)
    listing, tables = found(root, exclude=("**/metadata/**", "**/.hoodie/**", "hudi"))
    assert managed_in(listing, tables).keys() == set(made.managed) - {"hudi/orders"}


def test_a_table_with_nothing_but_its_log_is_listed(tmp_path: Path) -> None:
    (tmp_path / "empty" / ".hoodie").mkdir(parents=True)
    assert [problem.name for problem in found(write(tmp_path, "a.csv"))[0].problems] == ["empty"]
    assert found(tmp_path, exclude=("empty",))[0].problems == ()


def test_a_managed_table_that_grows_changes_no_identity(lake: tuple[Path, ManagedLake], tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "t/schema/schema-0", "t/snapshot/EARLIEST", "t/bucket-0/1.parquet")
    before = found(tmp_path)[0].identity
    write(tmp_path, "t/snapshot/LATEST", "t/bucket-0/2.parquet")
    assert found(tmp_path)[0].identity == before
    write(tmp_path, "u/metadata/v1.metadata.json")
    assert found(tmp_path)[0].identity != before


def test_a_delta_table_around_a_managed_one_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "d/_delta_log/0.json", "d/x.parquet", "d/in/metadata/v1.metadata.json", "d/in/data/y.parquet")
    listing, tables = found(tmp_path)
    assert managed_in(listing, tables) == {"d/in": "iceberg"} and plain_of(tables) == []
    assert [(bad.name, bad.format) for bad in tables.unreadable] == [("d", "delta")]
    assert "d/in" in tables.unreadable[0].reason


def test_files_of_other_kinds_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "readme.md", "x/pic.png", "t/metadata/v1.metadata.json", "d/_delta_log/0.json", "d/b.txt")
    assert [entry.path for entry in found(tmp_path)[1].others] == ["readme.md", "x/pic.png"]


@pytest.mark.parametrize(
    ("root", "owner", "told"),
    [
        ("lakehouse/orders/data", "lakehouse/orders", "Iceberg"),
        ("lakehouse/orders/metadata", "lakehouse/orders", "Iceberg"),
        ("hudi/orders/day=1", "hudi/orders", "Hudi"),
        ("vectors.lance/data", "vectors.lance", "Lance"),
        ("paimon/sales.db/orders/bucket-0", "paimon/sales.db/orders", "Paimon"),
        ("shop.ducklake.files/main/orders", "shop.ducklake.files", "DuckLake"),
        ("kudu/data", "kudu", "Kudu"),
        ("engine/sub", "engine", "an engine"),
        ("uniform/_delta_log", "uniform", "Delta"),
        ("stream/_spark_metadata", "stream", "streaming sink"),
        ("hive/sales/day=1/delta_0000002_0000002_0000", "hive/sales", "Hive ACID"),
    ],
)
def test_a_root_inside_a_managed_table_is_refused(
    lake: tuple[Path, ManagedLake], root: str, owner: str, told: str
) -> None:
    (lake[0] / "engine" / "sub").mkdir(exist_ok=True)
    write(lake[0] / "engine" / "sub", "a.csv")
    with pytest.raises(ConfigError, match=told) as caught:
        found(lake[0] / root)
    assert caught.value.hint == f"lakebed run --lake {(lake[0] / owner).parent}"
    assert str(lake[0] / owner) in str(caught.value.expected)


def test_the_root_may_be_the_table_itself_or_lie_beside_one(lake: tuple[Path, ManagedLake]) -> None:
    listing, tables = found(lake[0] / "lakehouse" / "orders")
    assert listing.problems == () and [(table.name, table.format) for table in tables.tables] == [(".", "iceberg")]
    assert [table.name for table in found(lake[0] / "lakehouse")[1].tables] == ["orders"]
    assert [table.name for table in found(lake[0] / "uniform")[1].tables] == ["."]
    assert owner_above(str(lake[0] / "copies" / "copy_00.parquet")) is None


def test_links_into_a_managed_table_are_no_way_in(tmp_path: Path) -> None:
    write(tmp_path / "far", "t/metadata/v1.metadata.json", "t/data/x.csv", "plain/y.csv")
    root = write(tmp_path / "lake", "a.csv")
    os.symlink(tmp_path / "far" / "t" / "data", root / "folder")
    os.symlink(tmp_path / "far" / "t" / "data" / "x.csv", root / "x.csv")
    os.symlink(tmp_path / "far" / "plain", root / "plain")
    listing, tables = found(root)
    assert [table.name for table in tables.tables] == ["a", "plain/y"]
    assert [(problem.name, problem.format) for problem in listing.problems] == [
        ("folder", "iceberg"), ("x.csv", "iceberg"),
    ]  # fmt: skip
    reasons = {problem.reason for problem in listing.problems}
    assert all("symbolic link into a table of Iceberg" in one and "which is not read" not in one for one in reasons)
    with pytest.raises(ConfigError, match="Iceberg"):
        found(root / "folder")


def test_one_table_is_listed_by_the_same_rule(lake: tuple[Path, ManagedLake]) -> None:
    config = LakeConfig(root=str(lake[0]))
    assert list_table(config, "lakehouse/orders").icebergs == {"lakehouse/orders"}
    mixed = list_table(config, "mixed")
    own = [entry.path for entry in mixed.files if not entry.path.startswith("mixed/ice/")]
    assert own == ["mixed/part-00000.parquet", "mixed/part-00001.parquet"] and mixed.icebergs == {"mixed/ice"}
    assert [entry.path for entry in list_table(config, "stream").files] == ["stream/part-00000-a.snappy.parquet"]


@pytest.mark.skipif(not REAL_ICEBERG.is_dir(), reason="the real Iceberg tables are not here")
def test_real_iceberg_tables_are_each_one_table() -> None:
    listing, tables = found(REAL_ICEBERG, exclude=("**/expected*",))
    roots = {path.parent.parent for path in REAL_ICEBERG.rglob("*.metadata.json")}
    assert {table.name for table in tables.tables} == {str(root.relative_to(REAL_ICEBERG)) for root in roots}
    assert len(roots) == 24 and {table.format for table in tables.tables} == {"iceberg"} and listing.problems == ()
