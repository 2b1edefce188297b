"""What a log says of a table goes into the log of a new one."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.delta_metadata import DeltaTraits, delta_traits, write_delta

ROWS = pa.table({"id": [1, 2], "s": [{"a": 1, "b": ["x"]}, None], "day": ["m", "t"]})


def traits_of(folder: Path, **options: object) -> DeltaTraits:
    write_deltalake(folder, ROWS, **options)
    return delta_traits(DeltaTable(folder))


def mapped(traits: DeltaTraits, mode: str) -> DeltaTraits:
    """The same with other names in the files, inside of structs too."""
    schema = json.loads(traits.schema)
    for number, field in enumerate((*schema["fields"], *schema["fields"][1]["type"]["fields"])):
        field["metadata"] = {"delta.columnMapping.physicalName": f"c{number}", "delta.columnMapping.id": number}
    return DeltaTraits(
        schema=json.dumps(schema, sort_keys=True, ensure_ascii=False),
        partition_columns=traits.partition_columns,
        configuration=(("delta.columnMapping.mode", mode),),
        min_reader=2,
        min_writer=5,
    )


def test_a_new_table_has_the_same_metadata(tmp_path: Path) -> None:
    settings = {"delta.enableChangeDataFeed": "true", "delta.logRetentionDuration": "interval 60 days"}
    wanted = traits_of(tmp_path / "old", name="n", description="d", configuration=settings, partition_by=["day"])
    write_delta(str(tmp_path / "new"), ROWS, ["day"], wanted)
    table = DeltaTable(tmp_path / "new")
    assert delta_traits(table) == wanted and table.metadata().id != DeltaTable(tmp_path / "old").metadata().id
    assert table.to_pyarrow_table().sort_by("id").select(ROWS.schema.names).equals(ROWS)


def test_mapped_columns_have_their_names_in_the_files(tmp_path: Path) -> None:
    wanted = mapped(traits_of(tmp_path / "old", partition_by=["day"]), "name")
    write_delta(str(tmp_path / "new"), ROWS, ["day"], wanted)
    table = DeltaTable(tmp_path / "new")
    assert delta_traits(table) == wanted
    (adds,) = [json.loads(line)["add"] for line in log(tmp_path / "new") if '"add"' in line and '"m"' in line]
    assert adds["partitionValues"] == {"c2": "m"} and json.loads(adds["stats"])["minValues"]["c0"] == 1
    schema = pq.read_schema(tmp_path / "new" / adds["path"])
    assert schema.names == ["c0", "c1"] and [field.name for field in schema.field("c1").type] == ["c3", "c4"]


def log(folder: Path) -> list[str]:
    return (folder / "_delta_log" / f"{0:020d}.json").read_text().splitlines()


def test_what_a_new_table_cannot_have_is_refused(tmp_path: Path) -> None:
    plain = traits_of(tmp_path / "old")
    nested = plain.schema.replace(
        '"elementType": "string"', '"elementType": "string", "delta.columnMapping.physicalName": "x"'
    )
    for traits, word in (
        (mapped(plain, "id"), "column mapping by id"),
        (DeltaTraits(nested, configuration=(("delta.columnMapping.mode", "name"),)), "inside of lists and maps"),
        (DeltaTraits(plain.schema, writer_features=("appendOnly", "icebergCompatV2")), "the feature icebergCompatV2"),
    ):
        with pytest.raises(PlanError, match="cannot be written") as caught:
            write_delta(str(tmp_path / "new"), ROWS, [], traits)
        assert word in str(caught.value.value)
        assert not (tmp_path / "new").exists()


def test_differences_are_named(tmp_path: Path) -> None:
    one = traits_of(tmp_path / "1", description="d", configuration={"delta.appendOnly": "true"})
    assert one.differences(one) == []
    assert one.differences(traits_of(tmp_path / "2", partition_by=["day"])) == [
        "the table property delta.appendOnly",
        "the partition columns",
        "the description",
    ]
