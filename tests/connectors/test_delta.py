import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.delta import (
    DataFile,
    active_files,
    commit_files,
    iterate_table,
    read_table,
    write_frame,
    write_table,
)
from lakebed.connectors.errors import ArtifactError

TABLE = pa.table(
    {"id": [1, 2, 3], "name": ["a", None, "ü"], "parts": [[1], [], None], "key": [b"\x00", b"", b"\xff"]},
    schema=pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("name", pa.string()),
            pa.field("parts", pa.list_(pa.int32())),
            pa.field("key", pa.binary(), nullable=False),
        ]
    ),
)


def features(uri):
    with open(f"{uri}/_delta_log/00000000000000000000.json", encoding="utf-8") as log:
        actions = [json.loads(line) for line in log]
    return next(action["protocol"] for action in actions if "protocol" in action)


def write_part(uri, name, table):
    (uri / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, uri / name)
    return DataFile(name, (uri / name).stat().st_size, table.num_rows)


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0)], ids=["rows", "empty"])
def test_a_small_table_comes_back_as_it_was(tmp_path, table):
    written = write_table(str(tmp_path / "t"), table)
    assert written.writer == "delta-rs"
    assert written.n_rows == table.num_rows
    assert read_table(str(tmp_path / "t")).equals(table.cast(TABLE.schema))
    assert written.n_bytes == sum(file.size for file in active_files(str(tmp_path / "t")))


def test_columns_are_packed_by_zstandard(tmp_path):
    write_table(str(tmp_path / "t"), TABLE)
    (file,) = (tmp_path / "t").glob("*.parquet")
    group = pq.ParquetFile(file).metadata.row_group(0)
    assert {group.column(place).compression for place in range(group.num_columns)} == {"ZSTD"}


def test_small_writes_are_quick(tmp_path):
    write_table(str(tmp_path / "warm"), TABLE)
    start = time.perf_counter()
    for i in range(5):
        write_table(str(tmp_path / str(i)), TABLE)
    assert (time.perf_counter() - start) / 5 <= 0.2


def test_our_tables_need_no_reader_features(tmp_path):
    write_table(str(tmp_path / "t"), TABLE)
    assert features(tmp_path / "t") == {"minReaderVersion": 1, "minWriterVersion": 2}


def test_files_of_workers_become_one_commit(tmp_path):
    files = [write_part(tmp_path, f"data/part-{i}.parquet", TABLE.slice(i, 1)) for i in range(3)]
    write_part(tmp_path, "data/part-9-of-a-failed-try.parquet", TABLE)
    written = commit_files(str(tmp_path), TABLE.schema, files)
    assert (written.n_rows, written.n_files, written.writer) == (3, 3, "workers")
    assert [file.n_rows for file in active_files(str(tmp_path))] == [1, 1, 1]
    assert read_table(str(tmp_path), ["id"])["id"].to_pylist() == [1, 2, 3]
    assert sum(batch.num_rows for batch in iterate_table(str(tmp_path), ["name"])) == 3
    assert len(list((tmp_path / "_delta_log").iterdir())) == 1


def test_a_file_of_another_size_is_not_committed(tmp_path):
    file = write_part(tmp_path, "part.parquet", TABLE)
    with pytest.raises(ArtifactError, match="1 of 2 data files"):
        commit_files(str(tmp_path), TABLE.schema, [file, DataFile("gone.parquet", 10, 1)])
    assert not (tmp_path / "_delta_log").exists()


def test_errors_are_typed(tmp_path):
    write_table(str(tmp_path / "t"), TABLE)
    with pytest.raises(ArtifactError, match="already exists"):
        write_table(str(tmp_path / "t"), TABLE)
    with pytest.raises(ArtifactError, match="cannot open"):
        read_table(str(tmp_path / "none"))
    with pytest.raises(ArtifactError, match="cannot write"):
        write_table("/proc/lakebed/t", TABLE)
    next((tmp_path / "t").glob("*.parquet")).unlink()
    with pytest.raises(ArtifactError, match="cannot read"):
        read_table(str(tmp_path / "t"))


@pytest.mark.spark
def test_spark_reads_what_we_write_and_we_read_what_spark_writes(spark, tmp_path):
    files = [write_part(tmp_path / "workers", f"data/part-{i}.parquet", TABLE.slice(i, 1)) for i in range(3)]
    commit_files(str(tmp_path / "workers"), TABLE.schema, files)
    write_table(str(tmp_path / "small"), TABLE)
    frame = spark.read.format("delta").load(str(tmp_path / "workers"))
    assert frame.count() == 3
    assert [field.dataType.simpleString() for field in frame.schema] == ["bigint", "string", "array<int>", "binary"]
    written = write_frame(str(tmp_path / "large ü"), frame)
    assert (written.writer, written.n_rows) == ("spark", 3)
    assert features(tmp_path / "large ü")["minReaderVersion"] == 1
    for name in ("workers", "small", "large ü"):
        found = read_table(str(tmp_path / name)).sort_by("id")
        assert found.to_pylist() == TABLE.to_pylist()
        assert spark.read.format("delta").load(str(tmp_path / name)).count() == 3
    with pytest.raises(ArtifactError, match="cannot write"):
        write_frame(str(tmp_path / "small"), frame)
