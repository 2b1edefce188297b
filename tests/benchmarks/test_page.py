"""The tables of the benchmarks' page are those of the kept output."""

import json

import pytest

from tests.benchmarks.page import FOLDER, PAGE, markdown, rendered, table


def test_the_page_is_in_step():
    assert "<!-- table summary -->" in PAGE.read_text()
    assert rendered(PAGE.read_text(), FOLDER) == PAGE.read_text(), "run `python -m tests.benchmarks.page`"


def test_every_kept_output_is_small():
    assert all(path.stat().st_size < 100_000 for path in FOLDER.iterdir())


def test_a_changed_figure_changes_the_page_and_prose_stays(tmp_path):
    for path in FOLDER.glob("*.jsonl"):
        (tmp_path / path.name).write_text(path.read_text().replace('"ratio": 0.0894,', '"ratio": 0.5,'))
    before, after = PAGE.read_text(), rendered(PAGE.read_text(), tmp_path)
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    ((old, new),) = changed
    assert old.startswith("| protein |") and "| 0.5000 |" in new


def test_a_summary_that_lost_something_is_no_figure(tmp_path):
    (tmp_path / "summary_authors.jsonl").write_text("")
    record = {"graph": "g", "mean_of_seeds": 1, "ratio": 0.5, "cpu_s": 1.0, "lossless": False}
    (tmp_path / "summary.jsonl").write_text(json.dumps({"graph": "g", "edges": 9}) + "\n" + json.dumps(record))
    with pytest.raises(ValueError, match="a summary of g"):
        table("summary", tmp_path)


def test_other_tables(tmp_path):
    product = {"graph": "g", "measurement": "product", "columns": 128, "summary_times_scipy": 2.31, "picked": "csr"}
    product |= {"summary_times_csr": 0.9, "picked_times_better": 1.0}
    query = {"graph": "g", "measurement": "neighbour_query", "query_us": 0.456}
    (tmp_path / "operator.jsonl").write_text("\n".join(map(json.dumps, (product, product | {"columns": 16}, query))))
    assert table("operator", tmp_path).splitlines()[2:] == ["| g | 2.3 × | 0.90 × | CSR | 1.00 | 0.46 µs |"]  # noqa: RUF001
    solved = {"shape": "line", "n_tables": 1000, "n_edges": 999, "largest_component": 40, "methods": ["ilp", "tree"]}
    (tmp_path / "retention.jsonl").write_text(json.dumps(solved | {"gap": 0.0001, "cpu_seconds": 2.14}))
    last = table("retention", tmp_path).splitlines()[-1]
    assert last == "| line | 1,000 | 999 | 40 | HiGHS, dynamic programme | 0.01% | 2.1 |"


def test_cells_of_a_table():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"


def test_a_table_that_nobody_knows_is_an_error(tmp_path):
    with pytest.raises(KeyError):
        rendered("<!-- table nothing -->\n\n<!-- end -->", tmp_path)
