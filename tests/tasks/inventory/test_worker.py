from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.tasks.inventory.worker import FooterUnit, TextUnit, WorkContext, do_unit


def test_footers_and_failures_are_outcomes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    context = WorkContext(str(tmp_path), TextConfig(), False)
    entries = (FileEntry("t.parquet", (tmp_path / "t.parquet").stat().st_size, 1), FileEntry("gone.parquet", 1, 1))
    good, bad = do_unit(context, FooterUnit(entries)).footers
    assert isinstance(good, FileFacts)
    assert isinstance(bad, Unreadable)
    missing = do_unit(context, TextUnit("gone.csv", "csv", str(tmp_path / "out" / "x.parquet"), {}, 1))
    assert missing.error is not None
    assert not list((tmp_path / "out").glob("*"))
