import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.index.kernel.likeness import likeness_of
from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.index.words import lake_terms
from lakebed.tasks.keys.kernel.columns import postings
from lakebed.tasks.keys.lake import lake_of_columns
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.search.kernel.unions import (
    MAX_ANSWERING,
    MAX_ASKED,
    UnionLake,
    map_columns,
    rank_unions,
)
from tests.tasks.lakegraph.columns import lake_column


def lake_of(tables):
    """A lake of plain lists, and its `column_values`."""
    columns = [
        lake_column(table, name, pa.array(values), place)
        for table, held in tables.items()
        for place, (name, values) in enumerate(held.items())
    ]
    names = list(tables)
    table_of = np.array([names.index(column.table) for column in columns], np.int64)
    values = value_table(columns)
    return lake_of_columns(names, [str(column.path[0]) for column in columns], table_of, values), values


def known_of(tables):
    lake, values = lake_of(tables)
    likeness = likeness_of(lake_terms(lake, values), lake.table_of, len(lake.tables))
    return UnionLake(lake, Postings(lake.indptr, lake.values, *postings(lake)), likeness)


def ranked(known, asked):
    found = rank_unions(known, asked)
    return [known.lake.tables[table] for table in found.table.tolist()], found


def pairs(known, asked, found, table):
    mapping = map_columns(known, asked, found, known.lake.tables.index(table))
    named = zip(mapping.asked.tolist(), mapping.column.tolist(), strict=True)
    return {(asked.columns[a].name, known.lake.names[b]) for a, b in named}, mapping


ANIMALS = {
    "zoo/cats": {"name": ["Tom", "Felix"], "kind of food": ["fish and milk", "fish"]},
    "zoo/dogs": {"animal name": ["Rex", "Bello"], "food": ["meat and fish", "milk"]},
    "shop/bills": {"total": [1.5, 2.5, 3.5], "customer": ["Jones", "Smith", "Brown"]},
}


def test_tables_without_a_common_value_are_put_under_each_other_by_names_and_words():
    known = known_of(ANIMALS)
    asked = known.asked(0)
    names, found = ranked(known, asked)
    assert names == ["zoo/dogs"] and found.share[0] == 0
    mapped, mapping = pairs(known, asked, found, "zoo/dogs")
    assert mapped == {("name", "animal name"), ("kind of food", "food")}
    assert mapping.is_unionable and mapping.novel == 1


def test_row_numbers_tell_nothing():
    rows = list(range(20))
    tables = {
        "a": {"Unnamed: 0": rows, "city": [f"town {n}" for n in rows]},
        "b": {"Unnamed: 0": rows, "speed": [n + 0.5 for n in rows]},
        "c": {"place": [f"town {n}" for n in rows[:8]], "id": [n + 7 for n in rows[:8]]},
    }
    known = known_of(tables)
    assert known.counts_rows.tolist() == [True, False, True, False, False, False]
    names, found = ranked(known, known.asked(0))
    assert names == ["c"] and 0 < found.share[0] < 1
    # where there is nothing else they are compared after all
    assert ranked(known_of({"x": {"n": rows}, "y": {"n": rows[:9]}}), known_of({"x": {"n": rows}}).asked(0))[0]


def test_what_holds_a_table_comes_first_and_brings_what_it_lacks():
    ids = list(range(100, 200))
    tables = {
        "part": {"id": ids[:40], "city": [f"c{n % 7}" for n in ids[:40]]},
        "whole": {"id": ids, "city": [f"c{n % 7}" for n in ids]},
        "half": {"id": ids[20:60], "city": [f"c{n % 7}" for n in ids[20:60]]},
    }
    known = known_of(tables)
    asked = known.asked(0)
    names, found = ranked(known, asked)
    assert names == ["whole", "half"] and found.share[0] == pytest.approx(1)
    assert pairs(known, asked, found, "whole")[1].novel == pytest.approx(0.6)
    assert pairs(known, asked, found, "half")[1].novel == pytest.approx(0.5)


def test_a_table_from_elsewhere_is_ranked_as_the_same_one_in_the_lake():
    tables = ANIMALS | {"zoo/birds": {"name": ["Tom", "Hansi"], "food": ["grains", "fish"]}}
    outside = {"x": tables["zoo/cats"]}
    known, (lake, values) = known_of(tables), lake_of(outside)
    asked = known.outside(lake, lake_terms(lake, values))
    names, found = ranked(known, asked)
    inside, same = ranked(known, known.asked(0))
    assert names[0] == "zoo/cats" and found.share[0] == pytest.approx(1)
    assert names[1:] == inside and found.share[1:] == pytest.approx(same.share)


def test_values_that_the_lake_lacks_count_among_those_asked():
    known = known_of({"a": {"x": ["one", "two", "three"]}, "b": {"y": ["seven"]}})
    lake, values = lake_of({"q": {"z": ["one", "nine", "ten", "eleven"]}})
    asked = known.outside(lake, lake_terms(lake, values))
    found = rank_unions(known, asked).shares
    assert found.indptr.tolist() == [0, 1, 1]
    assert (found.forth.tolist(), found.back.tolist()) == ([0.25], [pytest.approx(1 / 3)])


def test_wide_tables_are_bounded():
    wide = {f"column {n}": [n, n + 1_000, n + 2_000] for n in range(700)}
    known = known_of({"wide": wide, "again": wide})
    asked = known.asked(0)
    names, found = ranked(known, asked)
    assert names == ["again"] and len(found.chosen) == MAX_ASKED
    mapping = map_columns(known, asked, found, 1)
    assert len(mapping.asked) == MAX_ASKED and mapping.column.max() < 700 + MAX_ANSWERING


def test_tables_without_anything_in_common_are_no_answers():
    known = known_of({"a": {"x": [None, None]}, "b": {"y": [5.5]}, "c": {}})
    for table in range(3):
        assert ranked(known, known.asked(table))[0] == []


def test_a_table_without_columns_answers_nothing():
    known = known_of({**ANIMALS, "zoo/bare": {}})
    asked = known.asked(0)
    _, found = ranked(known, asked)
    assert pairs(known, asked, found, "zoo/bare")[0] == set()
