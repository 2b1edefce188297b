from pathlib import Path

import pyarrow as pa

from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.read import read_split
from lakebed.tasks.inventory.text import fold_tokens, text_facts
from lakebed.tasks.inventory.worker import TextUnit, WorkContext, do_unit


def stage(root: Path, name: str, text: str, ignore_case: bool = False) -> tuple[object, tuple[list[int], list[int]]]:
    (root / name).write_text(text)
    unit = TextUnit(name, "json" if name.endswith("l") else "csv", str(root / f"{name}.parquet"), {}, 1)
    outcome = do_unit(WorkContext(str(root), TextConfig(), ignore_case), unit)
    assert outcome.error is None
    return outcome.scan, outcome.row_groups


def test_files_of_one_table_get_one_type_and_read_back(tmp_path: Path) -> None:
    long = "q" * 600
    staged = [stage(tmp_path, "a.csv", f"n,s,d\n1,{long},2020-01-02\n"), stage(tmp_path, "b.csv", "n,s,d\n2.5,r,\n")]
    scans, groups = zip(*staged, strict=True)
    facts = text_facts(scans, ["a.csv.parquet", "b.csv.parquet"], groups)  # type: ignore[arg-type]
    assert facts[0].casts == {'["n"]': "float64", '["s"]': "string", '["d"]': "date"}
    stats = facts[0].statistics
    assert stats.min_lower[0] == 1
    assert stats.min_upper[1] == b"q" * 512 + b"\xff"
    assert stats.min_lower[2] == 18263
    assert facts[1].statistics.n_nulls == [0, 0, 1]
    assert facts[0].row_group_rows == [1]
    split = Split(0, 0, "b.csv.parquet", "staged", None, (), tuple(facts[1].casts.items()), 1, 1)
    (cells,) = read_split(str(tmp_path), split, ['["n"]', '["d"]'], ReadCounter())
    assert cells['["n"]'].values.equals(pa.array([2.5]))
    assert cells['["d"]'].values.type == pa.date32()


def test_case_can_be_ignored_in_text(tmp_path: Path) -> None:
    scan, groups = stage(tmp_path, "a.jsonl", '{"Ab": {"Cd": 1}}\n', ignore_case=True)
    (facts,) = text_facts([scan], ["x"], [groups])  # type: ignore[list-item]
    assert [leaf.token for leaf in facts.leaves] == ['["ab","cd"]']
    assert fold_tokens(pa.schema([("A", pa.int8()), ("a", pa.int8())])) == {'["A"]': '["a"]', '["a"]': '["a",2]'}
