"""The committed set of small text files: each has its rows, or is refused for its reason."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text.scan import scan_text_file
from tests.connectors.lake.text.samples import Sample, samples

SAMPLES = samples()


def test_there_are_enough_of_them_and_each_once() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES) >= 120


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_a_file_has_its_rows(tmp_path: Path, sample: Sample) -> None:
    (tmp_path / sample.name).write_bytes(sample.data)
    out = str(tmp_path / "out")
    if sample.refused:
        with pytest.raises(SourceError) as caught:
            scan_text_file(str(tmp_path), sample.name, "csv", out, TextConfig(), {})
        assert sample.refused in f"{caught.value.what} {caught.value.value}"
        return
    scan_text_file(str(tmp_path), sample.name, "csv", out, TextConfig(), {})
    table = pq.ParquetFile(out).read()
    found = [table.column_names, *[list(row) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]]
    assert found == list(sample.rows)
