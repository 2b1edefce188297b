import math
import os
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake import isolated
from lakebed.connectors.lake.files import FileEnd
from lakebed.connectors.lake.isolated import alive, isolated_map


@pytest.mark.parametrize("n_processes", [1, 3])
def test_results_come_in_order_and_a_death_costs_one_item(n_processes: int) -> None:
    def work(item: int) -> tuple[int, bytes]:
        if item % 7 == 3:
            os.abort()
        return item, b"x" * 50_000

    found = isolated_map(work, range(20), n_processes, lambda item, why: (-item, why.encode()))
    assert [number for number, _ in found] == [-item if item % 7 == 3 else item for item in range(20)]
    assert found[3][1] == b"its reader dies on it (SIGABRT)"


def test_nothing_to_do_and_a_child_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isolated_map(abs, [], 2, abs) == []
    monkeypatch.setattr(isolated, "STALL_S", 0.3)
    wait, other = os.pipe()
    assert isolated_map(lambda item: os.read(wait, 1) if item else b"", [0, 1, 0], 1, lambda _, why: why.encode()) == [
        b"", b"its reader did nothing for 0 s", b"",
    ]  # fmt: skip
    os.close(wait)
    os.close(other)


def test_no_child_is_forked_while_modules_are_imported() -> None:
    started = time.monotonic()
    with isolated.importing:
        threading.Timer(0.5, isolated.importing.release).start()
        assert isolated_map(abs, [-1, -2, -3], 2, lambda *_: -1) == [1, 2, 3]
        assert time.monotonic() - started > 0.4 and isolated.forked.is_set()
        isolated.importing.acquire()


def test_a_child_that_says_it_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "STALL_S", 0.5)

    def slow(item: int) -> int:
        for _ in range(8):
            time.sleep(0.1)
            alive()
        return item

    assert isolated_map(slow, [1, 2], 1, lambda *_: -1) == [1, 2]


def test_a_child_that_takes_all_memory_costs_one_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MEMORY_BYTES", 64 << 20)
    found = isolated_map(lambda n: len(_bytes_or_nothing(n)), [1, 1 << 30, 2], 1, lambda *_: -1)
    assert found == [1, 0, 2]


def _bytes_or_nothing(n_bytes: int) -> bytearray:
    try:
        return bytearray(n_bytes)
    except MemoryError:
        return bytearray()


def test_a_new_process_does_the_same_where_a_fork_may_not() -> None:
    assert list(isolated.isolated(math.sqrt, [4.0, 9.0], lambda *_: -1.0, is_forked=False)) == [2.0, 3.0]
    died = isolated.isolated(os._exit, [3, 4], lambda _, why: why, is_forked=False)
    assert list(died) == ["its reader dies on it"] * 2


def test_footers_of_an_object_store_are_parsed_from_their_ends(tmp_path: Path) -> None:
    wide = pa.table({f"a column with quite a long name, {n}": [n] for n in range(3000)})
    pq.write_table(wide, tmp_path / "wide.parquet")
    data = (tmp_path / "wide.parquet").read_bytes()
    for n_bytes in (len(data), len(data) - 10_000):
        source = pa.PythonFile(FileEnd(data[-n_bytes:], len(data)), mode="r")
        assert pq.ParquetFile(source).metadata.num_columns == 3000
    with pytest.raises(OSError, match="not fetched"):
        FileEnd(data[-8:], len(data)).read(4)
