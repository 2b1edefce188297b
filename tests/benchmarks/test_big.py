import pyarrow.parquet as pq

from tests.benchmarks import big


def test_the_lake_holds_the_ten_pairs_and_duckdb_finds_nothing_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(big, "FILE_ROWS", 1_500)
    big.write_big_lake(tmp_path, 4_000)
    big.write_big_lake(tmp_path, 4_000)
    assert sum(pq.read_metadata(path).num_rows for path in (tmp_path / "sales/lineitem").iterdir()) == 4_000
    *pairs, total = big.pairwise(tmp_path)
    assert {tuple(record["pair"]) for record in pairs} == big.PROVEN
    assert {record["missing"] for record in pairs} == {0}
    assert total["measurement"] == "duckdb_all"
    kept, near = (
        pq.read_table(tmp_path / name) for name in ("backup/lineitem_copy", "staging/fifth_one_bad_row.parquet")
    )
    rows = {tuple(row.values()) for row in near.to_pylist()}
    assert len(rows - {tuple(row.values()) for row in kept.to_pylist()}) == 1


def test_near_misses_have_one_other_cell_and_share_all_other_files(tmp_path, monkeypatch):
    monkeypatch.setattr(big, "FILE_ROWS", 1_500)
    big.write_big_lake(tmp_path / "lake", 4_000)
    near = big.write_near_misses(tmp_path / "lake", tmp_path / "near")
    rows = {name: pq.read_table(near / name).to_pylist() for name in (big.COPY, big.NEAR[0], f"{big.NEAR[1]}.parquet")}
    copy, whole, file = ({tuple(row.values()) for row in table} for table in rows.values())
    assert len(whole - copy) == len(copy - whole) == len(file - copy) == 1
    links = [path.stat().st_nlink for path in (near / big.NEAR[0]).iterdir()]
    assert sorted(links) == [1, 3, 3]
