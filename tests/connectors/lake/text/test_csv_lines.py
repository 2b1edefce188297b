from pathlib import Path

import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text.csv_lines import CsvReader, RowTooLong
from lakebed.connectors.lake.text.csv_quotes import Dialect
from lakebed.connectors.lake.text.stream import TextStream


def rows(folder: Path, data: bytes, block_bytes: int, **config: object) -> list[tuple[str | None, ...]]:
    (folder / "t.csv").write_bytes(data)
    with TextStream(str(folder), "t.csv", "utf-8") as stream:
        batches = list(CsvReader(stream, TextConfig(**config), block_bytes).batches())
    return [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


@pytest.mark.parametrize("block_bytes", [16, 64, 1 << 20])
def test_blocks_do_not_matter(tmp_path: Path, block_bytes: int) -> None:
    data = b'a,b\n1,"x\ny"\n\n2,""\n3,\n' * 5
    expected = [("1", "x\ny"), ("2", ""), ("3", None), ("a", "b")] * 5
    assert rows(tmp_path, data, block_bytes, header="yes") == expected[:-1]


@pytest.mark.parametrize("block_bytes", [32, 1 << 20])
def test_a_ragged_row_has_its_number(tmp_path: Path, block_bytes: int) -> None:
    with pytest.raises(SourceError, match="row 22 has 3 cells"):
        rows(tmp_path, b"a,b\n" + b"1,2\n" * 20 + b"1,2,3\n1\n", block_bytes)


def test_a_row_that_does_not_fit_into_a_block(tmp_path: Path) -> None:
    with pytest.raises(RowTooLong):
        rows(tmp_path, b"a,b\n1," + b"x" * 100 + b"\n2,y\n", 16)


@pytest.mark.parametrize("dialect", ["rfc", "literal", "none"])
def test_quotes_are_counted(tmp_path: Path, dialect: Dialect) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,"b"\n' + b'1,"x ""y"" z"\n' * 300)
    with TextStream(str(tmp_path), "t.csv", "utf-8") as stream:
        reader = CsvReader(stream, TextConfig(), 1 << 10, dialect)
        n_rows = sum(batch.num_rows for batch in reader.batches())
    assert (n_rows, reader.n_quotes) == (300, 2 + 6 * 300)
