"""Small lakes that were read wrong once: each gives its pairs, its tables, and the reason of what is no table."""

import subprocess
import sys
from pathlib import Path

import pytest

import lakebed

PLACES = [above / "shared" / "cases" for above in Path(__file__).resolve().parents]


def both(*pairs):
    return {pair for one, other in pairs for pair in ((one, other), (other, one))}


def twins(names, one, other):
    return both(*((f"{name}/{one}", f"{name}/{other}") for name in names.split()))


# script: the pairs, the tables that cannot be read with a word of the reason
EXPECTED = {
    "k01_json_null_kills_run": (set(), {"bad": "null instead of an object"}),
    "k02_json_depth_kills_run": (set(), {}),
    "k03_int96_wraps": (both(("int96", "micros")), {}),
    "k04_wrong_statistics": (twins("a_parquet_mr_182 b_pyarrow_10 c_pyarrow_4", "old", "new"), {}),
    "k05_csv_quotes": (
        both(("swallow/c", "swallow/p"), ("after/c", "after/raw"), ("backslash/c", "backslash/p")),
        {"cut/c": "never closed", "middle/c": "text after a closing quote"},
    ),
    "k07_csv_header_lost": (twins("year years again two", "c", "p"), {}),
    "k08_other_table_formats": (set(), {"iceberg/t": "metadata", "hudi/t": "Hudi"}),
    "k09_variant_parts": (both(("plain", "shred")), {}),
    "k10_enum": (both(("enum", "text")), {}),
    "k13_rebuild_loses_types": ({(f"{name}_part", f"{name}_all") for name in ("enum", "variant", "int96")}, {}),
    "k14_refused_without_need": (
        both(("part/t", "part/p"), ("hint/t", "hint/p")),
        {"scalar": "a number instead of an object"},
    ),
}
# those whose tables are alike across cases, too
AMONG_OTHERS = {
    "k06_csv_first_line": both(*((name, "p") for name in ("note/semicolon", "note/tab", "note/comma", "sep/c"))),
    "k11_exports_never_match": twins("whole whole_json money bools dates zone exp", "c", "p"),
    "k12_delta_log": twins("tmp unknown widening", "t", "p"),
}


def read(tmp_path, script):
    """The lake that a script writes: (pairs, reasons of what cannot be read)."""
    cases = next((place for place in PLACES if place.is_dir()), None)
    if cases is None:
        pytest.skip("the folder shared/cases is absent")
    subprocess.run([sys.executable, cases / f"{script}.py", tmp_path / "lake"], check=True, capture_output=True)
    lake = lakebed.open(str(tmp_path / "lake"), artifacts=str(tmp_path / "artifacts"))
    run = lake.run(to="containment")
    pairs = {(pair.child, pair.parent) for pair in run.containments()}
    return pairs, {table.name: table.reason for table in lake.tables() if table.state == "unreadable"}


@pytest.mark.parametrize("script", EXPECTED)
def test_pairs_and_reasons_are_those_that_are_right(tmp_path, script):
    pairs, reasons = read(tmp_path, script)
    expected, unreadable = EXPECTED[script]
    assert pairs == expected
    assert reasons.keys() == unreadable.keys()
    assert all(word in reasons[name] for name, word in unreadable.items())


@pytest.mark.parametrize("script", AMONG_OTHERS)
def test_pairs_that_are_right_are_among_those_found(tmp_path, script):
    pairs, reasons = read(tmp_path, script)
    assert pairs >= AMONG_OTHERS[script] and not reasons
