import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.retention.accesses import DAYS_PER_MONTH, log_identity, table_accesses
from lakebed.tasks.retention.config import AccessConfig

NAMES = ["a", "b", "c"]
QUERIES = pa.table({"table": ["a", "b", "a", "gone", "a"], "user": ["x"] * 5})


def accesses(log, **changes):
    config = AccessConfig(log=str(log), days=DAYS_PER_MONTH, default_per_month=7.0, **changes)
    found = table_accesses(NAMES, config)
    return found.n_accesses.tolist(), found.n_unknown


def test_without_a_log_the_default_holds():
    assert table_accesses(NAMES, AccessConfig()).n_accesses.tolist() == [1.0, 1.0, 1.0]


def test_counts_of_a_csv_are_summed_and_scaled_to_a_month(tmp_path):
    (tmp_path / "log.csv").write_text("table,n\na,5\nb,1\na,2.5\ngone,9\n")
    assert accesses(tmp_path / "log.csv", count_column="n") == ([7.5, 1.0, 7.0], 1)
    config = AccessConfig(log=str(tmp_path / "log.csv"), count_column="n", days=DAYS_PER_MONTH / 2)
    assert table_accesses(NAMES, config).n_accesses[0] == pytest.approx(15.0)


def test_a_log_of_queries_counts_its_rows(tmp_path):
    pq.write_table(QUERIES, tmp_path / "log.parquet")
    assert accesses(tmp_path / "log.parquet") == ([3.0, 1.0, 7.0], 1)
    write_deltalake(str(tmp_path / "log"), QUERIES)
    assert accesses(tmp_path / "log") == ([3.0, 1.0, 7.0], 1)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    (tmp_path / "log.csv").write_text("table\n007\n7\n")
    config = AccessConfig(log=str(tmp_path / "log.csv"), days=DAYS_PER_MONTH)
    assert table_accesses(["007"], config).n_accesses.tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("name\na\n", {}, "lacks a column"),
        ("table,n\na,1\n", {"count_column": "m"}, "lacks a column"),
        ("table,n\na,-1\n", {"count_column": "n"}, "negative"),
        ("table,n\na,\n", {"count_column": "n"}, "missing"),
        ("table,n\na,nan\n", {"count_column": "n"}, "not finite"),
        ("table,n\na,many\n", {"count_column": "n"}, "no number"),
        ("table,n\na\n", {"count_column": "n"}, "cannot be read"),
        ("", {}, "cannot be read"),
    ],
)
def test_a_bad_log_is_refused(tmp_path, text, changes, message):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        accesses(tmp_path / "log.csv", **changes)
    assert refused.value.hint


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not there"):
        log_identity(AccessConfig(log=str(tmp_path / "none.csv")))


def test_the_identity_follows_the_content(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("table\na\n")
    first = log_identity(AccessConfig(log=str(path)))
    path.write_text("table\nb\n")
    assert log_identity(AccessConfig(log=str(path))) != first
    assert log_identity(AccessConfig()) == ""
    write_deltalake(str(tmp_path / "log"), QUERIES)
    first = log_identity(AccessConfig(log=str(tmp_path / "log")))
    write_deltalake(str(tmp_path / "log"), QUERIES, mode="append")
    assert log_identity(AccessConfig(log=str(tmp_path / "log"))) != first
