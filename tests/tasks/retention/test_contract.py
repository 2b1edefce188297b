from lakebed.tasks.report.sections.retention import REASONS as SHOWN
from lakebed.tasks.retention.contract import CONTRACTS, REASONS
from lakebed.tasks.retention.recipes.model import Outcome


def test_names_say_the_stage():
    assert all(contract.name == f"retention.{name}" for name, contract in CONTRACTS.items())


def test_every_reason_to_keep_has_words_in_the_report():
    assert set(SHOWN) == set(REASONS) - {"rebuilt"}


def test_times_and_texts_with_paths_of_this_machine_are_no_part_of_the_content():
    for contract in CONTRACTS.values():
        for column in contract.columns:
            assert column.is_digested == (
                column.name
                not in ("seconds", "verified_s", "sql", "pyspark", "view", "identity", "value", "first_written_ns")
            )


def test_outcomes_tell_what_the_tables_need():
    assert {"recipe", "refusal", "bytes_read", "rebuild_s"} <= set(Outcome.model_fields)
