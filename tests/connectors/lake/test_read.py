import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import MAX_BATCH_ROWS, ReadCounter, Split
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.read import MIN_CODED_ROWS, read_split, reads_whole


def split(path: str = "t.parquet", **settings: object) -> Split:
    facts = {"row_groups": None, "partition_values": (), "casts": (), "format": "parquet", **settings}
    return Split(table_id=0, split_id=0, path=path, n_rows=0, n_bytes=0, **facts)  # type: ignore[arg-type]


def read(
    root: Path, tokens: list[str], counter: ReadCounter | None = None, **settings: object
) -> dict[str, list[object]]:
    values: dict[str, list[object]] = {token: [] for token in tokens}
    for batch in read_split(str(root), split(**settings), tokens, counter or ReadCounter()):
        for token in tokens:
            values[token] += batch[token].values.to_pylist()
    return values


def test_only_the_columns_and_row_groups_asked_for_are_read(tmp_path: Path) -> None:
    table = pa.table([list(range(10)), list(range(10, 20)), ["x"] * 10], names=["a", "a", "b"])
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=4)
    counter = ReadCounter()
    assert read(tmp_path, ['["a",2]'], counter, row_groups=(0, 2)) == {'["a",2]': [10, 11, 12, 13, 18, 19]}
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    assert counter.n_bytes == sum(metadata.row_group(group).column(1).total_compressed_size for group in (0, 2))


def test_missing_columns_read_as_null_and_partition_values_as_constants(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "k": [9, 9]}), tmp_path / "t.parquet")
    values = (('["k"]', "5", "int64"), ('["d"]', None, "date32[day]"))
    assert read(tmp_path, ['["k"]', '["d"]', '["a"]', '["new"]'], partition_values=values) == {
        '["k"]': [5, 5], '["d"]': [None, None], '["a"]': [1, 2], '["new"]': [None, None],
    }  # fmt: skip
    assert read(tmp_path, ['["k"]'], partition_values=values) == {'["k"]': [5, 5]}


def test_a_dotted_name_reads_itself(tmp_path: Path) -> None:
    table = pa.table({"a.b": [1], "a": pa.array([{"b": 2, "c": [3]}]), "c": [4]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path, ['["a.b"]', '["a","b"]', '["a","c"]', '["c"]']) == {
        '["a.b"]': [1], '["a","b"]': [2], '["a","c"]': [[3]], '["c"]': [4],
    }  # fmt: skip


def test_texts_of_which_a_large_file_holds_codes_come_as_dictionaries(tmp_path: Path) -> None:
    n = MIN_CODED_ROWS
    table = pa.table({
        "few": [None if i % 7 == 0 else f"value {i % 5} of group {i // (n // 2)}" for i in range(n)],
        "many": [f"text {i}" for i in range(n)],
        "a.b": ["x"] * n,
        "in": pa.array([{"text": "y"}] * n),
        "number": [i % 3 for i in range(n)],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=n // 2)
    tokens = ['["few"]', '["many"]', '["a.b"]', '["in","text"]', '["number"]', '["not there"]']
    for groups in (None, (1,)):
        facts = replace(split(row_groups=groups), n_rows=n)
        coded = list(read_split(str(tmp_path), facts, tokens, ReadCounter(), may_be_coded=True))
        plain = list(read_split(str(tmp_path), facts, tokens, ReadCounter()))
        for one, other in zip(coded, plain, strict=True):
            assert pa.types.is_dictionary(one['["few"]'].values.type)
            assert one['["few"]'].values.dictionary_decode().equals(other['["few"]'].values)
            for token in tokens[1:]:
                assert one[token].values.equals(other[token].values)
    small = list(read_split(str(tmp_path), replace(facts, n_rows=n - 1), tokens, ReadCounter(), may_be_coded=True))
    assert small[0]['["few"]'].values.type == pa.string()


def coded_and_plain(root: Path, name: str, n: int, tokens: list[str]) -> list[list[dict[str, LeafArray]]]:
    facts = replace(split(name), n_rows=n)
    return [
        list(read_split(str(root), facts, tokens, ReadCounter(), may_be_coded=is_coded)) for is_coded in (True, False)
    ]


def test_a_code_that_no_text_stands_for_is_damage(tmp_path: Path) -> None:
    n = 70_000
    texts = pa.array([f"v{i}" for i in range(5)] * 2_000 + ["v4"] * 60_000)
    pq.write_table(pa.table({"t": texts}), tmp_path / "t.parquet", compression="none", row_group_size=n)
    whole = (tmp_path / "t.parquet").read_bytes()
    levels = whole.find(b"\x04\x00\x00\x00\xc0\xb8\x02\x01\x03")
    run = whole.find(b"\xc0\xb8\x02\x04")
    # 20,000 times the code -1, of 32 bits; a run of the seventh text where there are five
    below, beyond = bytearray(whole), bytearray(whole)
    below[levels + 8 : levels + 16] = b"\x20\xc0\xb8\x02\xff\xff\xff\xff"
    beyond[run + 3] = 7
    assert min(levels, run) > 0
    for data in (below, beyond):
        (tmp_path / "t.parquet").write_bytes(data)
        for is_coded in (True, False):
            facts = replace(split(), n_rows=n)
            with pytest.raises(SourceError):
                list(read_split(str(tmp_path), facts, ['["t"]'], ReadCounter(), may_be_coded=is_coded))


def test_nothing_is_read_as_codes_beside_timestamps_of_96_bits(tmp_path: Path) -> None:
    n = MIN_CODED_ROWS
    table = pa.table({"t": [f"v{i % 50}" for i in range(n)], "at": pa.array(np.arange(n), pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True, row_group_size=10_000)
    coded, plain = coded_and_plain(tmp_path, "t.parquet", n, ['["t"]', '["at"]'])
    assert all(
        one[token].values.equals(two[token].values) for one, two in zip(coded, plain, strict=True) for token in one
    )


def test_json_is_read_as_text_however_large_its_file_is(tmp_path: Path) -> None:
    n = MIN_CODED_ROWS
    table = pa.table({"t": [f'{{"a":{i % 4}}}' for i in range(n)]}).cast(pa.schema([("t", pa.json_())]))
    pq.write_table(table, tmp_path / "t.parquet")
    for batches in coded_and_plain(tmp_path, "t.parquet", n, ['["t"]']):
        assert {batch['["t"]'].values.type for batch in batches} == {pa.string()}


def test_batches_are_bounded_by_rows_and_by_cells(tmp_path: Path) -> None:
    n_rows = MAX_BATCH_ROWS + 10
    pq.write_table(pa.table({"a": pa.array(range(n_rows))}), tmp_path / "t.parquet")
    sizes = [len(batch['["a"]'].values) for batch in read_split(str(tmp_path), split(), ['["a"]'], ReadCounter())]
    assert sum(sizes) == n_rows
    assert max(sizes) <= MAX_BATCH_ROWS
    pq.write_table(pa.table({f"c{i}": pa.nulls(3000, pa.int8()) for i in range(2000)}), tmp_path / "w.parquet")
    tokens = [f'["c{i}"]' for i in range(2000)]
    batches = list(read_split(str(tmp_path), split("w.parquet"), tokens, ReadCounter()))
    assert sum(len(batch[tokens[0]].values) for batch in batches) == 3000
    assert max(len(batch[tokens[0]].values) for batch in batches) < 1500


def test_small_row_groups_share_a_batch(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(100))}), tmp_path / "t.parquet", row_group_size=5)
    batches = list(read_split(str(tmp_path), split(), ['["a"]'], ReadCounter()))
    assert len(batches) == 1


def test_staged_text_gets_its_types(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": ["1", None], "t": ["01", "x"], "b": ["true", "false"]}), tmp_path / "t.parquet")
    casts = (('["n"]', "int64"), ('["b"]', "bool"))
    assert read(tmp_path, ['["n"]', '["t"]', '["b"]'], format="staged", casts=casts) == {
        '["n"]': [1, None], '["t"]': ["01", "x"], '["b"]': [True, False],
    }  # fmt: skip


def test_an_empty_file_has_no_cells(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.parquet")
    assert read(tmp_path, ['["a"]', '["z"]']) == {'["a"]': [], '["z"]': []}


@pytest.mark.parametrize("damage", ["missing", "truncated", "page"])
def test_damage_is_a_source_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t.parquet"
    if damage != "missing":
        pq.write_table(pa.table({"a": list(range(1000))}), path, compression="zstd", write_page_checksum=True)
        data = bytearray(path.read_bytes())
        data[60] ^= 0xFF
        path.write_bytes(data if damage == "page" else data[:100])
    with pytest.raises(SourceError, match=r"t\.parquet"):
        read(tmp_path, ['["a"]'])


def test_case_can_be_ignored(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Ab": [1]}), tmp_path / "t.parquet")
    batches = list(read_split(str(tmp_path), split(), ['["ab"]'], ReadCounter(), ignore_case=True))
    assert batches[0]['["ab"]'].values.to_pylist() == [1]


def test_a_file_whose_columns_are_all_wanted_is_read_once_and_digested(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2, 3], "b": [4, 5, 6]}), tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    whole, part = ReadCounter(), ReadCounter()
    both, one = read(tmp_path, ['["a"]', '["b"]'], whole), read(tmp_path, ['["a"]'], part)
    assert both['["a"]'] == one['["a"]'] == [1, 2, 3]
    assert (whole.digests, whole.n_bytes) == ({"t.parquet": hashlib.sha256(content).hexdigest()}, len(content))
    assert part.digests == {}
    assert 0 < part.n_bytes < len(content)


def test_whether_a_file_is_read_as_a_whole_is_known_from_its_footer(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "s": [{"x": 1, "y": 2}]}), tmp_path / "t.parquet")
    for tokens in (['["a"]', '["s","x"]'], ['["a"]'], ['["a"]', '["s","x"]', '["gone"]']):
        counter = ReadCounter()
        read(tmp_path, tokens, counter)
        assert reads_whole(str(tmp_path), "t.parquet", tokens) == bool(counter.digests)
    with pytest.raises(SourceError):
        reads_whole(str(tmp_path), "nowhere.parquet", ['["a"]'])
