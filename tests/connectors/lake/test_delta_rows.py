"""Columns of Delta tables that are found in their files by field id."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.delta_rows import delta_rows
from lakebed.connectors.lake.read import read_split

N, S, K = '["n"]', '["s"]', '["g","k"]'


def with_id(name, type_, number):
    return pa.field(name, type_, metadata={} if number is None else {"PARQUET:field_id": str(number)})


def rows_of(names, ids, values):
    """A file of an integer, a text and a struct with one text, under these names and field ids."""
    inner = with_id(names[3], pa.string(), ids[3])
    fields = [
        with_id(names[0], pa.int64(), ids[0]),
        with_id(names[1], pa.string(), ids[1]),
        with_id(names[2], pa.struct([inner]), ids[2]),
    ]
    n, s, k = values
    return pa.table([pa.array([n]), pa.array([s]), pa.array([{names[3]: k}], fields[2].type)], schema=pa.schema(fields))


def delta_field(name, type_, number):
    mapped = {"delta.columnMapping.physicalName": f"col-{number}"}
    mapped |= {} if number is None else {"delta.columnMapping.id": number}
    return {"name": name, "type": type_, "nullable": True, "metadata": mapped}


@pytest.fixture
def table(tmp_path):
    """Writes a table of these files, whose columns have the ids 1 to 4; its path."""

    def write(files, numbers=(1, 2, 3, 4)):
        folder = tmp_path / "lake" / "t"
        (folder / "_delta_log").mkdir(parents=True)
        group = {"type": "struct", "fields": [delta_field("k", "string", numbers[3])]}
        fields = [
            delta_field("n", "long", numbers[0]),
            delta_field("s", "string", numbers[1]),
            delta_field("g", group, numbers[2]),
        ]
        schema = json.dumps({"type": "struct", "fields": fields})
        settings = {"delta.columnMapping.mode": "id", "delta.columnMapping.maxColumnId": "4"}
        actions = [
            {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}},
            {
                "metaData": {
                    "id": "t",
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": schema,
                    "partitionColumns": [],
                    "configuration": settings,
                    "createdTime": 0,
                }
            },
        ]
        for number, rows in enumerate(files):
            path = folder / f"part-{number}.parquet"
            pq.write_table(rows, path)
            facts = {"partitionValues": {}, "modificationTime": 0, "dataChange": True}
            actions.append({"add": {"path": path.name, "size": path.stat().st_size, **facts}})
        log = "".join(json.dumps(action) + "\n" for action in actions)
        (folder / "_delta_log" / f"{0:020d}.json").write_text(log)
        return tmp_path / "lake"

    return write


def read(root, number):
    path = f"t/part-{number}.parquet"
    split = Split(0, 0, path, "parquet", None, (), (), 1, (root / path).stat().st_size, delta=("t", 0))
    (batch,) = read_split(str(root), split, [N, S, K], ReadCounter())
    return [batch[token].values.to_pylist()[0] for token in (N, S, K)]


def test_columns_are_found_by_their_ids_whatever_their_names(table):
    ids, physical = (1, 2, 3, 4), ("col-1", "col-2", "col-3", "col-4")
    root = table(
        [
            rows_of(("a", "b", "c", "d"), ids, (7, "x", "y")),
            rows_of(physical, ids, (8, "x", "y")),
            # names that lead elsewhere than the ids
            rows_of(("col-2", "col-1", "col-4", "col-3"), ids, (9, "x", "y")),
            # without any id the names count
            rows_of(physical, (None,) * 4, (10, "x", "y")),
            # what has another id is another column
            rows_of(physical, (1, 5, 3, 6), (11, "x", "y")),
        ]
    )
    assert [read(root, number) for number in range(5)] == [
        [7, "x", "y"],
        [8, "x", "y"],
        [9, "x", "y"],
        [10, "x", "y"],
        [11, None, None],
    ]


def test_a_column_without_an_id_is_named(table):
    root = table([rows_of(("a", "b", "c", "d"), (1, 2, 3, 4), (7, "x", "y"))], numbers=(1, None, 3, 4))
    with pytest.raises(SourceError, match="id"):
        delta_rows(str(root), "t", 0, False)
