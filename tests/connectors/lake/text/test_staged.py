from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.lake.text import staged
from lakebed.connectors.lake.text.staged import StagedWriter

SCHEMA = pa.schema([("a", pa.string())])


def batch(*cells: str) -> pa.RecordBatch:
    return pa.record_batch([pa.array(cells)], schema=SCHEMA)


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "t.parquet"
    with StagedWriter(str(path), SCHEMA) as writer:
        writer.write(batch("x", "y"))
        assert not path.exists()
    assert pq.read_table(path).column("a").to_pylist() == ["x", "y"]
    assert writer.n_bytes == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o644
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert (column.compression, column.statistics.min) == ("ZSTD", "x")


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), StagedWriter(str(tmp_path / "t.parquet"), SCHEMA) as writer:
        writer.write(batch("x"))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_row_groups_have_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged, "ROW_GROUP_BYTES", 100)
    with StagedWriter(str(tmp_path / "t"), SCHEMA) as writer:
        for _ in range(10):
            writer.write(batch("x" * 60))
    metadata = pq.ParquetFile(tmp_path / "t").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2] * 5


def test_no_rows(tmp_path: Path) -> None:
    with StagedWriter(str(tmp_path / "t"), SCHEMA):
        pass
    assert pq.read_table(tmp_path / "t").equals(SCHEMA.empty_table())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ArtifactError, match="cannot write a staged file"),
        StagedWriter(str(tmp_path / "file/t"), SCHEMA),
    ):
        pass
