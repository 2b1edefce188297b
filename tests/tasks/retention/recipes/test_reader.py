import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable as DeltaLog
from deltalake import write_deltalake

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.data_samples.layouts import DeltaTable, ParquetParts
from lakebed.data_samples.truth import Truth
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.write import write_rebuilt
from tests.tasks.retention.recipes.lakes import SmallLake

TABLE = pa.table({"id": pa.array(range(60)), "kind": [f"k{n % 3}" for n in range(60)]})


def test_plain_files_are_read_once(small: SmallLake) -> None:
    small.put("t", TABLE, ParquetParts(3))
    reader = TableReader(small.lake, small.ref("t"))
    ref = reader.describe()
    assert reader.cells(['["id"]'])['["id"]'].values.to_pylist() == list(range(60))
    reader.cells(['["kind"]'])
    assert reader.n_bytes_read == ref.n_bytes
    again = reader.again(ref)
    assert again.cells(['["kind"]'])['["kind"]'].values.to_pylist() == TABLE["kind"].to_pylist()
    assert again.n_bytes_read == 0


def test_delta_tables_are_read_by_column(small: SmallLake) -> None:
    wide = pa.table({f"c{n}": pa.array([n * 1000 + row for row in range(2_000)]) for n in range(20)})
    small.put("t", wide, DeltaTable())
    reader = TableReader(small.lake, small.ref("t"))
    reader.cells(['["c3"]'])
    assert 0 < reader.n_bytes_read < small.ref("t").n_bytes / 5


def test_rows_behind_a_deletion_vector_are_not_read(sample_context: RecipeContext, sample_truth: Truth) -> None:
    ref = observe(sample_context.lake, "billing/invoices")
    assert ref.read_via == "spark"
    cells = TableReader(sample_context.lake, ref).cells(['["invoice_no"]'])
    numbers = cells['["invoice_no"]'].values.to_pylist()
    assert len(numbers) == next(table.n_rows for table in sample_truth.tables if table.name == ref.name) == ref.n_rows
    assert 1 not in numbers and 1_000 not in numbers and 2 in numbers


@pytest.mark.parametrize("mode", ["name", "id"])
def test_renamed_delta_columns_are_read_by_their_own_names(small: SmallLake, mode: str) -> None:
    import json

    small.put("t", TABLE.rename_columns(["col-1", "col-2"]), DeltaTable())
    log = Path(small.root / "t" / "_delta_log" / f"{0:020d}.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in line:
            schema = json.loads(line["metaData"]["schemaString"])
            for number, (field, name) in enumerate(zip(schema["fields"], ("id", "kind"), strict=True), 1):
                mapped = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": field["name"]}
                field |= {"name": name, "metadata": mapped}
            line["metaData"]["schemaString"] = json.dumps(schema)
            line["metaData"]["configuration"] |= {
                "delta.columnMapping.mode": mode,
                "delta.columnMapping.maxColumnId": "2",
            }
    if mode == "id":
        # the names in the file are others than the log's, the ids are not
        (path,) = Path(small.root / "t").glob("*.parquet")
        fields = [pa.field(f"x{n}", TABLE.field(n).type, metadata={"PARQUET:field_id": f"{n + 1}"}) for n in range(2)]
        pq.write_table(pa.table(TABLE.columns, schema=pa.schema(fields)), path)
        for line in lines:
            if "add" in line:
                line["add"] |= {"size": path.stat().st_size, "stats": None}
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ref = small.ref("t")
    assert ref.read_via == "spark"
    cells = TableReader(small.lake, ref).cells(['["kind"]'])
    assert cells['["kind"]'].values.to_pylist() == TABLE["kind"].to_pylist()


def test_a_file_that_is_not_the_one_meant_is_refused(small: SmallLake) -> None:
    small.put("t", TABLE)
    ref = TableReader(small.lake, small.ref("t")).describe()
    other = ref.model_copy(update={"files": (ref.files[0].model_copy(update={"sha256": "0" * 64}),)})
    with pytest.raises(PlanError, match="t has changed"):
        TableReader(small.lake, other).cells(['["id"]'])


def test_files_without_a_common_type_are_refused(small: SmallLake) -> None:
    small.put("t", TABLE, ParquetParts(1))
    ref = small.ref("t")
    small.put("u", TABLE.set_column(0, "id", pa.array(["x"] * 60)), ParquetParts(1))
    files = (*ref.files, *small.ref("u").files)
    with pytest.raises(SourceError, match="types have none in common"):
        TableReader(small.lake, ref.model_copy(update={"files": files})).describe()


@pytest.mark.parametrize("partitions", [(), ("Kind",)])
def test_names_in_capitals_are_read_and_written_where_case_does_not_count(
    tmp_path: Path, partitions: tuple[str, ...]
) -> None:
    small, rows = SmallLake.at(tmp_path, ignore_column_case=True), TABLE.rename_columns(["Id", "Kind"])
    for name, table in (("child", rows.slice(10, 20)), ("parent", rows)):
        write_deltalake(small.root / name, table, partition_by=list(partitions))
    cells = TableReader(small.lake, small.ref("child")).cells(['["id"]'])
    assert sorted(cells['["id"]'].values.to_pylist()) == list(range(10, 30))
    recipe = small.recipe("child", "parent")
    assert recipe.child.n_rows == 20
    shutil.rmtree(small.root / "child")
    write_rebuilt(small.context, recipe, str(small.root))
    found = pa.table(DeltaLog(small.root / "child").to_pyarrow_table()).sort_by("Id")
    assert found.select(["Id", "Kind"]).equals(rows.slice(10, 20).combine_chunks())
