from tests.benchmarks.questions import generated_lines, generated_tables


def test_every_kind_of_question_is_measured(tmp_path):
    index, *lines = generated_lines(30, tmp_path)
    assert (index["tables"], index["columns"]) == (30, sum(map(len, generated_tables(30).values())))
    assert {line["question"] for line in lines} >= {"joinable", "similar --novel", "search", "joinable --file"}
    assert all(line["cpu_ms"] > 0 and line["asked"] > 0 for line in lines)
