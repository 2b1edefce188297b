import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.tasks.inventory import worker
from lakebed.tasks.inventory.worker import (
    FooterUnit,
    Outcome,
    TextUnit,
    WorkContext,
    _deadly,
    do_unit,
    do_units,
)


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


def test_a_file_that_kills_or_confuses_its_reader_costs_one_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(context: WorkContext, unit: TextUnit) -> Outcome:
        if unit.path == "deadly":
            os.abort()
        if unit.path == "strange":
            raise RuntimeError("what no one has seen")
        raise MemoryError if unit.path == "big" else RecursionError

    monkeypatch.setattr(worker, "_stage_text", read)
    units = [TextUnit(path, "csv", str(tmp_path / "out"), {}, 0) for path in ("deadly", "strange", "big", "deep")]
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    assert [outcome.error.value for outcome in found if outcome.error] == [
        "its reader dies on it (SIGABRT)", "RuntimeError: what no one has seen",
        "it takes more than 4 GiB of memory to read", "its values are nested too deeply",
    ]  # fmt: skip
    footers = _deadly(FooterUnit((FileEntry("a", 1, 1), FileEntry("b", 1, 1))), "why").footers
    assert [footer.reason for footer in footers if isinstance(footer, Unreadable)] == ["why", "why"]
