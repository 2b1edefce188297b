"""Tables written by hand in every format version: what their rows are, and what is refused with which reason."""

import datetime
import decimal
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.iceberg.metadata import is_catalogs, newest_metadata
from tests.connectors.lake.iceberg.reading import facts_of, rows_of
from tests.iceberg_tables import HandMade, column

ID, NAME = column(1, "id", "long"), column(2, "name", "string")


def rows(*ids: int | None, name: str = "a") -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "name": pa.array([name] * len(ids))})


def ids(root: Path, name: str = "t") -> list[int]:
    found = rows_of(root, name)
    assert rows_of(root, name, by_groups=True) == found
    return sorted(row["id"] for row in found)


@pytest.fixture
def table(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path / "t", [ID, NAME])


def test_a_table_without_deletes_is_read_as_its_files_are(tmp_path: Path, table: HandMade) -> None:
    table.commit(table.data(rows(1, 2)), table.data(rows(3)))
    facts = facts_of(tmp_path, "t")
    assert facts.is_plain and [file.n_rows for file in facts.files] in ([2, 1], [1, 2])
    assert ids(tmp_path) == [1, 2, 3]


def test_what_was_overwritten_is_gone_and_what_was_never_committed_was_never_there(
    tmp_path: Path, table: HandMade
) -> None:
    table.commit(table.data(rows(1, 2)))
    table.commit(table.data(rows(7)), drop=True)
    table.data(rows(8))
    assert ids(tmp_path) == [7]


def test_a_table_without_a_snapshot_is_empty(tmp_path: Path, table: HandMade) -> None:
    table.metadata()
    facts = facts_of(tmp_path, "t")
    assert facts.files == [] and [leaf.token for leaf in facts.leaves] == ['["id"]', '["name"]']


@pytest.mark.parametrize("version", [2, 3])
def test_positional_deletes_take_rows_of_their_own_file(tmp_path: Path, version: int) -> None:
    table = HandMade(tmp_path / "t", [ID, NAME], version)
    one, other = table.data(rows(*range(10))), table.data(rows(*range(10, 20)))
    table.commit(one, other)
    table.commit(table.positions(one, [0, 9, 4, 4]), table.positions(other, [5]))
    assert ids(tmp_path) == [n for n in range(20) if n not in (0, 4, 9, 15)]
    assert not facts_of(tmp_path, "t").is_plain


def test_a_deletion_vector_stands_for_the_positional_deletes_before_it(tmp_path: Path) -> None:
    table = HandMade(tmp_path / "t", [ID, NAME], 3)
    data = table.data(rows(*range(10)))
    table.commit(data)
    table.commit(table.positions(data, [1]))
    table.commit(table.vector(data, [3, 7]))
    assert ids(tmp_path) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_equality_deletes_take_older_rows_and_no_newer_one(tmp_path: Path, table: HandMade) -> None:
    table.commit(table.data(rows(1, 2, 3)))
    table.commit(table.equality(pa.table({"id": [1, 2]})), table.data(rows(2, 4)))
    table.commit(table.data(rows(1)))
    assert ids(tmp_path) == [1, 2, 3, 4]
    table.commit(table.equality(pa.table({"id": [2]})))
    assert ids(tmp_path) == [1, 3, 4]


def test_equality_deletes_by_several_columns_take_nulls_for_equal(tmp_path: Path, table: HandMade) -> None:
    data = pa.table({"id": pa.array([1, 1, None, None, 2]), "name": ["a", None, "a", None, "b"]})
    table.commit(table.data(data))
    gone = pa.table({"id": pa.array([1, None], pa.int64()), "name": [None, "a"]})
    table.commit(table.equality(gone))
    found = [(row["id"], row["name"]) for row in rows_of(tmp_path, "t")]
    assert sorted(found, key=str) == [(1, "a"), (2, "b"), (None, None)]


def test_equality_deletes_of_a_partition_leave_the_others_alone(tmp_path: Path) -> None:
    spec = [{"source-id": 2, "field-id": 1000, "name": "name", "transform": "identity"}]
    table = HandMade(tmp_path / "t", [ID, NAME], spec=spec, partition_types={"name": "string"})
    table.commit(table.data(rows(1, 2), {"name": "a"}), table.data(rows(1, 2, name="b"), {"name": "b"}))
    table.commit(table.equality(pa.table({"id": [1]}), {"name": "b"}))
    assert [(row["id"], row["name"]) for row in rows_of(tmp_path, "t")] == [(1, "a"), (2, "a"), (2, "b")]


def test_a_column_that_equality_deletes_go_by_may_have_been_dropped_since(tmp_path: Path, table: HandMade) -> None:
    old, new = [ID, NAME], [NAME]
    table.commit(table.data(rows(1, 2, 3)))
    gone = table.equality(pa.table({"id": [2]}))
    schemas = [{"schema-id": n, "fields": fields} for n, fields in enumerate((old, new))]
    table.commit(gone)
    found = json.loads((table.folder / "metadata" / "v2.metadata.json").read_text())
    (table.folder / "metadata" / "v3.metadata.json").write_text(
        json.dumps({**found, "schemas": schemas, "current-schema-id": 1})
    )
    assert rows_of(tmp_path, "t") == [{"name": "a"}, {"name": "a"}]


def test_columns_go_by_their_ids(tmp_path: Path, table: HandMade) -> None:
    table.commit(table.data(rows(1)))
    # the names are exchanged, a third column has the name of one that was dropped
    new = [column(1, "name", "long"), column(3, "id", "string"), column(4, "more", "int", **{"initial-default": 5})]
    table.commit(columns=new)
    assert rows_of(tmp_path, "t") == [{"name": 1, "id": None, "more": 5}]
    assert not facts_of(tmp_path, "t").is_plain


def test_columns_that_were_dropped_or_added_leave_files_plain(tmp_path: Path, table: HandMade) -> None:
    table.commit(table.data(rows(1)), columns=[ID, column(3, "more", "int")])
    assert rows_of(tmp_path, "t") == [{"id": 1, "more": None}] and facts_of(tmp_path, "t").is_plain


def test_types_are_promoted(tmp_path: Path) -> None:
    old = [column(1, "n", "int"), column(2, "x", "float"), column(3, "d", "decimal(4, 2)"), column(4, "day", "date")]
    table = HandMade(tmp_path / "t", old, 3)
    day = datetime.date(2024, 2, 29)
    values = {
        "n": pa.array([7], pa.int32()), "x": pa.array([0.5], pa.float32()),
        "d": pa.array([decimal.Decimal("1.25")], pa.decimal128(4, 2)), "day": pa.array([day]),
    }  # fmt: skip
    table.commit(table.data(pa.table(values)))
    new = [column(1, "n", "long"), column(2, "x", "double"), column(3, "d", "decimal(9, 2)")]
    table.commit(columns=[*new, column(4, "day", "timestamp")])
    assert rows_of(tmp_path, "t") == [
        {"n": 7, "x": 0.5, "d": decimal.Decimal("1.25"), "day": datetime.datetime(2024, 2, 29)}
    ]
    assert [str(leaf.type) for leaf in facts_of(tmp_path, "t").leaves] == [
        "int64", "double", "decimal128(9, 2)", "timestamp[us]",
    ]  # fmt: skip


def test_what_lies_in_structs_lists_and_maps_goes_by_ids_too(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    def struct(*fields: dict[str, object]) -> dict[str, object]:
        return {"type": "struct", "fields": list(fields)}

    inner = {"type": "list", "element-id": 6, "element": struct(column(7, "new", "long"), column(8, "more", "int"))}
    mapping = {"type": "map", "key-id": 10, "key": "string", "value-id": 11, "value": "long"}
    columns = [column(2, "s", struct(column(3, "b", "long"), column(4, "c", "int", **{"initial-default": 9})))]
    columns += [column(5, "l", inner), column(9, "m", mapping)]
    table = HandMade(tmp_path / "t", columns, 3)

    def numbered(name: str, type_: pa.DataType, number: int) -> pa.Field:
        return pa.field(name, type_, metadata={"PARQUET:field_id": str(number)})

    old = numbered("old", pa.int32(), 7)
    schema = pa.schema(
        [
            numbered("s", pa.struct([numbered("a", pa.int32(), 3)]), 2),
            numbered("l", pa.list_(numbered("element", pa.struct([old]), 6)), 5),
            numbered("m", pa.map_(numbered("key", pa.string(), 10).with_nullable(False),
                                  numbered("value", pa.int32(), 11)), 9),
        ]
    )  # fmt: skip
    values = [
        {"s": {"a": 1}, "l": [{"old": 1}, None], "m": [("k", 1)]},
        {"s": None, "l": None, "m": None},
        {"s": {"a": None}, "l": [], "m": []},
    ]
    entry = table.data(pa.table({"x": [0, 0, 0]}).rename_columns(["s"]), name="a.parquet")
    pq.write_table(pa.Table.from_pylist(values, schema), table.folder / "data" / "a.parquet", row_group_size=2)
    table.commit(entry)
    found = rows_of(tmp_path, "t", by_groups=True)
    assert sorted(found, key=str) == sorted(
        [
            {"s.b": 1, "s.c": 9, "l": [{"new": 1, "more": None}, None], "m": [("k", 1)]},
            {"s.b": None, "s.c": None, "l": None, "m": None},
            {"s.b": None, "s.c": 9, "l": [], "m": []},
        ],
        key=str,
    )


def test_a_default_inside_of_a_struct_is_no_null(tmp_path: Path) -> None:
    def struct(*fields: dict[str, object]) -> dict[str, object]:
        return column(1, "s", {"type": "struct", "fields": list(fields)})

    table = HandMade(tmp_path / "t", [struct(column(2, "a", "long"))], 3)
    inner = pa.field("a", pa.int64(), metadata={"PARQUET:field_id": "2"})
    table.commit(table.data(pa.table({"s": pa.array([{"a": 1}, None], pa.struct([inner]))})))
    table.commit(columns=[struct(column(2, "a", "long"), column(3, "b", "int", **{"initial-default": 5}))])
    facts = facts_of(tmp_path, "t")
    assert not facts.is_plain and facts.files[0].statistics.n_nulls == [1, None]
    assert sorted(row["s.b"] or 0 for row in rows_of(tmp_path, "t")) == [0, 5]


@pytest.mark.parametrize(
    ("type_", "default", "value"),
    [
        ("boolean", True, True), ("int", 3, 3), ("double", 0.5, 0.5), ("string", "x", "x"),
        ("decimal(9, 2)", "14.20", decimal.Decimal("14.20")), ("date", "2024-02-29", datetime.date(2024, 2, 29)),
        ("time", "22:31:08.123456", datetime.time(22, 31, 8, 123456)),
        ("timestamp", "2017-11-16T22:31:08.123456", datetime.datetime(2017, 11, 16, 22, 31, 8, 123456)),
        ("timestamptz", "2017-11-16T22:31:08+00:00", datetime.datetime(2017, 11, 16, 22, 31, 8, tzinfo=datetime.UTC)),
        ("binary", "00ff", b"\0\xff"), ("fixed[2]", "0a0b", b"\x0a\x0b"),
        ("uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", bytes.fromhex("f79c3e09677c4bbda4793f349cb785e7")),
    ],
)  # fmt: skip
def test_defaults_of_every_type(tmp_path: Path, type_: str, default: object, value: object) -> None:
    table = HandMade(tmp_path / "t", [ID], 3)
    table.commit(table.data(rows(1).select(["id"])))
    table.commit(columns=[ID, column(2, "x", type_, **{"initial-default": default})])
    assert [row["x"] for row in rows_of(tmp_path, "t")] == [value]


def test_a_partition_column_may_stand_in_the_metadata_alone(tmp_path: Path) -> None:
    spec = [{"source-id": 2, "field-id": 1000, "name": "day", "transform": "identity"}]
    types = {"day": {"type": "int", "logicalType": "date"}}
    table = HandMade(tmp_path / "t", [ID, column(2, "day", "date")], spec=spec, partition_types=types)
    days = [datetime.date(2024, 1, 1), None]
    table.commit(*(table.data(rows(n).select(["id"]), {"day": day}) for n, day in enumerate(days)))
    assert [row["day"] for row in sorted(rows_of(tmp_path, "t"), key=lambda row: row["id"])] == days
    assert facts_of(tmp_path, "t").files[0].statistics.tightness.count("tight") >= 1


def test_files_without_ids_go_by_the_name_mapping(tmp_path: Path) -> None:
    mapping = [{"field-id": 1, "names": ["id", "number"]}, {"field-id": 3, "names": ["gone"]}]
    table = HandMade(tmp_path / "t", [ID, NAME], properties={"schema.name-mapping.default": json.dumps(mapping)})
    table.commit(table.data(pa.table({"number": [5], "other": ["x"]}), ids=False))
    assert rows_of(tmp_path, "t") == [{"id": 5, "name": None}]


def test_files_with_neither_ids_nor_a_mapping_are_refused(tmp_path: Path, table: HandMade) -> None:
    table.commit(table.data(rows(1), ids=False))
    with pytest.raises(SourceError, match="no field ids"):
        facts_of(tmp_path, "t")


@pytest.mark.parametrize(
    "location",
    ["s3://bucket/warehouse/t", "file:/gone/t", "file:///gone/t", "./t", "t", "hdfs://host:9/a/t", "/somewhere/else"],
)
def test_a_table_that_was_moved_is_read_where_it_lies(tmp_path: Path, location: str) -> None:
    table = HandMade(tmp_path / "t", [ID, NAME], location=location)
    data = table.data(rows(1, 2, 3))
    table.commit(data)
    table.commit(table.positions(data, [0]))
    shutil.copytree(tmp_path / "t", tmp_path / "deep" / "copy")
    assert ids(tmp_path) == ids(tmp_path, "deep/copy") == [2, 3]


def test_files_of_the_lake_beside_the_folder_are_the_tables(tmp_path: Path) -> None:
    table = HandMade(tmp_path / "wh" / "db" / "t", [ID, NAME], location="old/root/wh/db/t")
    entry = table.data(rows(1, 2))
    (tmp_path / "wh" / "files").mkdir()
    path = Path(entry["data_file"]["file_path"])
    (table.folder / "data" / path.name).rename(tmp_path / "wh" / "files" / "x.parquet")
    entry["data_file"]["file_path"] = "old/root/wh/files/x.parquet"
    table.commit(entry)
    assert [file.path for file in facts_of(tmp_path, "wh/db/t").files] == ["wh/files/x.parquet"]


def test_version_1_may_list_its_manifests_in_the_metadata(tmp_path: Path) -> None:
    table = HandMade(tmp_path / "t", [ID, NAME], 1)
    path = table.commit(table.data(rows(1, 2)))
    found = json.loads(path.read_text())
    (snapshot,) = found["snapshots"]
    del snapshot["manifest-list"]
    snapshot["manifests"] = [one["manifest_path"] for one in table.manifests]
    found["schema"] = found.pop("schemas")[0]
    found["partition-spec"] = found.pop("partition-specs")[0]["fields"]
    del found["current-schema-id"]
    path.write_text(json.dumps(found))
    assert ids(tmp_path) == [1, 2]


def test_packed_metadata_of_either_name(tmp_path: Path, table: HandMade) -> None:
    path = table.commit(table.data(rows(1)))
    for name in ("v1.gz.metadata.json", "v1.metadata.json.gz"):
        packed = path.with_name(name)
        packed.write_bytes(gzip.compress(path.read_bytes()))
        kept = path.read_bytes()
        path.unlink()
        assert ids(tmp_path) == [1]
        packed.unlink()
        path.write_bytes(kept)


@pytest.mark.parametrize(
    ("names", "hint", "newest"),
    [
        (["v1", "v2", "v10"], "", "v10"),
        (["v1", "v2", "v3"], "1", "v3"),
        (["v1", "v3"], "1", "v1"),
        (["v1", "v2"], "nonsense", "v2"),
        (["00001-a", "00002-b"], "", "00002-b"),
        (["00001-a", "00002-b"], "00001-a", "00001-a"),
        (["00001-a", "00002-b"], "00001-a.metadata.json", "00001-a"),
        (["final"], "", "final"),
        (["00002-a", "00002-b"], "", None),
        (["v1", "00002-a"], "1", None),
        (["v3", "00002-a"], "", None),
        (["v1", "00002-a"], "00002-a", None),
        (["v3", "v3.1"], "", "v3"),
        ([], "3", None),
    ],
)
def test_which_metadata_counts(tmp_path: Path, names: list[str], hint: str, newest: str | None) -> None:
    folder = tmp_path / "t" / "metadata"
    folder.mkdir(parents=True)
    (folder / "version-hint.text").write_text(hint)
    listed = [f"t/metadata/{name}.metadata.json" for name in names] + ["t/metadata/version-hint.text"]
    if newest is None:
        with pytest.raises(SourceError):
            newest_metadata(str(tmp_path), "t", listed)
    else:
        assert newest_metadata(str(tmp_path), "t", listed) == f"t/metadata/{newest}.metadata.json"


def test_a_hint_that_is_older_than_a_catalogs_metadata_tells_nothing(tmp_path: Path, table: HandMade) -> None:
    """A catalog took the folder over and deleted rows: the hint still names the version before."""
    data = table.data(rows(1, 2, 3))
    table.commit(data)
    table.name, table.has_hint = "0000{n}-cat.metadata.json", False
    table.commit(table.positions(data, [0, 1]))
    with pytest.raises(SourceError, match="only the catalog knows") as caught:
        facts_of(tmp_path, "t")
    assert "[lake.iceberg.NAME]" in caught.value.hint and "00002-cat" in str(caught.value.value)


def test_a_table_made_anew_has_its_own_schema(tmp_path: Path, table: HandMade) -> None:
    """In one process: the metadata files are called as before."""
    data = table.data(rows(1, 2))
    table.commit(data)
    table.commit(table.positions(data, [0]))
    assert rows_of(tmp_path, "t") == [{"id": 2, "name": "a"}]
    shutil.rmtree(table.folder)
    table = HandMade(tmp_path / "t", [column(1, "other", "string")])
    data = table.data(pa.table({"other": ["x", "y"]}))
    table.commit(data)
    table.commit(table.positions(data, [0]))
    assert rows_of(tmp_path, "t") == [{"other": "y"}]


@pytest.mark.parametrize("kind", ["positions", "equality"])
def test_deletes_of_a_partition_of_nan(tmp_path: Path, kind: str) -> None:
    spec = [{"source-id": 2, "field-id": 1000, "name": "x", "transform": "identity"}]
    columns = [ID, column(2, "x", "double")]
    table = HandMade(tmp_path / "t", columns, spec=spec, partition_types={"x": "double"})
    nan, other = float("nan"), table.data(pa.table({"id": [1], "x": [0.5]}), {"x": 0.5})
    data = table.data(pa.table({"id": [1, 2, 3], "x": [nan] * 3}), {"x": nan})
    table.commit(data, other)
    gone = table.positions(data, [0], {"x": nan}) if kind == "positions" else None
    table.commit(gone or table.equality(pa.table({"id": [1]}), {"x": nan}))
    assert sorted(row["id"] for row in rows_of(tmp_path, "t")) == [1, 2, 3]
    assert [row["id"] for row in rows_of(tmp_path, "t") if row["x"] == 0.5] == [1]


def test_who_names_metadata_how() -> None:
    assert not is_catalogs("t/metadata/v3.metadata.json") and not is_catalogs("t/metadata/v3.gz.metadata.json")
    assert is_catalogs("t/metadata/00003-ab.metadata.json") and is_catalogs("t/metadata/final.metadata.json")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer format": (lambda t: _replace(t / "metadata/v2.metadata.json", '"format-version": 2', '"format-version": 4'),
                     "format version"),
    "no JSON": (lambda t: (t / "metadata/v2.metadata.json").write_text("{"), "damaged"),
    "a list": (lambda t: (t / "metadata/v2.metadata.json").write_text("[]"), "damaged"),
    "nothing": (lambda t: (t / "metadata/v2.metadata.json").write_text("{}"), "damaged"),
    "too deep": (lambda t: (t / "metadata/v2.metadata.json").write_text("[" * 100_000), "deep"),
    "no such snapshot": (lambda t: _replace(t / "metadata/v2.metadata.json", '"current-snapshot-id": 2',
                                            '"current-snapshot-id": 9'), "no snapshot"),
    "no such schema": (lambda t: _replace(t / "metadata/v2.metadata.json", '"current-schema-id": 0',
                                          '"current-schema-id": 9'), "no schema"),
    "unknown type": (lambda t: _replace(t / "metadata/v2.metadata.json", '"type": "string"', '"type": "geometry"'),
                     "not read"),
    "another type": (lambda t: _replace(t / "metadata/v2.metadata.json", '"type": "string"', '"type": "int"'),
                     "another type"),
    "packed wrongly": (lambda t: (t / "metadata/v2.metadata.json").write_bytes(b"\x1f\x8b12345678"), "damaged"),
    "no manifest list": (lambda t: (t / "metadata/snap-2.avro").unlink(), "not in the lake"),
    "no Avro": (lambda t: (t / "metadata/snap-2.avro").write_bytes(b"Obj\x01" + b"\xff" * 50), "damaged"),
    "no data": (lambda t: [one.unlink() for one in (t / "data").glob("[0-9a-f]*.parquet")], "not in the lake"),
    "no delete file": (lambda t: [one.unlink() for one in (t / "data").glob("pos-*")], "not in the lake"),
    "no Parquet": (lambda t: [one.write_bytes(b"PAR1xxxxPAR1") for one in (t / "data").glob("pos-*")], "cannot read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_damaged_is_refused_with_its_reason(tmp_path: Path, table: HandMade, kind: str) -> None:
    from lakebed.connectors.lake.iceberg.table import read_tables
    from lakebed.connectors.lake.model import FileEntry, TableSource

    data = table.data(rows(1, 2))
    table.commit(data)
    table.commit(table.positions(data, [0]))
    damage, reason = DAMAGES[kind]
    damage(tmp_path / "t")
    files = [one for one in (tmp_path / "t").rglob("*") if one.is_file()]
    entries = {
        str(one.relative_to(tmp_path)): FileEntry(str(one.relative_to(tmp_path)), one.stat().st_size, 0)
        for one in files
    }
    source = TableSource("t", "iceberg", tuple(entries.values()), "t")
    (found,) = read_tables(str(tmp_path), [source], entries)
    assert isinstance(found, SourceError)
    assert reason in f"{found.what}: {found.value}"


@pytest.mark.parametrize("format_", ["orc", "avro"])
def test_other_formats_are_named(tmp_path: Path, table: HandMade, format_: str) -> None:
    entry = table.data(rows(1))
    entry["data_file"]["file_format"] = format_.upper()
    table.commit(entry)
    with pytest.raises(SourceError, match="format that is not read") as caught:
        facts_of(tmp_path, "t")
    assert format_ in str(caught.value.value)


def test_a_file_with_other_rows_than_its_manifest_counts_is_refused(tmp_path: Path, table: HandMade) -> None:
    entry = table.data(rows(1, 2))
    entry["data_file"]["record_count"] = 3
    table.commit(entry)
    with pytest.raises(SourceError, match="cannot read") as caught:
        facts_of(tmp_path, "t")
    assert "the manifest counts 3" in str(caught.value.value)


def test_bounds_are_those_of_the_footers_and_wide_where_rows_are_deleted(tmp_path: Path, table: HandMade) -> None:
    data = table.data(rows(1, 5, None))
    table.commit(data)
    (file,) = facts_of(tmp_path, "t").files
    assert (file.statistics.min_lower[0], file.statistics.max_upper[0], file.statistics.n_nulls[0]) == (1, 5, 1)
    assert file.statistics.tightness[0] == "tight"
    table.commit(table.positions(data, [0]))
    (file,) = facts_of(tmp_path, "t").files
    assert (file.n_rows, file.statistics.tightness[0], file.statistics.n_nulls[0]) == (2, "wide", None)
    assert file.statistics.min_upper[0] == 5
