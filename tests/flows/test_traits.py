"""Types that Arrow does not carry, from the command line: there before a purge, there after a restore (k13)."""

import duckdb
import pytest

from tests.flows.processes import LOCAL, lakebed
from tests.tasks.quarantine.trait_tables import REFUSED, annotated, content, duck, seen, write

pytestmark = pytest.mark.flow

TABLES = {
    "enum": annotated(4, 4),
    "variant": duck("{'a': i, 'b': 'x' || i}::VARIANT v"),
    "int96": REFUSED["int96 beyond nanoseconds"][0],
}


def test_what_purge_deletes_restore_brings_back_with_its_types(tmp_path):
    root = tmp_path / "lake"
    root.mkdir()
    for name, writer in TABLES.items():
        write(root / name, writer)
    before = {name: (seen(root / name), content(root / name)) for name in TABLES}
    places = ("--lake", root, "--artifacts", tmp_path / "art")
    verbs = (
        ("run", "--to", "retention"),
        ("plan", "--out", "plan.json"),
        ("apply", "plan.json", "--yes"),
        ("purge", "--all", "--yes"),
        ("restore", "--all"),
    )
    answers = {}
    for verb in verbs:
        own = places if verb[0] != "plan" else places[2:]
        answers[verb[0]] = lakebed(*verb, *own, "--json", folder=tmp_path, **LOCAL, LAKEBED_QUARANTINE__GRACE_DAYS="0")
        assert answers[verb[0]].status == 0, answers[verb[0]].err
    assert set(answers["restore"].json["rebuilt"]) == {"enum/all", "enum/part", "variant/part"}
    assert {name: (seen(root / name), content(root / name)) for name in TABLES} == before
    shown = duckdb.sql(f"describe from '{root}/variant/part.parquet'").fetchall()
    assert [row[1] for row in shown] == ["BIGINT", "VARCHAR", "VARIANT"]
    why = lakebed("explain", "int96/part", *places[2:], folder=tmp_path)
    assert why.status == 0 and "INT96" in why.out, why.out
