"""Ten thousand damaged files, from a seed: none ends the work, none hangs it, each that is refused has its reason."""

import random
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.tasks.inventory.worker import BoundsUnit, FooterUnit, TextUnit, WorkContext, do_units
from tests.connectors.lake.text.samples import samples

SEED, N_INPUTS, N_TOGETHER = 20261129, 10_000, 500
JSON = (
    b'{"a":1,"b":"x"}\n{"a":2.5,"b":null}\n', b'[{"a":[1,2]},{"a":[]}]', b'{\n "a": {"b": true}\n}\n{"a":{}}',
    b'{"a":"2024-01-02"}\n{"a":"9999-12-31"}\n', b'{"a":12345678901234567890,"b":[{"c":1e5}]}\n',
)  # fmt: skip


def parquet_files():
    table = pa.table({
        "a": [1, 2, None, 4], "s": ["x", "yy", None, "z"], "f": [1.0, 2.5, None, -1.0],
        "l": [[1], [], None, [2, 3]], "o": [{"p": 1}, None, {"p": None}, {"p": 4}],
        "t": pa.array([0, 1, 2, 3], pa.timestamp("us")), "d": pa.array(["k", "k", "m", None]).dictionary_encode(),
    })  # fmt: skip
    for options in ({}, {"use_deprecated_int96_timestamps": True}, {"compression": "zstd", "row_group_size": 2}):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        yield sink.getvalue().to_pybytes()


def mutated(data, source):
    """The bytes with up to eight of them changed, and some cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(source.randint(0, 8)):
        if changed:
            changed[source.randrange(len(changed))] = source.choice(b'\x00\x01\x7f\xff"\n,{}[]:;\t0e-' + changed[:64])
    kind = source.randint(0, 5)
    start, stop = sorted(source.randint(0, len(changed)) for _ in range(2))
    if kind == 0:
        del changed[start:stop]
    elif kind == 1:
        changed[start:start] = changed[start:stop]
    elif kind == 2:
        del changed[stop:]
    return bytes(changed)


def unit_of(folder, number, source, seeds):
    ending, data = source.choice(seeds)
    path = f"{number}{ending}"
    (folder / path).write_bytes(mutated(data, source))
    if ending != ".parquet":
        return TextUnit(path, "json" if "json" in ending else "csv", str(folder / "out" / path), {}, 1)
    size = (folder / path).stat().st_size
    return source.choice([FooterUnit((FileEntry(path, size, 1),)), BoundsUnit(path, ('["a"]', '["s"]', '["t"]'), size)])


@pytest.mark.heavy
@pytest.mark.long
def test_no_damaged_file_ends_or_hangs_the_work(tmp_path):
    source = random.Random(SEED)
    seeds = [("." + sample.name.partition(".")[2], sample.data) for sample in samples()]
    seeds += [(".json", data) for data in JSON] * 10 + [(".parquet", data) for data in parquet_files()] * 20
    n_read = n_refused = 0
    for start in range(0, N_INPUTS, N_TOGETHER):
        folder = tmp_path / str(start)
        folder.mkdir()
        units = [unit_of(folder, number, source, seeds) for number in range(start, start + N_TOGETHER)]
        last = time.monotonic()
        for unit, outcome in zip(units, do_units(WorkContext(str(folder), TextConfig(), False), units), strict=True):
            now, last = last, time.monotonic()
            assert last - now < 30, unit
            reasons = [footer.reason for footer in outcome.footers if isinstance(footer, Unreadable)]
            reasons += [outcome.error.what] if outcome.error else []
            n_refused += bool(reasons)
            n_read += not reasons
            assert all(reasons), unit
    assert n_read > N_INPUTS // 10
    assert n_refused > N_INPUTS // 10
